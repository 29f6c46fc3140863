import numpy as np
import pytest
import torch

from baselines.sd15.schedule import EPSILON, ZERO_SNR, ddim_sampler

OF = {"animate_anyone": ZERO_SNR, "hallo2": ZERO_SNR, "magic_animate": EPSILON}


@pytest.mark.golden
@pytest.mark.golden_files("models_appearance/ddim_schedules*.npz")
def test_ddim_takes_upstreams_steps(golden_file, golden_deviations):
    with np.load(golden_file) as archive:
        for case in sorted({name.split("/")[0] for name in archive.files}):
            method, steps = case.rsplit("_", 1)
            sampler = ddim_sampler(OF[method], int(steps))
            np.testing.assert_array_equal(sampler.timesteps, archive[f"{case}/timesteps"])
            np.testing.assert_allclose(
                sampler.alphas_cumprod, archive[f"{case}/alphas_cumprod"], rtol=0, atol=1e-6
            )
            latents = [torch.from_numpy(archive[f"{case}/x0"])]
            for time in sampler.timesteps:
                predicted = 0.4 * latents[-1] + 0.3 * torch.cos(time.float() / 300)
                latents.append(sampler.step(predicted, time, latents[-1]).prev_sample)
            path = torch.stack(latents).numpy()
            golden_deviations("DDIM steps", np.abs(path - archive[f"{case}/traj"]).max())
            np.testing.assert_allclose(path, archive[f"{case}/traj"], rtol=0, atol=1e-5)
