import numpy as np
import pytest
import torch

from evaluation.definitions import PAIR_PROTOCOLS, FvdRule
from evaluation.features.video.logits import fvd_input, video_logits
from evaluation.features.video.networks.i3d import I3d, load_i3d
from madata.errors import WeightsError

RULES = {
    "disco": PAIR_PROTOCOLS["disco"].fvd,
    "cmvq": PAIR_PROTOCOLS["cmvq"].fvd,
    "squash": FvdRule("squash_bilinear", byte_cut=False, epsilon=1e-5),
}


def video(count=16, height=60, width=90, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@pytest.mark.parametrize(("height", "width"), [(60, 90), (90, 60), (64, 64)])
def test_i3d_sees_squares_of_the_first_frames(rule, height, width):
    shown = fvd_input(video(20, height, width), rule)
    assert shown.shape == (3, 16, 224, 224)
    assert torch.equal(shown, fvd_input(video(20, height, width)[:16], rule))
    flat = fvd_input(np.full((16, height, width, 3), 255, np.uint8), rule)
    np.testing.assert_allclose(flat, 1.0, atol=1e-6)


def test_squashing_keeps_the_sides_and_cropping_loses_them():
    frames = np.zeros((16, 60, 120, 3), np.uint8)
    frames[:, :, :20] = 255
    assert fvd_input(frames, RULES["disco"]).max() > 0.9
    assert fvd_input(frames, RULES["squash"]).max() > 0.9
    assert fvd_input(frames, RULES["cmvq"]).max() == -1.0


def test_short_videos_and_odd_lengths_are_refused():
    with pytest.raises(ValueError, match="first 16 frames, the video has 15"):
        fvd_input(video(15), RULES["cmvq"])
    with pytest.raises(ValueError, match="9 to 16"):
        fvd_input(video(40), FvdRule("crop_bilinear", byte_cut=True, epsilon=1e-5, frames=32))


@pytest.mark.parametrize(("count", "taken"), [(8, False), (9, True), (16, True), (17, False)])
def test_lengths_on_which_ports_agree_are_taken_and_no_others(count, taken):
    rule = FvdRule("squash_bilinear", byte_cut=False, epsilon=1e-5, frames=count)
    if taken:
        assert fvd_input(video(count), rule).shape[1] == count
    else:
        with pytest.raises(ValueError, match=f"9 to 16 frames, the rule has {count}"):
            fvd_input(video(20), rule)


@pytest.mark.parametrize("count", [9, 10, 16])
def test_ports_agree_on_clips_of_9_to_16_frames(count):
    """They average over two steps of time and then over the rest; two steps are all there are."""
    with torch.device("meta"):
        network = I3d(1e-3)
        seen = []
        network.Mixed_5c.register_forward_hook(lambda module, inputs, output: seen.append(output.shape[2]))
        assert network(torch.empty(2, 3, count, 224, 224)).shape == (2, 400)
    assert seen == [2]


@pytest.mark.slow
def test_logits_of_a_saved_network(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "i3d_pretrained_400.pt"
    torch.save(I3d(1e-5).state_dict(), path)
    rough, fine = (video_logits(load_i3d(path, epsilon), video(), RULES["cmvq"]) for epsilon in (1e-3, 1e-5))
    assert rough.shape == fine.shape == (400,)
    assert not np.array_equal(rough, fine)


def test_a_file_with_other_names_is_refused(tmp_path):
    path = tmp_path / "i3d_torchscript.pt"
    torch.save({"conv1.weight": torch.zeros(1)}, path)
    with pytest.raises(WeightsError, match="not the weights of I3d"):
        load_i3d(path, 1e-5)
