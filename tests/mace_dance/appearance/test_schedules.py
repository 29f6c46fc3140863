import itertools

import numpy as np
import pytest
import torch

from mace_dance.appearance.schedules import SAMPLERS, make_sampler, training_schedule
from madata.errors import ConfigError


def cases(archive):
    return sorted({name.split("/")[0] for name in archive.files})


def integrate(sampler, start, steps):
    """Every latent on the way when the network is v = 0.3 x + cos(t / 300)."""
    sampler.set_timesteps(steps)
    latents = [torch.from_numpy(start)]
    for time in sampler.timesteps:
        velocity = 0.3 * latents[-1] + torch.cos(time.float() / 300)
        latents.append(sampler.step(velocity, time, latents[-1], return_dict=False)[0])
    return torch.stack(latents).numpy()


@pytest.mark.golden
@pytest.mark.golden_files("models_appearance/flow_schedules*.npz")
def test_samplers_take_upstreams_steps(golden_file, golden_deviations):
    with np.load(golden_file) as archive:
        for case in cases(archive):
            steps, shift = (float(part) for part in case.removeprefix("steps").split("_shift"))
            for name, key in (("euler", "euler"), ("unipc", "unipc"), ("dpm++", "dpmpp")):
                sampler = make_sampler(name, shift)
                for _ in range(2):
                    path = integrate(sampler, archive[f"{case}/x0"], int(steps))
                    sigmas = archive[f"{case}/{key}_sigmas"]
                    times = archive[f"{case}/{key}_timesteps"]
                    np.testing.assert_allclose(
                        sampler.sigmas.numpy()[: len(sigmas)], sigmas, rtol=0, atol=1e-6
                    )
                    np.testing.assert_allclose(
                        sampler.timesteps.numpy(), times, rtol=0, atol=1e-4 if name == "euler" else 0
                    )
                    expected = archive[f"{case}/{key}_traj"]
                    golden_deviations(f"sampler {name}", np.abs(path - expected).max())
                    np.testing.assert_allclose(path, expected, rtol=0, atol=1e-4)
                    assert sampler.sigmas[-1] == 0


@pytest.mark.golden
@pytest.mark.golden_files("models_appearance/flow_training_schedule*.npz")
def test_training_schedule_is_that_of_the_release(golden_file, golden_deviations):
    schedule = training_schedule(1000, shift=5.0)
    rounded = training_schedule(1000, shift=5.0, rounding="bf16")
    with np.load(golden_file) as archive:
        ids = torch.from_numpy(archive["ids"])
        np.testing.assert_allclose(schedule.timesteps, archive["all_timesteps"], rtol=0, atol=2e-4)
        np.testing.assert_allclose(schedule.weights, archive["all_weights"], rtol=0, atol=1e-4)
        np.testing.assert_allclose(schedule.timesteps[ids], archive["timesteps"], rtol=0, atol=2e-4)
        np.testing.assert_allclose(schedule.weights[ids], archive["weights"], rtol=0, atol=1e-4)
        np.testing.assert_allclose(schedule.sigmas[ids], archive["sigmas"], rtol=0, atol=1e-5)
        np.testing.assert_array_equal(rounded.timesteps[ids], archive["timesteps_bf16"])
        clean, noise = torch.from_numpy(archive["x0"]), torch.from_numpy(archive["noise"])
        noisy = torch.stack([schedule.add_noise(clean, noise, index) for index in ids])
        golden_deviations("training schedule x_t", np.abs(noisy.numpy() - archive["x_t"]).max())
        np.testing.assert_allclose(noisy, archive["x_t"], rtol=0, atol=1e-5)
        np.testing.assert_allclose(schedule.target(clean, noise), archive["target"], rtol=0, atol=1e-6)


def test_rounded_times_take_the_level_nearest_to_them():
    plain, rounded = training_schedule(), training_schedule(rounding="bf16")
    assert plain.weights.sum().item() == pytest.approx(1000, rel=1e-5)
    assert (rounded.timesteps - plain.timesteps).abs().max() > 1
    assert (rounded.sigmas - rounded.timesteps / 1000).abs().max() < 0.005
    index = torch.tensor([0, 400])
    clean, noise = torch.zeros(2, 3, 1), torch.ones(2, 3, 1)
    assert torch.equal(plain.add_noise(clean, noise, index)[:, 0, 0], plain.sigmas[index])


def test_whole_times_of_unipc_are_cut_as_in_single_precision():
    """A first level of 0.999 in double precision gives 665 and 332, upstream's first level 666 and 333."""
    sampler = make_sampler("unipc", 1)
    sampler.set_timesteps(3)
    assert sampler.timesteps.tolist() == [999, 666, 333]


def test_a_linear_field_is_integrated_exactly_by_every_sampler():
    """v = noise - x0 for fixed x0 and noise is constant: every solver ends on x0."""
    clean, noise = torch.tensor([[0.3, -0.7]]), torch.tensor([[1.1, 0.2]])
    for name, steps in itertools.product(SAMPLERS, (1, 2, 7, 600)):
        sampler = make_sampler(name, 5.0)
        sampler.set_timesteps(steps)
        first = sampler.sigmas[0]
        latents = (1 - first) * clean + first * noise
        for time in sampler.timesteps:
            latents = sampler.step(noise - clean, time, latents, return_dict=False)[0]
        torch.testing.assert_close(latents, clean, rtol=0, atol=1e-4)


def test_unknown_samplers_and_shifts_are_refused():
    with pytest.raises(ConfigError, match="there is no sampler 'heun'"):
        make_sampler("heun")
    with pytest.raises(ConfigError, match="above 0"):
        make_sampler("euler", 0)
    with pytest.raises(ConfigError, match="at least one step"):
        make_sampler("euler").set_timesteps(0)
