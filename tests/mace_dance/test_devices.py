"""A device that is not there is one line."""

import pytest
import torch

from mace_dance.devices import on_device
from madata.errors import ConfigError


@pytest.mark.parametrize("device", ["nonsense", "cuda:99"])
def test_a_device_that_is_not_there_is_named(device):
    with pytest.raises(ConfigError, match=f"the device '{device}' cannot be used: ") as caught:
        on_device(torch.nn.Linear(1, 1), device)
    assert "\n" not in str(caught.value)
