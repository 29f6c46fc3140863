import numpy as np
import pytest
import torch

from mace_dance.motion.diffusion import cosine_schedule, ddim, ddim_times, seeded_noise
from madata.errors import ConfigError

SCHEDULE = cosine_schedule()


def test_the_signal_fades_from_all_to_nothing():
    left = SCHEDULE.alphas_cumprod
    assert (left[1:] < left[:-1]).all()
    assert left[0] > 0.9999
    assert left[-1] < 1e-7
    assert SCHEDULE.signal(torch.tensor([-1])).item() == 1
    assert SCHEDULE.signal(torch.tensor([0])).item() == left[0].item() < 1


def test_noise_is_found_again():
    generator = torch.Generator().manual_seed(0)
    clean, noise = (torch.randn(3, 5, 2, generator=generator) for _ in range(2))
    times = torch.tensor([30, 500, 900])
    noisy = SCHEDULE.add_noise(clean, times, noise)
    torch.testing.assert_close(SCHEDULE.noise_in(noisy, times, clean), noise, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(SCHEDULE.add_noise(clean, torch.full((3,), -1), noise), clean)


def test_noising_keeps_unit_variance():
    clean, noise = (torch.randn(4, 4000, 1, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    noisy = SCHEDULE.add_noise(clean, torch.tensor([0, 300, 600, 999]), noise)
    np.testing.assert_allclose(noisy.var((1, 2)), 1, atol=0.06)


@pytest.mark.parametrize("steps", [1, 7, 50, 1000])
def test_times_fall_evenly_to_the_clean_sample(steps):
    times = [*ddim_times(steps), -1]
    assert times[0] == 999
    assert len(times) == steps + 1
    assert np.ptp(-np.diff(times)) <= 1
    with pytest.raises(ConfigError, match="1 to 1000"):
        ddim_times(0)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_a_network_that_knows_the_answer_gives_it(eta):
    answer = torch.rand(2, 4, 3, generator=torch.Generator().manual_seed(0)) * 2 - 1
    draw = seeded_noise([1, 2], 4, 3)
    found = ddim(lambda noisy, times: answer, draw, SCHEDULE, ddim_times(5), eta)
    assert torch.equal(found, answer)


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_the_perfect_denoiser_of_a_gaussian_gives_that_gaussian(eta):
    """For data of N(m, s^2) the best guess at x is known, and sampling with it must give N(m, s^2) back."""
    mean, spread = 0.2, 0.15

    def best(noisy, times):
        left = SCHEDULE.signal(times)
        gain = left.sqrt() * spread**2 / (left * spread**2 + 1 - left)
        return mean + gain * (noisy - left.sqrt() * mean)

    found = ddim(best, seeded_noise([0], 20000, 1), SCHEDULE, ddim_times(1000), eta)
    assert found.mean().item() == pytest.approx(mean, abs=0.005)
    assert found.std().item() == pytest.approx(spread, rel=0.03)


@pytest.mark.parametrize("eta", [0.0, 0.4, 1.0])
def test_one_step_is_that_of_the_paper(eta):
    """Equations 12 and 16 of Song et al. 2021, with numbers."""
    answer, start, fresh = 0.25, 0.8, -1.3
    draws = iter([torch.full((1, 1, 1), start), torch.full((1, 1, 1), fresh)])
    seen = []

    def predict(noisy, times):
        seen.append(noisy.item())
        return torch.full_like(noisy, answer)

    ddim(predict, lambda: next(draws), SCHEDULE, [700, 300], eta)
    left, left_next = (SCHEDULE.alphas_cumprod[time].item() for time in (700, 300))
    sigma = eta * ((1 - left_next) / (1 - left)) ** 0.5 * (1 - left / left_next) ** 0.5
    noise = (start - left**0.5 * answer) / (1 - left) ** 0.5
    expected = left_next**0.5 * answer + (1 - left_next - sigma**2) ** 0.5 * noise + sigma * fresh
    assert seen == pytest.approx([start, expected], rel=1e-5)


def test_at_eta_1_the_noise_is_that_of_ancestral_sampling():
    """From a time to the one before, sigma^2 is the variance of q(z_{t-1} | z_t, x)."""
    draws = iter([torch.zeros(1, 1, 1), torch.ones(1, 1, 1)])
    seen = []

    def predict(noisy, times):
        seen.append(noisy.item())
        return torch.zeros_like(noisy)

    ddim(predict, lambda: next(draws), SCHEDULE, [500, 499], eta=1.0)
    assert seen[1] ** 2 == pytest.approx(SCHEDULE.posterior_variance[500].item(), rel=1e-4)


def test_the_posterior_is_what_bayes_says():
    """z_{t-1} has mean sqrt(abar_{t-1}) x and z_t is it, damped, with fresh noise: two Gaussians multiplied."""
    clean, noisy, time = 0.3, -0.7, 600
    beta = SCHEDULE.betas[time].double().item()
    before = SCHEDULE.alphas_cumprod[time - 1].double().item()
    precision = 1 / (1 - before) + (1 - beta) / beta
    mean = (before**0.5 * clean / (1 - before) + (1 - beta) ** 0.5 * noisy / beta) / precision
    found, log_variance = SCHEDULE.posterior(
        torch.full((1, 1, 1), clean), torch.full((1, 1, 1), noisy), torch.tensor([time])
    )
    assert found.item() == pytest.approx(mean, rel=1e-4)
    assert log_variance.exp().item() == pytest.approx(1 / precision, rel=1e-4)


def test_eta_0_draws_once():
    calls = []

    def draw():
        calls.append(1)
        return torch.zeros(1, 2, 3)

    ddim(lambda noisy, times: noisy, draw, SCHEDULE, [900, 400, 3], eta=0)
    assert len(calls) == 1


def test_after_step_sees_all_but_the_clean_sample():
    seen = []

    def watch(noisy, time):
        seen.append(time)
        return noisy

    ddim(lambda noisy, times: noisy, seeded_noise([0], 2, 2), SCHEDULE, [5, 3, 1], after_step=watch)
    assert seen == [5, 3]


@pytest.mark.parametrize("times", [[], [3, 3], [3, 5], [1000, 3], [3, -1]])
def test_times_outside_the_schedule_are_refused(times):
    with pytest.raises(ConfigError, match=r"strictly within 999\.\.0"):
        ddim(lambda noisy, now: noisy, seeded_noise([0], 2, 2), SCHEDULE, times)


def test_eta_beyond_one_is_refused():
    with pytest.raises(ConfigError, match="eta"):
        ddim(lambda noisy, now: noisy, seeded_noise([0], 2, 2), SCHEDULE, eta=1.5)


def test_a_song_has_its_noise_in_any_company():
    together, alone = seeded_noise([3, 4, 5], 6, 2), seeded_noise([4], 6, 2)
    for _ in range(3):
        assert torch.equal(together()[1:2], alone())


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/edge_diffusion*.npz")
def test_golden_schedule(golden_file, golden_deviations):
    stored = np.load(golden_file)
    schedule = cosine_schedule(len(stored["sched/betas"]))
    noise_share = 1 - schedule.alphas_cumprod
    ours = {
        "betas": schedule.betas,
        "alphas_cumprod": schedule.alphas_cumprod,
        "sqrt_one_minus_alphas_cumprod": noise_share.sqrt(),
        "posterior_variance": schedule.posterior_variance,
        "posterior_log_variance_clipped": schedule.posterior_variance.clamp(min=1e-20).log(),
        "posterior_mean_coef1": schedule.posterior_weights[0],
        "posterior_mean_coef2": schedule.posterior_weights[1],
    }
    for name, values in ours.items():
        np.testing.assert_allclose(values, stored[f"sched/{name}"], rtol=1e-6, atol=1e-30, err_msg=name)
        golden_deviations("schedule", np.abs(values.numpy() - stored[f"sched/{name}"]).max())
    # The weight of a time in the losses, which we therefore leave out.
    assert (stored["sched/p2_loss_weight"] == 1).all()
    steps = len(stored["sched/ddim_times"]) - 1
    assert [*ddim_times(steps, schedule.num_times), -1] == stored["sched/ddim_times"].tolist()
