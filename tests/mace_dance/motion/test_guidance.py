import numpy as np
import pytest
import torch

from mace_dance.motion.diffusion import cosine_schedule, ddim_times, seeded_noise
from mace_dance.motion.guidance import (
    TrainingDraws,
    draw_training,
    gft_prediction,
    sample_motion,
    training_prediction,
)
from mace_dance.motion.losses import motion_losses
from madata.errors import ConfigError
from tests.mace_dance.motion.golden import deviation, motion_expert, tensor, tensors, tiny
from tests.mace_dance.motion.test_model import inputs

SCHEDULE = cosine_schedule()


def gft(network, given):
    return gft_prediction(network, given["x"], given["music"], given["genre"], given["times"], given["beta"])


def test_beta_one_is_the_conditional_branch_and_zero_the_other():
    network, given = tiny(), inputs()
    given["beta"] = torch.ones(2)
    torch.testing.assert_close(gft(network, given), network(**given))
    given["beta"] = torch.zeros(2)
    prediction = gft(network, given)
    torch.testing.assert_close(prediction, network(**given, keep=torch.zeros(2, dtype=torch.bool)))
    gradients = torch.autograd.grad(prediction.sum(), list(network.parameters()), allow_unused=True)
    assert not any(gradient.any() for gradient in gradients if gradient is not None)


def test_the_stop_gradient_pass_drops_only_when_asked():
    for choice, same in (("on", False), ("off", True)):
        network, given = tiny(dropout=0.5, choices={"uncond_dropout": choice}), inputs()
        given["beta"] = torch.zeros(2)
        reference = gft(network, given)
        network.train()
        assert torch.allclose(gft(network, given), reference) is same
        assert network.training


def test_draws_are_those_of_the_seed_and_of_the_reading():
    clean = torch.zeros(4000, 1, 1)

    def draws(seed=0, **settings):
        return draw_training(tiny(**settings).config, SCHEDULE, clean, torch.Generator().manual_seed(seed))

    first, again, other = draws(), draws(), draws(seed=1)
    assert torch.equal(first.noise, again.noise)
    assert not torch.equal(first.noise, other.noise)
    assert (first.times.min(), first.keep) == (0, None)
    assert draws(choices={"times": "through"}).times.min() == -1
    kept = draws(guidance="cfg")
    assert kept.beta is None
    assert kept.keep.float().mean().item() == pytest.approx(0.75, abs=0.03)


def test_classifier_free_guidance_goes_beyond_the_condition():
    given = inputs()

    def sampled(weight, music):
        network = tiny(guidance="cfg", guidance_weight=weight)
        draw = seeded_noise([1, 2], 7, 9)
        return sample_motion(network, music, given["genre"], draw, SCHEDULE, times=[500])

    network = tiny(guidance="cfg")
    start = seeded_noise([1, 2], 7, 9)()
    now = torch.full((2,), 500)
    with torch.no_grad():
        with_music = network(start, given["music"], given["genre"], now)
        without = network.denoise(start, network.without_music(2, 7), now)
    for weight in (0.0, 1.0, 2.0):
        expected = (without + weight * (with_music - without)).clamp(-1, 1)
        torch.testing.assert_close(sampled(weight, given["music"]), expected, rtol=1e-5, atol=1e-6)


def test_training_under_classifier_free_guidance_takes_one_pass():
    network, given = tiny(guidance="cfg"), inputs()
    draws = draw_training(network.config, SCHEDULE, given["x"], torch.Generator().manual_seed(0))
    ours = training_prediction(network, SCHEDULE, given["x"], given["music"], given["genre"], draws)
    noisy = SCHEDULE.add_noise(given["x"], draws.times, draws.noise)
    theirs = network(noisy, given["music"], given["genre"], draws.times, keep=draws.keep)
    torch.testing.assert_close(ours, theirs)


def test_sampling_encodes_the_music_once_and_turns_on_beta():
    network, given = tiny(), inputs()
    calls = []
    network.cond_projection.register_forward_hook(lambda *_: calls.append(1))

    def sampled(beta):
        draw = seeded_noise([1, 2], 7, 9)
        return sample_motion(network, given["music"], given["genre"], draw, SCHEDULE, beta, ddim_times(10))

    first = sampled(0.75)
    assert len(calls) == 1
    assert torch.equal(first, sampled(0.75))
    assert not torch.equal(first, sampled(0.25))
    assert first.abs().max() <= 1


def test_a_song_dances_the_same_in_any_company():
    network, given = tiny(), inputs(batch=3)

    def sampled(songs):
        draw = seeded_noise([10 + song for song in songs], 7, 9)
        chosen = torch.tensor(songs)
        return sample_motion(
            network, given["music"][chosen], given["genre"][chosen], draw, SCHEDULE, times=ddim_times(8)
        )

    torch.testing.assert_close(sampled([0, 1, 2])[1:2], sampled([1]), rtol=1e-4, atol=1e-5)


def test_sampling_refuses_a_network_in_training_and_a_beta_beyond_one():
    network, given = tiny(), inputs()
    draw = seeded_noise([1, 2], 7, 9)
    with pytest.raises(ConfigError, match="beta"):
        sample_motion(network, given["music"], given["genre"], draw, SCHEDULE, beta=1.5)
    with pytest.raises(ConfigError, match="eval"):
        sample_motion(network.train(), given["music"], given["genre"], draw, SCHEDULE)


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/motion_expert_gft*.npz")
def test_golden_guidance_free_training(golden_file, golden_deviations):
    stored = np.load(golden_file)
    given = tensors(stored, "in/")
    times, beta = given["t"], given["beta"]
    draws = TrainingDraws(times, given["noise"], beta, None)

    def predicted(network):
        return training_prediction(network, SCHEDULE, given["x0"], given["cond"], given["genre"], draws)

    noisy = SCHEDULE.add_noise(given["x0"], times, given["noise"])
    network = motion_expert(golden_file)
    prediction = predicted(network)
    none = torch.zeros(len(noisy), dtype=torch.bool)
    with torch.no_grad():
        branches = {
            "cond_pred": network(noisy, given["cond"], given["genre"], times, beta),
            "uncond_pred": network(noisy, given["cond"], given["genre"], times, beta, none),
            "uncond_pred_beta1": network(
                noisy, given["cond"], given["genre"], times, torch.ones_like(beta), none
            ),
            "x_noisy": noisy,
            "x_beta_official": prediction,
            "x_beta_paper": predicted(motion_expert(golden_file, uncond_beta="one")),
        }
    for name, ours in branches.items():
        if f"out/{name}" in stored.files:
            golden_deviations("motion_expert_gft", deviation(ours, tensor(stored[f"out/{name}"])))
    losses = motion_losses(prediction, given["x0"])
    parts = torch.stack([losses.reconstruction, losses.velocity, losses.joints, losses.foot])
    golden_deviations("losses", deviation(parts, tensor(stored["out/loss_parts"]), atol=0))
    golden_deviations("losses", deviation(losses.total, tensor(stored["out/loss_total"]), atol=0))
    losses.total.backward()
    parameters = dict(network.named_parameters())
    for name, gradient in tensors(stored, "grad/").items():
        # Where predicted 6D rows are almost parallel, single precision keeps four digits of a gradient.
        scale = float(gradient.abs().max())
        ours = parameters[name].grad
        golden_deviations("motion_expert_gft gradients", deviation(ours, gradient, atol=1e-4 * scale))


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/motion_expert_sample*.npz")
def test_golden_sampler(golden_file, golden_deviations):
    stored = np.load(golden_file)
    noise = iter(tensor(stored["noise"]))
    network = motion_expert(golden_file)
    music, genre = tensor(stored["in/cond"]), tensor(stored["in/genre"])
    ours = sample_motion(network, music, genre, lambda: next(noise), SCHEDULE)
    golden_deviations("motion_expert_sample", deviation(ours, tensor(stored["out/sample"]), atol=2e-4))
    assert next(noise, None) is None
