"""Table 3: a generated video against its reference, both decoded once, side by side."""

import numpy as np
import pytest

from evaluation.features.video.networks import i3d as i3d_module
from evaluation.features.video.networks import lpips as lpips_module
from evaluation.features.video.psnr import psnr_db
from evaluation.features.video.ssim import ssim
from evaluation.metrics.distances import frechet_distance
from evaluation.problems import Refused
from evaluation.protocol import load_protocol
from evaluation.scoring import FEATURES_FILE, rescore, score, write_scored
from madata.errors import MadanceError
from madata.video import Decoder
from madata.weights import store
from tests.evaluation.scoring.makers import blur, frames, toy_i3d, write, write_folder

CMVQ, DISCO = load_protocol("ma-data-animation"), load_protocol("ma-data-animation-disco")


def decoded(path):
    with Decoder(path) as decoder:
        return [frame.scaled(decoder.info.size) for frame in decoder]


@pytest.fixture
def folders(tmp_path):
    real = write_folder(tmp_path / "real", range(3), count=8)
    for seed in range(3):
        write(tmp_path / "made" / f"v{seed}.mp4", blur(frames(seed, count=8)))
    return tmp_path / "made", real


@pytest.fixture
def toy_networks(tmp_path, monkeypatch):
    """Weights files of every name, and networks that do not look into them."""
    folder = tmp_path / "weights"
    folder.mkdir()
    for name in ("i3d_pretrained_400.pt", "alexnet-owt-7be5be79.pth", "vgg16-397923af.pth"):
        (folder / name).write_bytes(b"toy")
    monkeypatch.setattr(store, "_difference", lambda *args, **options: None)  # their hashes are recorded
    monkeypatch.setattr(i3d_module, "load_i3d", toy_i3d)

    def load_lpips(path, net, *, spatial, device):
        return lambda first, second: (first - second).abs().mean(dim=(1, 2, 3))

    monkeypatch.setattr(lpips_module, "load_lpips", load_lpips)


@pytest.mark.parametrize(("protocol", "variant"), [(CMVQ, "colour_gaussian"), (DISCO, "grey_uniform")])
def test_psnr_and_ssim_need_no_weights(folders, decodes, protocol, variant):
    made, real = folders
    result = score(made, real, protocol).result
    assert set(decodes.values()) == {1} and len(decodes) == 6
    pairs = [
        (one, two)
        for path in sorted(real.iterdir())
        for one, two in zip(decoded(path), decoded(made / path.name), strict=True)
    ]
    assert result.metric("psnr").value == pytest.approx(np.mean([psnr_db(*pair) for pair in pairs]))
    assert result.metric("ssim").value == pytest.approx(np.mean([ssim(*pair, variant) for pair in pairs]))
    assert (result.metric("psnr").unit, result.metric("psnr").n, result.system.task) == ("dB", 3, "animation")
    for name in ("fvd", "lpips"):
        assert "run: madance weights fetch reconstruction" in result.metric(name).reason


def test_identical_videos_are_100_db_and_1(folders):
    _, real = folders
    result = score(real, real, CMVQ).result
    assert (result.metric("psnr").value, result.metric("ssim").value) == (100.0, 1.0)


def test_unequal_pairs(tmp_path, folders):
    made, real = folders
    write(made / "v0.mp4", frames(0, count=7))
    write(made / "v1.mp4", frames(1, count=8, size=(96, 64)))
    scored = score(made, real, CMVQ)
    table = scored.features.videos["prediction"]
    reasons = dict(zip(table.clip_ids, table.reasons("psnr"), strict=True))
    assert "number of frames" in reasons["v0"] and "96x64" in reasons["v1"] and not reasons["v2"]
    assert scored.result.metric("ssim").n == 1
    assert scored.result.status == "partial"
    found = [(one.clip_id, one.side, one.reason, one.dropped) for one in scored.result.errors]
    assert found == [("v0", "prediction", "no_value", False), ("v1", "prediction", "no_value", False)]
    assert score(made, real, DISCO).result.metric("ssim").n == 2  # it stretches pictures


def test_a_broken_reference_costs_its_pair_alone(folders):
    made, real = folders
    (real / "v1.mp4").write_text("no video")
    scored = score(made, real, CMVQ)
    assert [(one.clip_id, one.side) for one in scored.result.errors] == [("v1", "reference")]
    reason = scored.features.videos["prediction"].reasons("psnr")[1]
    assert "reference cannot be used" in reason and scored.result.metric("psnr").n == 2


def test_pictures_too_small_for_ssim(tmp_path):
    real = write(tmp_path / "real" / "v.mp4", np.full((4, 8, 8, 3), 90, np.uint8)).parent
    result = score(real, real, CMVQ).result
    assert "needs sides of 11 px" in result.metric("ssim").reason


def test_fvd_and_lpips_with_their_intervals_and_floor(tmp_path, toy_networks, decodes):
    real = write_folder(tmp_path / "real", range(8), count=18)
    for seed in range(8):
        write(tmp_path / "made" / f"v{seed}.mp4", blur(frames(seed + 50, count=18)))
    write(real / "short.mp4", frames(30, count=10))
    write(tmp_path / "made" / "short.mp4", frames(31, count=10))
    scored = score(tmp_path / "made", real, CMVQ)
    assert set(decodes.values()) == {1}
    fvd = scored.result.metric("fvd")
    sides = [
        logits[np.isfinite(logits).all(axis=1)].astype(np.float64)
        for logits in (scored.features.videos[side].logits for side in ("prediction", "reference"))
    ]
    assert fvd.value == pytest.approx(frechet_distance(*sides), rel=1e-12)
    assert (fvd.n, fvd.n_reference, fvd.noise_floor_n) == (8, 8, 4)
    assert fvd.ci95[0] <= fvd.ci95[1] and fvd.noise_floor > 0 and "under 256" in fvd.caution
    lpips = scored.result.metric("lpips")
    assert 0 < lpips.value < 1 and lpips.n == 9
    assert [network.name for network in scored.result.viewing.networks] == [
        "lpips-alexnet",
        "i3d-kinetics-400",
    ]
    result = write_scored(scored, tmp_path / "out")
    assert rescore(tmp_path / "out" / FEATURES_FILE)[0].metrics == result.metrics


def test_fvd_of_one_video_is_refused(tmp_path, toy_networks):
    real = write_folder(tmp_path / "real", [1], count=18)
    assert "needs 2 videos of 16 frames" in score(real, real, CMVQ).result.metric("fvd").reason


def test_a_missing_clip_is_refused(folders):
    made, real = folders
    (made / "v1.mp4").unlink()
    with pytest.raises(Refused, match="no prediction for reference v1"):
        score(made, real, CMVQ)
    with pytest.raises(MadanceError, match="give --reference"):
        score(made, None, CMVQ)
