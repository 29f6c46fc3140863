"""Reading golden files of the motion models."""

import numpy as np
import pytest
import torch

from mace_dance.motion.config import Choices, MotionExpertConfig
from mace_dance.motion.model import MotionExpert
from tests.conftest import default_golden_root


def tensor(array):
    """Stored numbers as the networks take them: half precision is exact and becomes float32."""
    array = np.asarray(array)
    return torch.tensor(array).float() if array.dtype.kind == "f" else torch.tensor(array)


def tensors(stored, prefix):
    return {
        name.removeprefix(prefix): tensor(stored[name]) for name in stored.files if name.startswith(prefix)
    }


def weights_of(golden_file, default=None):
    """The file that holds a case's weights: itself, the one of its name without ``_b``, or ``default``."""
    names = [golden_file.name, f"{golden_file.stem.rpartition('_')[0]}.npz", default]
    for name in filter(None, names):
        for folder in (golden_file.parent, default_golden_root() / "models_motion"):
            path = folder / name
            if path.is_file() and any(key.startswith("sd/") for key in np.load(path).files):
                return path
    pytest.fail(f"no weights for {golden_file.name}")


def deviation(ours, theirs, rtol=1e-4, atol=2e-5):
    """Largest difference, after checking every number against the tolerance."""
    ours, theirs = torch.as_tensor(ours).detach(), torch.as_tensor(theirs)
    torch.testing.assert_close(ours, theirs, rtol=rtol, atol=atol, check_dtype=False)
    return float((ours - theirs).abs().max())


def motion_expert(golden_file, **choices):
    """The narrow network of a golden file."""
    stored = np.load(weights_of(golden_file, "motion_expert_weights.npz"))
    features, latent, feed_forward, heads, music = map(int, stored["cfg"])
    network = MotionExpert(
        MotionExpertConfig(
            features=features,
            latent=latent,
            feed_forward=feed_forward,
            heads=heads,
            music_features=music,
            choices=Choices(**choices),
        )
    )
    network.load_state_dict(tensors(stored, "sd/"))
    return network.eval()


def tiny(seed=0, **settings):
    """A network of a few thousand parameters, random but for a condition that matters."""
    torch.manual_seed(seed)
    sizes = {
        "features": 9,
        "music_features": 5,
        "latent": 8,
        "feed_forward": 12,
        "heads": 2,
        "dance_layers": 2,
        "music_layers": 1,
        "genres": 3,
        "d_state": 4,
    }
    network = MotionExpert(MotionExpertConfig(**{**sizes, **settings}))
    torch.nn.init.normal_(network.null_cond_embed)
    return network.eval()
