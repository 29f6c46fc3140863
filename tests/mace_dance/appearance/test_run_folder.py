import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from torch import nn

from mace_dance.appearance.run_folder import (
    RunFolder,
    frames_digest,
    network_fingerprint,
    read_lossless,
    read_tensor,
    write_lossless,
    write_tensor,
)
from madata.errors import ConfigError, MadanceError, MediaError


def noise(frames=3, height=20, width=36):
    return np.random.default_rng(0).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("fps", [15.0, 29.97])
def test_every_pixel_comes_back(tmp_path, fps):
    write_lossless(tmp_path / "a.mkv", noise(), fps)
    np.testing.assert_array_equal(np.stack(list(read_lossless(tmp_path / "a.mkv"))), noise())
    write_lossless(tmp_path / "b.mkv", noise(), fps)
    assert (tmp_path / "a.mkv").read_bytes() == (tmp_path / "b.mkv").read_bytes()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_tensors_keep_their_bits(tmp_path, dtype):
    value = torch.randn(3, 4, generator=torch.Generator().manual_seed(0)).to(dtype)[:, ::2]
    write_tensor(tmp_path / "value.safetensors", value)
    assert torch.equal(read_tensor(tmp_path / "value.safetensors"), value)
    (tmp_path / "value.safetensors").write_bytes(b"broken")
    with pytest.raises(MadanceError, match="delete it and run the same command again"):
        read_tensor(tmp_path / "value.safetensors")


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path, monkeypatch):
    def full(tensors, path, metadata):
        path.write_bytes(b"half")
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(MadanceError, match=r"disk is full while writing .*value\.safetensors"):
        write_tensor(tmp_path / "value.safetensors", torch.zeros(1))
    assert not list(tmp_path.iterdir())


def test_a_segment_that_lost_frames_is_an_error(tmp_path):
    run = RunFolder(tmp_path)
    run.open({"seed": 0})
    run.finish(0, list(noise()), torch.zeros(1), 15.0, {"segment": 0})
    assert run.finished(0)
    assert len(run.frames(1)) == 3
    write_lossless(tmp_path / "segments" / "000.mkv", noise(2), 15.0)
    assert not run.finished(0)
    with pytest.raises(MediaError, match="holds 2 frames and not 3"):
        list(run.frames(1))


def test_a_run_goes_on_only_with_the_same_record(tmp_path):
    RunFolder(tmp_path).open({"seed": 0, "size": (3, 4)})
    RunFolder(tmp_path).open({"size": [3, 4], "seed": 0})
    with pytest.raises(ConfigError, match=r"seed was 0, is 2; size was \[3, 4\], is null"):
        RunFolder(tmp_path).open({"seed": 2})


def test_a_digest_sees_every_pixel_and_the_shape():
    frames = noise()
    same = frames_digest(list(frames))
    assert frames_digest(frames) == same
    assert frames_digest(frames.reshape(3, 36, 20, 3)) != same
    frames[2, 19, 35, 2] ^= 1
    assert frames_digest(frames) != same


def test_a_fingerprint_sees_values_types_names_and_lora_strength():
    class Strengthened(nn.Linear):
        scaling: dict[str, float]

    def network(scale=0.5, seed=0):
        torch.manual_seed(seed)
        layer = Strengthened(5, 7)
        layer.scaling = {"dance": scale}
        return nn.Sequential(layer)

    prints = [
        network_fingerprint(candidate)
        for candidate in (
            network(),
            network(scale=1.0),
            network(seed=1),
            network().to(torch.bfloat16),
            network().to(torch.float8_e4m3fn),
            nn.Sequential(nn.Identity(), network()[0]),
        )
    ]
    assert len(set(prints)) == len(prints)
    assert network_fingerprint(network()) == prints[0]
