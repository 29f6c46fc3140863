"""Properties of the networks that need no upstream numbers."""

import pytest
import torch

from evaluation.features.video.networks.amt import MINIMUM_SIDE, AmtSmall, load_amt, pair_bytes
from evaluation.features.video.networks.clip import CLIP_SHAPES, ClipVision, load_clip
from evaluation.features.video.networks.dino import DinoViT, load_dino
from evaluation.features.video.networks.musiq import Musiq, load_musiq
from madata.errors import WeightsError


@pytest.fixture(scope="module")
def amt():
    torch.manual_seed(0)
    return AmtSmall().eval()


def pictures(count, height, width):
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(height + width))


def test_amt_is_not_a_number_below_its_smallest_side_and_is_one_at_it(amt):
    with torch.inference_mode():
        assert torch.isnan(amt(pictures(1, 112, 128), pictures(1, 112, 128))).all()
        assert torch.isfinite(amt(pictures(1, MINIMUM_SIDE, 128), pictures(1, MINIMUM_SIDE, 128))).all()


def test_amt_treats_pairs_of_a_batch_apart(amt):
    before, after = pictures(2, 128, 144), pictures(2, 128, 144).flip(0)
    with torch.inference_mode():
        together = amt(before, after)
        alone = torch.cat([amt(before[i : i + 1], after[i : i + 1]) for i in range(2)])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=0)


def test_pair_bytes_are_the_correlation_tables():
    places = 90 * 160
    assert pair_bytes(720, 1280) == pytest.approx(2 * 4 * places**2 * (1 + 1 / 4 + 1 / 16 + 1 / 64), rel=0.01)


def test_musiq_and_its_batch():
    torch.manual_seed(0)
    network = Musiq().eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    batch = pictures(3, 70, 150)
    with torch.inference_mode():
        together = network(batch)
        assert together.shape == (3,)
        torch.testing.assert_close(
            together, torch.cat([network(one[None]) for one in batch]), atol=1e-4, rtol=0
        )


def test_clip_in_half_precision_stays_close():
    torch.manual_seed(0)
    network = ClipVision(64, 2, 32, 16).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    with torch.inference_mode():
        exact = network(pictures(2, 224, 224))
        half = network.to(torch.bfloat16)(pictures(2, 224, 224))
    assert half.dtype == torch.bfloat16
    assert torch.nn.functional.cosine_similarity(exact, half.float()).min() > 0.99


def test_dino_takes_pictures_of_any_shape():
    with torch.device("meta"):
        network = DinoViT()
        assert network(torch.empty(2, 3, 224, 398)).shape == (2, 768)
        assert network(torch.empty(1, 3, 231, 224)).shape == (1, 768)


def test_parameter_counts_are_those_of_the_published_files():
    with torch.device("meta"):
        clip_b, clip_l = (ClipVision(*shape) for shape in CLIP_SHAPES.values())
        networks = {
            85798656: DinoViT(),
            87849216: clip_b,
            303966208: clip_l,
            27125825: Musiq(),
            2990543: AmtSmall(),
        }
    for count, network in networks.items():
        assert sum(parameter.numel() for parameter in network.parameters()) == count


def test_official_files_load_as_they_are(tmp_path, amt):
    path = tmp_path / "amt-s.pth"
    torch.save({"state_dict": amt.state_dict(), "config": {"network": "AMT-S"}}, path)
    loaded = load_amt(path)
    assert all(torch.equal(a, b) for a, b in zip(loaded.parameters(), amt.parameters(), strict=True))
    assert not loaded.training


@pytest.mark.parametrize(
    "load",
    [
        load_dino,
        load_musiq,
        lambda path: load_clip(path, "ViT-B/32"),
        lambda path: load_clip(path, "ViT-L/14"),
    ],
)
def test_another_network_is_refused(load, tmp_path, amt):
    path = tmp_path / "weights.pth"
    torch.save({f"visual.{name}": tensor for name, tensor in amt.state_dict().items()}, path)
    with pytest.raises(WeightsError, match=r"weights\.pth"):
        load(path)
    torch.save({"visual.proj": torch.zeros(3, 3), "text": torch.zeros(1)}, path)
    with pytest.raises(WeightsError, match=r"weights\.pth"):
        load(path)
