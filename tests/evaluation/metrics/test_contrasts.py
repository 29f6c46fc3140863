"""The pictures of two systems, video by video."""

import numpy as np
import pytest

from evaluation.comparison import Run, compare, incomparable, load_run, unpaired
from evaluation.features.table import concatenate
from evaluation.features.video.passes import video_row
from evaluation.features.video.scores import VideoScore
from evaluation.metrics.contrasts import contrasts
from evaluation.metrics.distances import frechet_distance
from evaluation.metrics.measure import measure
from evaluation.metrics.tables import Tables
from evaluation.protocol import load_protocol
from evaluation.result import Network
from evaluation.scoring import score, write_scored
from madata.errors import MadanceError
from tests.evaluation.scoring.filmed import film_dancers
from tests.evaluation.scoring.makers import blur, frames, write, write_folder

VBENCH, CMVQ = load_protocol("vbench"), load_protocol("ma-data-animation")
CLIPS = range(10)


def rows(values, *, name="subject_consistency", samples=1, logits=None):
    """One row per value; ``None`` is a video without a score."""
    counts = np.broadcast_to(samples, len(values)).tolist()
    rows = [
        video_row(
            f"v{number}",
            scores={name: VideoScore(name, value, count + 1, count, None if value is not None else "no")},
            logits=None if logits is None else logits[number],
        )
        for number, (value, count) in enumerate(zip(values, counts, strict=True))
    ]
    return concatenate(rows)


def picture_contrasts(first, second, reference, protocol):
    beside = {} if reference is None else {"reference": reference}
    return contrasts([Tables(protocol, videos={"prediction": side, **beside}) for side in (first, second)])


def ends(contrast):
    return contrast.values


def test_consistency_is_weighted_by_the_frame_pairs_of_each_system():
    sides = rows([0.9, 0.8, 0.6], samples=[1, 1, 8]), rows([0.5, 0.7, 0.9], samples=[6, 1, 1])
    contrasts = picture_contrasts(*sides, None, VBENCH)
    assert list(contrasts) == ["subject_consistency"]
    found = ends(contrasts["subject_consistency"])
    assert found == (pytest.approx(0.65), pytest.approx(4.6 / 8))
    for side, value in zip(sides, found, strict=True):
        metrics = {one.name: one for one in measure(Tables(VBENCH, videos={"prediction": side})).metrics}
        assert metrics["subject_consistency"].value == value


def test_only_videos_with_a_value_in_both_are_paired():
    sides = rows([0.9, None, 0.6, 0.5, 0.4]), rows([0.5, 0.7, None, 0.9, 0.1])
    contrast = picture_contrasts(*sides, None, VBENCH)["subject_consistency"]
    assert contrast.count == 3
    assert ends(contrast) == (pytest.approx(0.6), pytest.approx(0.5))
    assert picture_contrasts(sides[0].take(range(4)), sides[1].take(range(4)), None, VBENCH) == {}


@pytest.mark.parametrize("count", [20, 40])
def test_the_margin_of_a_tie_is_what_two_parts_of_the_reference_differ_by(count):
    """Means of ``count`` clips each, of a deviation of 0.1: as many as there are, not as in half of the reference."""
    real = rows(np.resize([0.4, 0.6], 20).tolist())
    sides = (rows(np.resize([low, 0.7], count).tolist()) for low in (0.3, 0.5))
    found = picture_contrasts(*sides, real, VBENCH)["subject_consistency"]
    assert found.margin == pytest.approx(0.1 * np.sqrt(2 / count), rel=0.12)


def test_fvd_is_resampled_from_its_logits():
    rng = np.random.default_rng(0)
    first, second, real = (rng.normal(shift, 1, (6, 4)).astype(np.float32) for shift in (0, 2, 0))
    sides = (rows([0.5] * 6, name="psnr", logits=logits) for logits in (first, second))
    contrasts = picture_contrasts(*sides, rows([0.5] * 6, logits=real), CMVQ)
    assert list(contrasts) == ["fvd", "psnr"]
    wanted = [frechet_distance(side.astype(np.float64), real.astype(np.float64)) for side in (first, second)]
    assert ends(contrasts["fvd"]) == pytest.approx(tuple(wanted))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Systems of one softness or another, one frozen, scored by pictures."""
    root = tmp_path_factory.mktemp("pictures")
    patch = pytest.MonkeyPatch()
    for name in ("MADANCE_CACHE", "MADANCE_WEIGHTS", "XDG_CACHE_HOME", "HF_HUB_CACHE", "TORCH_HOME"):
        patch.setenv(name, str(root / name))
    real = write_folder(root / "real", CLIPS, count=5)
    for seed in CLIPS:
        clip = frames(seed, count=5)
        write(root / "soft" / f"v{seed}.mp4", blur(clip))
        write(root / "softer" / f"v{seed}.mp4", blur(blur(blur(clip))))
        write(root / "still" / f"v{seed}.mp4", frames(seed, count=5, step=0))
    for system in ("soft", "softer"):
        write_scored(score(root / system, real, CMVQ), root / "out" / system)
    for system in ("soft", "still"):
        write_scored(score(root / system, None, VBENCH), root / "out" / f"{system}-seen")
    write_scored(score(root / "soft", real, VBENCH), root / "out" / "soft-beside-real")
    (root / "few").mkdir()
    for seed in range(4):
        (root / "few" / f"v{seed}.mp4").write_bytes((root / "still" / f"v{seed}.mp4").read_bytes())
    write_scored(score(root / "few", None, VBENCH), root / "out" / "few-seen")
    patch.undo()
    return root / "out"


def differences(runs, first, second, **how):
    found = compare(load_run(runs / first), load_run(runs / second), **how)
    return {one.metric: one for one in found}


def test_the_softer_picture_is_worse(runs):
    found = differences(runs, "soft", "softer")
    assert list(found) == ["ssim", "psnr"]
    for one in found.values():
        assert one.verdict == "better" and 0 < one.low <= one.difference <= one.high
        assert one.n == one.units == len(CLIPS) and one.p < 0.05
    for name, system in (("soft", "first"), ("softer", "second")):
        result = load_run(runs / name).result
        assert all(getattr(one, system) == result.metric(one.metric).value for one in found.values())
    assert differences(runs, "softer", "soft")["psnr"].verdict == "worse"


def test_a_frozen_video_flickers_less_and_nothing_else_is_compared(runs):
    found = differences(runs, "still-seen", "soft-seen")
    assert list(found) == ["temporal_flickering"]
    assert found["temporal_flickering"].verdict == "better"


def test_a_run_ties_with_itself(runs):
    for one in differences(runs, "soft", "soft").values():
        assert (one.difference, one.p, one.verdict) == (0.0, 1.0, "tie")


def test_a_reference_that_only_stands_beside_does_not_matter(runs):
    first, second = load_run(runs / "soft-seen"), load_run(runs / "soft-beside-real")
    assert first.result.dataset.reference_sha256 != second.result.dataset.reference_sha256
    assert incomparable(first, second) == []


def test_what_does_not_compare_is_refused_unless_forced(runs):
    with pytest.raises(MadanceError, match="different clips: 10 and 4, 4 in both"):
        differences(runs, "soft-seen", "few-seen")
    assert differences(runs, "soft-seen", "few-seen", force=True)["temporal_flickering"].n == 4
    with pytest.raises(MadanceError, match="different protocols"):
        differences(runs, "soft-seen", "soft")
    with pytest.raises(MadanceError, match="no metric of vbench has a value"):
        differences(runs, "soft-seen", "softer", force=True)


def test_other_weights_of_one_network_do_not_compare(runs):
    run = load_run(runs / "soft")

    def using(digest):
        network = Network(name="i3d", sha256=digest * 64, licence="Apache-2.0", noncommercial=False)
        viewing = run.result.viewing.model_copy(update={"networks": [network]})
        result = run.result.model_copy(update={"viewing": viewing})
        return Run(result, run.tables)

    assert incomparable(using("0"), using("1")) == ["other weights of i3d"]
    assert incomparable(using("0"), using("0")) == incomparable(run, using("0")) == []


def test_motion_and_pictures_are_corrected_together(tmp_path, monkeypatch):
    monkeypatch.setenv("MADANCE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MADANCE_WEIGHTS", str(tmp_path / "weights"))
    made, real, songs = film_dancers(tmp_path, monkeypatch)
    protocol = load_protocol("ma-data-video")
    write_scored(score(made, real, protocol, music=songs), tmp_path / "a")
    write_scored(score(real, real, protocol, music=songs), tmp_path / "b")
    write_scored(score(made, None, load_protocol("vbench")), tmp_path / "pictures")
    first, second, alone = (load_run(tmp_path / name) for name in ("a", "b", "pictures"))
    found = compare(first, second)
    names = [one.metric for one in found]
    assert names[0] == "temporal_flickering" and {"fid_k", "fid_g", "div_k", "div_g", "bas"} < set(names)
    assert unpaired(first, second) == [] and "fid_k" in unpaired(first, alone)
    assert [one.metric for one in compare(first, alone, force=True)] == ["temporal_flickering"]
