"""MNET against upstream's numbers and names, and what its windows promise."""

import json

import numpy as np
import pytest
import torch

from baselines.genre_transformer import hinge_loss
from baselines.mnet.network import (
    MNET,
    Mnet,
    MnetConfig,
    dance_in_steps,
    from_rot6d,
    mnet_discriminator,
    to_rot6d,
)
from madata.errors import ConfigError
from madata.rotations import axis_angle_to_matrix
from tests.mace_dance.motion.golden import deviation, tensors, weights_of

SMALL = MnetConfig(
    music_features=5, width=8, layers=2, heads=2, feed_forward=12, music_frames=6, seed_frames=4, step_frames=3,
    places=10, genres=3,
)  # fmt: skip


def layers_of(state):
    return len({name.split(".")[2] for name in state if name.startswith("tr_block")})


def small(seed=0):
    torch.manual_seed(seed)
    made = Mnet(SMALL).eval()
    for value in made.parameters():
        torch.nn.init.normal_(value, std=0.3)
    return made


def same_rotations(ours, theirs):
    """Largest difference of rotation matrices: upstream's axis-angles are read with half the digits."""
    roots = deviation(ours[..., 72:], theirs[..., 72:])
    matrices = (axis_angle_to_matrix(each[..., :72].reshape(-1, 24, 3)) for each in (ours, theirs))
    return max(roots, deviation(*matrices, rtol=0, atol=1e-3))


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/mnet*.npz")
def test_golden_mnet(golden_file, golden_deviations):
    stored = np.load(golden_file)
    given, out = tensors(stored, "in/"), tensors(stored, "out/")
    made_of = np.load(weights_of(golden_file))
    state, critic_state = tensors(made_of, "sd/gen."), tensors(made_of, "sd/dis.")
    steps = out["gen"].shape[1]
    config = MnetConfig(
        width=len(state["mlp_a.bias"]),
        layers=layers_of(state),
        heads=4,
        feed_forward=len(state["tr_block.layers.0.5.net.0.bias"]),
        music_frames=given["audio"].shape[1],
        seed_frames=given["motion"].shape[1],
        step_frames=steps,
        places=len(state["tr_block.layers.0.1.pe"]),
    )
    made = Mnet(config).eval()
    made.load_state_dict(state)
    with torch.no_grad():
        found = {
            "gen": made(given["motion"], given["audio"], given["noise"], given["genre"]),
            "style": made.mapping(given["noise"], given["genre"]),
        }
    # The part of the numbers in the repository has neither rotations nor a long dance nor the critic.
    if "motion_back" in out:
        found["motion_6d"] = to_rot6d(given["motion"])
        golden_deviations(
            "mnet rotations", same_rotations(from_rot6d(found["motion_6d"]), out["motion_back"])
        )
    if "long_audio" in given:
        danced = dance_in_steps(made, given["motion"], given["long_audio"], given["noise"], given["genre"])
        golden_deviations("mnet rotations", same_rotations(danced, out["inference"][:, config.seed_frames :]))
    if critic_state:
        found |= judged_by(critic_state, config, found["gen"], given, out)
    for name, value in found.items():
        golden_deviations(f"mnet {name}", deviation(value, out[name]))


def judged_by(state, config, danced, given, out):
    """Logits of the critic and their hinge losses."""
    critic = mnet_discriminator(config.model_copy(update={"critic_layers": layers_of(state)})).eval()
    critic.load_state_dict(state)
    every = torch.arange(config.genres)[:, None].expand(-1, len(given["genre"]))
    with torch.no_grad():
        logits = torch.stack(critic(danced, given["audio"], *every))
    own = logits.gather(0, given["genre"][None, :, None])[0]
    # Which other genre was asked for is not stored.
    other = (logits - out["logit_other"]).abs().argmin(0, keepdim=True)
    sides = ((True, True), (False, True), (True, False))
    losses = [hinge_loss(own, real=real, critic=critic) for real, critic in sides]
    return {"logit": own, "logit_other": logits.gather(0, other)[0], "adv": torch.stack(losses)}


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/mnet_*.layout.json")
def test_golden_mnet_has_the_published_tensors(golden_file):
    layout = json.loads(golden_file.read_text())
    with torch.device("meta"):
        generator = golden_file.name.startswith("mnet_gen")
        made = Mnet(MNET) if generator else mnet_discriminator(MNET.model_copy(update={"critic_layers": 4}))
    expected = {name: each["shape"] for name, each in layout["state_dict"].items()}
    assert {name: list(value.shape) for name, value in made.state_dict().items()} == expected
    assert sum(value.numel() for value in made.parameters()) == layout["parameters"]


def test_windows_give_what_single_passes_give():
    made, music = small(), torch.randn(2, 13, 5)
    seed, noise, genre = 0.3 * torch.randn(2, 4, 75), torch.randn(2, 256), torch.tensor([0, 2])
    danced = dance_in_steps(made, seed, music, noise, genre)
    assert danced.shape == (2, 9, 75)
    before = torch.cat([seed, danced], dim=1)
    for step in range(3):
        with torch.no_grad():
            window = before[:, 3 * step : 3 * step + 4]
            one = from_rot6d(made(window, music[:, 3 * step : 3 * step + 6], noise, genre))
        torch.testing.assert_close(danced[:, 3 * step : 3 * step + 3], one, rtol=0, atol=1e-4)


def test_genre_noise_and_seed_matter_each_to_its_own_song():
    made, music = small(), torch.randn(1, 6, 5).expand(2, -1, -1)
    seed, noise = 0.3 * torch.randn(1, 4, 75).expand(2, -1, -1), torch.randn(1, 256).expand(2, -1)
    genre = torch.tensor([1, 1])
    same = dance_in_steps(made, seed, music, noise, genre)
    torch.testing.assert_close(same[0], same[1])
    for changed in (
        dance_in_steps(made, seed, music, noise, torch.tensor([1, 2])),
        dance_in_steps(made, seed, music, noise * torch.tensor([[1.0], [-1.0]]), genre),
        dance_in_steps(made, seed * torch.tensor([1.0, -1.0])[:, None, None], music, noise, genre),
    ):
        torch.testing.assert_close(changed[0], same[0])
        assert (changed[1] - same[1]).abs().max() > 1e-3


def test_wrong_shapes_are_refused():
    made = small()
    given = (torch.zeros(1, 256), torch.tensor([0]))
    with pytest.raises(ConfigError, match=r"music is \(B, T, 5\), got \(1, 6, 4\)"):
        made(torch.zeros(1, 4, 75), torch.zeros(1, 6, 4), *given)
    with pytest.raises(ConfigError, match="got 3 and 6"):
        made(torch.zeros(1, 3, 75), torch.zeros(1, 6, 5), *given)
    with pytest.raises(ConfigError, match="needs 6 frames of music, got 5"):
        dance_in_steps(made, torch.zeros(1, 4, 75), torch.zeros(1, 5, 5), *given)
    with pytest.raises(ValueError, match="multiple of heads"):
        MnetConfig(width=10, heads=3)
    with pytest.raises(ValueError, match="fit the places"):
        MnetConfig(places=100)
