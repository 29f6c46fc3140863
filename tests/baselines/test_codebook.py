"""The codebook: nearest codes, gradients that pass through, averages as upstream has them."""

import numpy as np
import pytest
import torch

from baselines.codebook import Codebook
from tests.mace_dance.motion.golden import deviation, tensor


def filled(codes=6, width=3, seed=0):
    torch.manual_seed(seed)
    book = Codebook(codes, width)
    torch.nn.init.normal_(book.k)
    return book


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/bailando_codebook_ema*.npz")
def test_golden_codebook_follows_by_a_step(golden_file, golden_deviations):
    stored = np.load(golden_file)
    codes, width = stored["in/k"].shape
    book = Codebook(codes, width)
    book.k.copy_(tensor(stored["in/k"]))
    book.begin(float(stored["num_tokens"]) / codes)
    x = tensor(stored["in/x"])
    index, chosen, commitment = book(x)
    assert torch.equal(index, tensor(stored["out/index"]))
    book.follow(x, index, torch.Generator().manual_seed(0))
    found = {
        "quantised": chosen,
        "commit": commitment,
        "k": book.k,
        "k_sum": book.k_sum,
        "k_elem": book.k_elem,
    }
    for name, value in found.items():
        golden_deviations(f"codebook {name}", deviation(value, stored[f"out/{name}"]))


def test_the_nearest_code_is_chosen_and_gradients_pass():
    book, x = filled(), torch.randn(2, 3, 5, requires_grad=True)
    codes, chosen, commitment = book(x)
    slow = (x.transpose(1, 2)[:, :, None] - book.k).square().sum(-1).argmin(-1)
    assert torch.equal(codes, slow)
    torch.testing.assert_close(chosen, book.decode(codes))
    torch.testing.assert_close(commitment, (book.decode(codes) - x).square().mean())
    chosen.sum().backward()
    torch.testing.assert_close(x.grad, torch.ones_like(x))


def test_a_code_that_nothing_chooses_goes_where_something_is():
    book = filled()
    book.k[0] = 1e6
    book.begin()
    x = torch.randn(1, 3, 40)
    book.follow(x, book.encode(x), torch.Generator().manual_seed(1))
    distance = (x[0].T - book.k[0]).abs().sum(1)
    assert distance.min() < 1e-6


@pytest.mark.parametrize("frames", [4, 40])
def test_it_begins_from_what_is_at_hand_by_its_generator(frames):
    books, x = [filled() for _ in range(3)], torch.randn(1, 3, frames)
    for book, seed in zip(books, (0, 0, 1), strict=True):
        book.begin_from(x, torch.Generator().manual_seed(seed))
        assert (x[0].T[:, None] - book.k).abs().sum(-1).min(0).values.max() < 0.2
    assert torch.equal(books[0].k, books[1].k) and not torch.equal(books[0].k, books[2].k)
    assert books[0].k_elem.eq(1).all() and torch.equal(books[0].k, books[0].k_sum)
