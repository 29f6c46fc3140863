"""MNET trains: a generator against a critic, each in its turn."""

import numpy as np
import pytest
import torch

from baselines.genre_transformer import hinge_loss
from baselines.mnet.network import MNET, MNET_KIND, MnetConfig, to_rot6d
from baselines.mnet.training import mnet
from mace_dance.motion.pretrained import read_model
from mace_dance.training.motion.data import WindowBatch
from mace_dance.training.motion.data.music_rows import MusicRows
from mace_dance.training.motion.settings import settings_layers
from mace_dance.training.motion.task import resolve_training
from madata.errors import ConfigError
from tests.baselines.trained_stage import assert_the_bits_of_a_whole_run, learned, stage
from tests.mace_dance.training.motion.made_windows import prepared

SMALL = (
    "model.width=24",
    "model.layers=1",
    "model.heads=2",
    "model.feed_forward=24",
    "model.music_frames=20",
    "model.seed_frames=10",
    "model.step_frames=10",
    "model.places=30",
    "model.genres=2",
    "model.critic_layers=1",
    "loop.batch_size=8",
    "loop.learning_rate=3e-3",
)
RUN = ("mnet", *SMALL)


@pytest.fixture(scope="module")
def data():
    return prepared(frames=50, takes=4, vector="mnet-75", music=MusicRows("bailando", 60), stride=25)


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """Losses, samples before and after, model folder, all rows of the log."""
    return learned(data, tmp_path_factory.mktemp("mnet"), *RUN, steps=25)


def test_it_learns_and_leaves_a_model(trained):
    losses, first, last, folder = trained
    assert np.mean(losses[-5:]) < 0.6 * losses[0]
    assert float(last["fid_k"]) < 0.6 * float(first["fid_k"])
    model = read_model(folder, MNET_KIND)
    assert (model.info.fps, model.info.layout, model.info.genres) == (60.0, "mnet-147", ("a", "b"))


def test_it_goes_on_to_the_same_bits(data, trained, tmp_path):
    assert_the_bits_of_a_whole_run(data, trained[3].parent, tmp_path, *RUN, steps=25)


def made(frames=6):
    torch.manual_seed(0)
    network = MNET_KIND.build(
        MnetConfig(
            music_features=5,
            width=8,
            layers=1,
            heads=2,
            feed_forward=8,
            music_frames=6,
            seed_frames=4,
            step_frames=2,
            places=10,
            genres=3,
            dropout=0,
            critic_layers=1,
        )
    )
    batch = WindowBatch(
        torch.randn(4, frames, 75), torch.randn(4, frames, 5), torch.tensor([0, 1, 2, 0]), torch.arange(4)
    )
    return network, batch


def test_the_losses_are_the_published_ones():
    network, batch = made()
    network.eval()
    generator = torch.Generator().manual_seed(3)
    torch.randint(1, (4,), generator=generator)
    noise = torch.randn(4, 256, generator=generator)
    other = (batch.genre + torch.randint(1, 3, (4,), generator=generator)) % 3
    loss, parts = mnet.loss(network, None, batch, torch.Generator().manual_seed(3))
    seed, after = batch.motion[:, :4], to_rot6d(batch.motion[:, 4:])
    danced = network(seed, batch.music, noise, batch.genre)
    torch.testing.assert_close(parts["reconstruction"], (danced - after).square().mean())
    torch.testing.assert_close(
        parts["adversarial"], -network.critic(danced, batch.music, batch.genre)[0].mean()
    )
    elsewhere = network(seed, batch.music, noise, other)
    judged = network.critic(elsewhere, batch.music, other, batch.genre)
    torch.testing.assert_close(parts["genre"], -judged[0].mean() - judged[1].mean())
    assert bool((other != batch.genre).all())
    torch.testing.assert_close(loss, sum(parts.values()))
    loss, parts = mnet.critic.loss(network, None, batch, torch.Generator().manual_seed(3))
    real = hinge_loss(*network.critic(after, batch.music, batch.genre), real=True, critic=True)
    torch.testing.assert_close(parts["real"], real)
    fake = hinge_loss(*network.critic(danced, batch.music, batch.genre), real=False, critic=True)
    torch.testing.assert_close(loss, (real + fake) / 2)
    loss.backward()
    assert network.mlp_l.weight.grad is None and network.critic.mlp_m.weight.grad is not None


def test_the_preset_is_the_published_network():
    settings, _ = resolve_training(settings_layers("mnet"))
    assert settings.model == MNET.model_copy(update={"critic_layers": 4})
    assert settings.data.fps == settings.data.music_rows.fps == 60


def test_what_does_not_fit_names_the_setting(data):
    with pytest.raises(
        ConfigError, match=r"windows of 50 frames; a training sample takes 120.*window_frames"
    ):
        stage(data, "mnet")
    with pytest.raises(ConfigError, match=r"have no critic: --set model\.critic_layers=4"):
        stage(data, *RUN, "model.critic_layers=0")
