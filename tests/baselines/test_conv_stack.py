"""The convolutional stack: rates, dilations, and what a residual block adds."""

import pytest
import torch

from baselines.conv_stack import MotionDecoder, MotionEncoder


def dilations(module):
    convolutions = (layer for layer in module.modules() if isinstance(layer, torch.nn.Conv1d))
    return [layer.dilation[0] for layer in convolutions if layer.kernel_size == (3,)]


@pytest.mark.parametrize("levels", [1, 3])
def test_every_level_halves_the_rate_and_the_decoder_doubles_it_again(levels):
    torch.manual_seed(0)
    sizes = (6, 8, levels, 2)
    x = torch.randn(2, 9, 8 * 2**levels)
    codes = MotionEncoder(9, *sizes)(x)
    assert codes.shape == (2, 6, 8)
    assert MotionDecoder(9, *sizes)(codes).shape == x.shape


def test_dilations_grow_in_the_encoder_and_fall_in_the_decoder():
    assert dilations(MotionEncoder(3, 4, 4, 2, 3)) == [1, 3, 9, 1, 3, 9, 1]
    assert dilations(MotionDecoder(3, 4, 4, 2, 3)) == [1, 9, 3, 1, 9, 3, 1, 1]


def test_a_residual_block_that_adds_nothing_changes_nothing():
    torch.manual_seed(0)
    encoder = MotionEncoder(3, 4, 4, 1, 2)
    first, residuals = encoder.level_blocks[0].model[0]
    for block in residuals.model:
        torch.nn.init.zeros_(block.model[3].weight)
        torch.nn.init.zeros_(block.model[3].bias)
    x = torch.randn(1, 3, 8)
    torch.testing.assert_close(encoder(x), encoder.level_blocks[0].model[1](first(x)))
