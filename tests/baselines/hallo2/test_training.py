"""Training of Hallo2: a step held against a plain one, what is trained and drawn, the same bits after a stop."""

import json

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from baselines.hallo2.network import make_tiny_hallo2
from baselines.hallo2.system import Hallo2Body
from baselines.hallo2.training import Hallo2Task, hallo2_settings, train_hallo2, trained_schedule
from baselines.hallo2.training_data import TrainingClips
from mace_dance.appearance.run_folder import read_tensor
from madata.cli import madance
from madata.errors import ConfigError, MadanceError
from tests.madata.dataset.clocks import grey, make_folder

pytestmark = pytest.mark.usefixtures("no_weights")

SMALL = {"size": 64, "frames": 4}
LOOP = {
    "steps": 2,
    "batch_size": 1,
    "accumulate": 1,
    "precision": "no",
    "checkpoint_every": 1,
    "log_every": 1,
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hallo") / "tiny"
    make_tiny_hallo2(folder)
    return folder


@pytest.fixture(scope="module")
def mask(tmp_path_factory):
    path = tmp_path_factory.mktemp("mask") / "body.png"
    body = np.zeros((64, 64), np.uint8)
    body[8:56, 20:40] = 255
    cv2.imwrite(str(path), body)
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    make_folder(folder)
    return folder


@pytest.fixture(scope="module")
def made(tiny, data, mask, tmp_path_factory):
    """Tasks on one set of networks; what one has trained the next begins with."""
    cache = tmp_path_factory.mktemp("cache")
    painter = Hallo2Body(str(tiny)).load(tiny, torch.float32).painter

    def make(*, masks=mask, **settings):
        painter.hallo.denoiser.disable_gradient_checkpointing()
        for network in painter.hallo.parts().values():
            network.requires_grad_(False)
        chosen = hallo2_settings(flags={"loop": LOOP, **SMALL, **settings})
        clips = TrainingClips.read(data, "train", chosen.frames, chosen.size, masks, cache)
        return Hallo2Task(painter, clips.encode(painter.wav2vec, lambda *words: None), chosen, tiny)

    return make


def one_loss(task, seed=3):
    batch = task.batch([0], np.random.default_rng(seed))
    loss, parts = task.loss(batch, torch.Generator().manual_seed(seed))
    return batch, loss, parts["error"]


def levels_by_hand():
    """alpha-bar of 1000 scaled levels, stretched so that the last is pure noise (Lin et al., 2024, algorithm 1)."""
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    roots = np.sqrt(np.cumprod(1 - betas))
    roots = (roots - roots[-1]) * roots[0] / (roots[0] - roots[-1])
    return roots**2


def test_the_levels_of_training_are_scaled_and_end_in_noise():
    np.testing.assert_allclose(trained_schedule().alphas_cumprod, levels_by_hand(), atol=2e-6)


@pytest.mark.parametrize("gamma", [5.0, 0.0])
def test_a_step_is_the_plain_one(made, monkeypatch, gamma):
    """Everything around the network again, by its formulas; the network itself is held by the golden numbers."""
    from baselines.hallo2 import training

    task = made(snr_gamma=gamma, drop_picture=0, drop_sound=0, drop_before=0)
    asked = {}
    plain = training.predict

    def listen(network, latents, time, context, *, guide):
        asked.update(latents=latents, time=int(time), context=context, guide=guide)
        asked["predicted"] = plain(network, latents, time, context, guide=guide)
        return asked["predicted"]

    monkeypatch.setattr(training, "predict", listen)
    shown = []
    encode = task._vae.encode
    monkeypatch.setattr(task._vae, "encode", lambda pictures: (shown.append(pictures), encode(pictures))[1])
    batch, loss, error = one_loss(task)

    drawn = torch.Generator().manual_seed(3)
    level = int(torch.randint(1000, (1,), generator=drawn))
    torch.rand(3, generator=drawn)
    pictures = batch["pictures"][0].float() / 127.5 - 1
    torch.testing.assert_close(shown[0], pictures[3:])
    found = encode(pictures[3:]).latent_dist
    clean = (found.mean + found.std * torch.randn(found.mean.shape, generator=drawn)) * 0.18215
    clean = clean.transpose(0, 1)[None]
    offset = torch.randn((1, 4, 1, 1, 1), generator=drawn)
    noise = torch.randn(clean.shape, generator=drawn) + 0.05 * offset
    kept = float(levels_by_hand()[level])
    assert asked["time"] == level
    torch.testing.assert_close(
        asked["latents"], kept**0.5 * clean + (1 - kept) ** 0.5 * noise, atol=1e-4, rtol=0
    )
    velocity = kept**0.5 * noise - (1 - kept) ** 0.5 * clean
    expected = float(((asked["predicted"].detach() - velocity) ** 2).mean())
    assert error.item() == pytest.approx(expected, rel=1e-4)
    ratio = kept / (1 - kept) + 1
    assert loss.item() == pytest.approx(expected * (min(ratio, gamma) / ratio if gamma else 1.0), rel=1e-4)

    # the frames before: noised below level 50, a quarter of the pixels outside the person black
    before_level = int(torch.randint(50, (1,), generator=drawn))
    before_offset = torch.randn((2, 1, 1, 1), generator=drawn)
    before_noise = torch.randn((2, 3, 64, 64), generator=drawn) + 0.05 * before_offset
    kept = float(levels_by_hand()[before_level])
    worn = kept**0.5 * pictures[1:3] + (1 - kept) ** 0.5 * before_noise
    stays = (torch.rand(64, 64, generator=drawn) > 0.25) | (batch["region"][0] > 0)
    torch.testing.assert_close(shown[1], torch.cat([pictures[:1], worn * stays]), atol=1e-4, rtol=0)
    assert 0.7 < float(stays.float().mean()) < 0.9
    assert not batch["region"][0][:8].any() and batch["region"][0][20, 30] == 255
    body, background = task._hallo.cues.masks[64][1], task._hallo.cues.masks[64][0]
    torch.testing.assert_close(body + background, torch.ones_like(body), atol=1 / 200, rtol=0)
    assert task._hallo.cues.scale == (1.0, 1.0, 0.0)


def test_a_sample_is_a_stretch_of_a_clip_with_its_sound(made):
    task = made()
    clips = task._data
    starts, others = set(), set()
    for seed in range(20):
        sample = clips.sample(0, np.random.default_rng(seed))
        shades = sample["pictures"].float().mean(dim=(1, 2, 3))
        numbers = torch.round((shades - grey(0)) / (grey(1) - grey(0))).int().tolist()
        other, start = numbers[0], numbers[3]
        assert numbers[1:] == list(range(start - 2, start + 4))
        whole = read_tensor(clips.folder / "clip-0.sound")
        torch.testing.assert_close(sample["sound"][:, 2], whole[start : start + 4])
        torch.testing.assert_close(sample["sound"][0, 0], whole[start - 2])
        starts.add(start)
        others.add(other)
    last = 30 - 4 - 2 - 1
    assert min(starts | others) >= 2 and max(starts | others) <= last
    assert len(starts) > 8 and starts != others


def test_the_picture_the_sound_and_the_frames_before_are_left_out(made, monkeypatch):
    task = made(drop_picture=1, drop_sound=1, drop_before=1)
    shown = []
    encode = task._vae.encode
    monkeypatch.setattr(task._vae, "encode", lambda pictures: (shown.append(pictures), encode(pictures))[1])
    one_loss(task)
    cues = task._hallo.cues
    assert not cues.sound.any()
    assert {value.shape[1] for value in cues.motion.values()} == {4}
    assert not any(value.any() for value in cues.motion.values())
    assert float(shown[1][1:].abs().mean()) < 0.5 < float(shown[1][0].abs().max())  # noise alone
    task = made(drop_picture=0, drop_sound=0, drop_before=0)
    one_loss(task)
    cues = task._hallo.cues
    assert cues.sound.any() and {value.shape[1] for value in cues.motion.values()} == {2}


def test_motion_modules_alone_are_trained_and_all_of_them_move(made, tmp_path):
    task = made()
    before = {name: value.detach().clone() for name, value in task.network.state_dict().items()}
    trained = {name for name, value in task.network.named_parameters() if value.requires_grad}
    assert trained and all(
        name.startswith("denoising_unet.") and ".motion_modules." in name for name in trained
    )
    _, loss, _ = one_loss(task)
    loss.backward()
    lacking = [
        name for name, value in task.network.named_parameters() if value.requires_grad and value.grad is None
    ]
    assert not lacking
    train_hallo2(task, tmp_path / "run", "cpu")
    changed = {name for name, value in task.network.state_dict().items() if (value != before[name]).any()}
    assert changed <= trained and len(changed) > len(trained) // 2
    both = made(parts=("motion_modules", "audio_modules"))
    named = {name for name, value in both.network.named_parameters() if value.requires_grad}
    assert trained < named and any(".audio_modules." in name for name in named)


def test_computing_blocks_again_changes_nothing(made):
    grads = []
    for again in (True, False):
        task = made(checkpointing=again)
        task.network.train()
        one_loss(task)[1].backward()
        grads.append({n: v.grad for n, v in task.network.named_parameters() if v.grad is not None})
    assert grads[0].keys() == grads[1].keys()
    for name, value in grads[0].items():
        torch.testing.assert_close(value, grads[1][name])
    with pytest.raises(ConfigError, match="checkpointing keeps what one clip sees"):
        task = made()
        task.loss(task.batch([0, 0], np.random.default_rng(0)), torch.Generator())


def test_a_stopped_run_goes_on_to_the_same_bits_and_generates(tiny, data, mask, tmp_path):
    run = lambda out, steps: CliRunner().invoke(madance, [  # noqa: E731
        "train", "hallo2", str(data), "--model", str(tiny), "--masks", str(mask), "--out", str(tmp_path / out),
        "--cache", str(tmp_path / "cache"), "--steps", str(steps), "--device", "cpu", "-q", "--json",
        *(part for name, value in {**SMALL, **{f"loop.{k}": v for k, v in LOOP.items() if k != "steps"}}.items()
          for part in ("--set", f"{name}={value}")),
    ])  # fmt: skip
    made = run("whole", 2)
    assert made.exit_code == 0, made.output
    assert run("stopped", 1).exit_code == 0
    again = json.loads(run("stopped", 2).stdout)
    assert (again["begun_at"], again["step"]) == (1, 2)
    whole, stopped = (tmp_path / name / "model" / "net.pth" for name in ("whole", "stopped"))
    assert whole.read_bytes() == stopped.read_bytes()
    tensors = torch.load(whole, weights_only=True)
    assert tensors.keys() == torch.load(tiny / "net.pth", weights_only=True).keys()
    system = Hallo2Body(str(tmp_path / "whole" / "model"), mask=str(mask), steps=1, window=4)
    system.setup("cpu")
    assert system.loaded.label == "tiny-random"


def test_what_cannot_be_trained_on_is_named(made, data, tmp_path):
    with pytest.raises(ConfigError, match="has sound and lasts"):
        TrainingClips.read(data, "train", 1000, 64, None, tmp_path)
    with pytest.raises(MadanceError, match="holds no mask"):
        made(masks=tmp_path)
    with pytest.raises(ConfigError, match="name motion_modules, audio_modules, or both"):
        hallo2_settings(flags={"parts": []})
