import numpy as np
import pytest
import torch

from mace_dance.appearance.denoise import encode_picture, encode_prompt
from mace_dance.appearance.latents import to_video
from mace_dance.appearance.tiny import tiny_pipeline
from mace_dance.training.appearance import store as store_module
from mace_dance.training.appearance.footage import read_footage
from mace_dance.training.appearance.layout import known_latents
from mace_dance.training.appearance.store import LatentStore
from madata.errors import MadanceError
from tests.mace_dance.training.appearance.footage_made import ma_data, release, video


@pytest.fixture(scope="module")
def pipeline():
    return tiny_pipeline()


def assert_same(ours, theirs):
    """Up to float32: two encoders of equal weights may run through different kernels."""
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def mode(pipeline, video):
    with torch.no_grad():
        return pipeline.prepare_pose_latents(video)[0]


def test_a_sample_is_what_the_pipeline_makes_for_generation(prepared, pipeline, tmp_path):
    run = prepared("kinematic", cache=tmp_path)
    run.store.prepare(run.windows, "cpu")
    window = run.windows[0]
    kept, footage = run.store.read(run.store.key(window)), read_footage(window, run.settings, 16)
    frames = to_video(list(footage.frames))
    with torch.no_grad():
        reference = pipeline.prepare_reference_image_latents(frames[:, :, 0])
        empty = pipeline.prepare_prev_segment_cond_latents(None, segment_frame_length=9, height=48, width=32)
        picture = encode_picture(pipeline, footage.frames[0], torch.device("cpu"))[0]
        text = encode_prompt(pipeline, window.clip.prompt, torch.device("cpu"))[0]
    assert_same(kept["target"], torch.cat([reference[0, 4:], mode(pipeline, frames)], dim=1))
    assert_same(kept["pose"], mode(pipeline, to_video(list(footage.poses))))
    assert_same(known_latents(kept, run.store.empty()), torch.cat([reference, empty], dim=2)[0])
    assert_same(kept["picture"], picture)
    assert_same(run.store.text(window.clip.prompt), text)
    assert np.array_equal(kept["face"], footage.faces)


def test_the_layout_of_the_release_encodes_in_one_pass(prepared, pipeline, tmp_path):
    run = prepared("kinematic", cache=tmp_path, layout="diffsynth")
    run.store.prepare(run.windows, "cpu")
    window = run.windows[0]
    kept, footage = run.store.read(run.store.key(window)), read_footage(window, run.settings, 16)
    assert (len(footage.frames), len(footage.poses)) == (13, 9)
    frames = to_video(list(footage.frames))
    assert_same(kept["target"], mode(pipeline, frames))
    assert kept["target"].shape[1] == kept["pose"].shape[1] + 1 == 4
    known = known_latents(kept, run.store.empty())
    assert known[:4].sum((0, 2, 3)).tolist() == [4 * 6 * 4, 0, 0, 0]
    empty_after = torch.zeros_like(frames)
    empty_after[:, :, :1] = frames[:, :, :1]
    assert_same(known[4:], mode(pipeline, empty_after))


def test_what_is_kept_is_not_made_again(prepared, tmp_path, monkeypatch):
    told = []
    first = prepared("kinematic", cache=tmp_path)
    first.store.prepare(first.windows, "cpu", lambda *where: told.append(where))
    assert [where[:2] for where in told] == [(0, 2), (1, 2)]
    monkeypatch.setattr(store_module, "_Encoders", None)
    again = prepared("aesthetic", cache=tmp_path)
    again.store.prepare(again.windows, "cpu")
    assert again.plan().encoded == 2
    assert again.plan().disk == 0


def test_an_interrupted_preparation_goes_on(prepared, tmp_path, monkeypatch):
    run = prepared("kinematic", cache=tmp_path)
    read = read_footage

    def interrupted(window, *rest):
        if window == run.windows[1]:
            raise KeyboardInterrupt
        return read(window, *rest)

    monkeypatch.setattr(store_module, "read_footage", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run.store.prepare(run.windows, "cpu")
    monkeypatch.setattr(store_module, "read_footage", read)
    told = []
    run.store.prepare(run.windows, "cpu", lambda *where: told.append(where))
    assert told == [(0, 1, "clip-1")]


@pytest.mark.parametrize(
    "change",
    ["data.width=48", "data.fit=pad", "data.face=none", "data.style=mace", "data.fps=14", "layout=diffsynth"],
)
def test_other_settings_are_other_samples(prepared, change):
    run, other = prepared("kinematic"), prepared("kinematic", change)
    assert run.store.key(run.windows[0]) != other.store.key(other.windows[0])


def test_the_key_follows_the_content_of_every_file(prepared, tmp_path):
    folder = release(tmp_path / "data")
    run = prepared("kinematic", folder=folder)
    before = run.store.key(run.windows[0])
    moved = folder.rename(tmp_path / "moved")
    again = prepared("kinematic", folder=moved)
    assert again.store.key(again.windows[0]) == before
    for name in ("video", "pose_video", "face_video"):
        video(moved / "0001" / f"{name}.mp4", 31, start=9)
        after = prepared("kinematic", folder=moved)
        assert after.store.key(after.windows[0]) != before
        before = after.store.key(after.windows[0])


def test_a_bad_clip_is_noted_once_and_passed_over(prepared, tmp_path):
    folder = ma_data(tmp_path / "data")
    path = folder / "clips" / "clip-0.mp4"
    path.write_bytes(path.read_bytes()[:1200])
    run = prepared("kinematic", folder=folder, cache=tmp_path / "store")
    run.store.prepare(run.windows, "cpu")
    (drop,) = run.drops()
    assert drop.name == "clip-0"
    assert "clip-0.mp4" in drop.message
    assert len(run.store.missing(run.windows)) == 0
    assert run.plan().per_epoch == 1


def test_a_damaged_file_and_a_full_disk_are_told(prepared, backbone, tmp_path, monkeypatch):
    run = prepared("kinematic", cache=tmp_path)
    run.store.prepare(run.windows, "cpu")
    for path in (tmp_path / "latents").glob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:100])
    store = LatentStore(tmp_path, backbone, run.settings)
    with pytest.raises(MadanceError, match="delete it and run the same command again"):
        store.read(store.key(run.windows[0]))
    other = prepared("kinematic", "data.fps=14", cache=tmp_path)
    monkeypatch.setattr(
        "mace_dance.appearance.memory.shutil.disk_usage", lambda place: type("U", (), {"free": 10})
    )
    with pytest.raises(MadanceError, match="make room"):
        other.store.prepare(other.windows, "cpu")
