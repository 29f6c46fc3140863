"""Animate-Anyone as a system: made, killed and gone on with, scored; what it refuses before hours are spent."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from baselines.animate_anyone.network import make_tiny_animate_anyone
from baselines.animate_anyone.system import AnimateAnyone
from baselines.sd15 import driver
from evaluation.systems import find
from madata.errors import ConfigError, MadanceError, WeightsError
from madata.files import read_json
from tests.mace_dance.appearance.clips import request_of

pytestmark = pytest.mark.usefixtures("no_weights")

SMALL = {"align": False, "steps": 2, "window": 6, "overlap": 2}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("animate") / "tiny"
    make_tiny_animate_anyone(folder)
    return folder


@pytest.fixture(scope="module")
def animator(tiny):
    made = AnimateAnyone(str(tiny), **SMALL)
    made.setup("cpu")
    return made


class Killed(Exception):
    pass


def test_a_killed_clip_goes_on_to_the_same_bits(animator, tmp_path, monkeypatch):
    monkeypatch.setattr(driver, "_SEGMENT", 5)
    told = []
    request = request_of(tmp_path, frames=9, report=lambda *words: told.append(words))
    whole = list(animator.generate(replace(request, keep=tmp_path / "whole")))
    assert (len(whole), whole[0].shape, whole[0].dtype) == (9, (48, 32, 3), np.uint8)
    shares = [share for _, share in told]
    assert (shares, shares[-1]) == (sorted(shares), 1.0)
    report = read_json(tmp_path / "whole" / "video" / "report.json")
    assert (report["segments"], report["segments_reused"]) == (2, 0)

    for when in ("painting: step 1 of 2", "decoding: segment 1 of 2"):

        def die(words, share, when=when):
            if words == when:
                raise Killed

        asked = replace(request, keep=tmp_path / "killed")
        with pytest.raises(Killed):
            animator.generate(replace(asked, report=die))
        told.clear()
        np.testing.assert_array_equal(list(animator.generate(asked)), whole)
        assert when not in [words for words, _ in told]
        left = sorted(path.name for path in (tmp_path / "killed" / "video").iterdir())
        assert left == ["report.json", "run.json", "segments"]
        shutil.rmtree(tmp_path / "killed")


def test_seed_picture_and_pose_all_count(animator, tmp_path):
    request = request_of(tmp_path, frames=4)
    made = np.array(list(animator.generate(request)))
    for other in (
        replace(request, seed=8),
        replace(request, motion=None, pose=replace(request.pose, xy=request.pose.xy[:, ::-1] + 3)),
    ):
        shutil.rmtree(request.scratch)
        assert (np.array(list(animator.generate(other))) != made).any()


def test_half_precision_comes_near(animator, tiny, tmp_path):
    request = request_of(tmp_path, frames=2)
    half = AnimateAnyone(str(tiny), dtype="bfloat16", **SMALL)
    half.setup("cpu")
    found, exact = (
        np.array(list(each.generate(replace(request, keep=tmp_path / name)))).astype(int)
        for each, name in ((half, "half"), (animator, "exact"))
    )
    assert 0 < np.abs(found - exact).mean() < 8


def test_it_is_registered_and_tiny_weights_are_marked(animator, tiny):
    plugin = find("animate-anyone")
    assert (plugin.declaration.tasks, plugin.declaration.size) == (("animation",), (512, 784))
    assert plugin.declaration.card.n_parameters == 2_560_945_807
    assert (animator.loaded.label, animator.loaded.weights) == ("tiny-random", (tiny,))
    plugin = find("cascade:motion-expert+animate-anyone")
    made = plugin.make({"animation.steps": 4, "animation.closed_loop": True}).instance
    assert (made.animation.instance.settings.steps, made.animation.instance.settings.closed_loop) == (4, True)


def test_what_cannot_be_made_is_refused(tiny, tmp_path):
    plan = AnimateAnyone(str(tiny), **SMALL).plan(request_of(tmp_path, frames=27), "cpu")
    assert plan[1] == ("27 frames 32x48 at 15 fps, windows of 6: 7, 2 steps, passes of the denoiser: 28")
    with pytest.raises(
        MadanceError, match="width must be a multiple of 8, not 36; the nearest are 32 and 40"
    ):
        AnimateAnyone(str(tiny), **SMALL).plan(request_of(tmp_path, size=(36, 48)), "cpu")
    with pytest.raises(ConfigError, match="trained for 8 at most: --set window=8"):
        AnimateAnyone(str(tiny), align=False).setup("cpu")
    with pytest.raises(ConfigError, match="did you mean 'steps'"):
        AnimateAnyone(str(tiny), stepps=3)
    with pytest.raises(WeightsError, match="madance weights fetch animate-anyone"):
        AnimateAnyone().setup("cpu")


def test_damaged_and_missing_parts_are_named(tiny, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(tiny, copy)
    (copy / "pose_guider.pth").write_bytes(b"not tensors")
    with pytest.raises(WeightsError, match=r"pose_guider.pth: refused or not readable"):
        AnimateAnyone(str(copy), **SMALL).setup("cpu")
    (copy / "pose_guider.pth").unlink()
    with pytest.raises(WeightsError, match=r"pose_guider.pth: no such file or folder; madance weights list"):
        AnimateAnyone(str(copy), **SMALL).plan(request_of(tmp_path), "cpu")
    shutil.copy(tiny / "pose_guider.pth", copy)
    shutil.rmtree(copy / "sd-vae-ft-mse")
    with pytest.raises(WeightsError, match="madance weights fetch stable-diffusion"):
        AnimateAnyone(str(copy), **SMALL).setup("cpu")


def test_memory_is_counted_for_the_published_networks(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("mace_dance.appearance.memory.free_memory", lambda device="cuda": 10_000_000_000)
    (tmp_path / "published").mkdir()
    monkeypatch.setattr(AnimateAnyone, "files", lambda self, folder: ())
    plan = lambda folder, **options: AnimateAnyone(str(folder), align=False, **options).plan(  # noqa: E731
        request_of(tmp_path, frames=60, size=(512, 784)), "cuda"
    )[-1]
    told = plan(tmp_path / "published")
    assert told == (
        "memory: about 11.0 of 10.0 GB, weights 5.1 and activations 5.8: smaller windows or pictures take less"
    )
    assert plan(tmp_path / "published", window=8, overlap=2).startswith(
        "memory: about 7.1 of 10.0 GB, weights 5.1"
    )
    assert plan(tmp_path / "published", guidance=1).endswith("weights 5.1 and activations 2.9")
    assert plan(tiny) == "memory: not counted for networks of another size, 10.0 GB are free"
