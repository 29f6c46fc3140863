import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mace_dance.motion.normaliser import Normaliser
from mace_dance.training.motion.data.settings import WindowSettings
from mace_dance.training.motion.data.split import sides_of, spans_of
from mace_dance.training.motion.data.store import extremes
from mace_dance.training.motion.data.takes import Take
from mace_dance.training.motion.data.windows import MotionWindows, epoch_batches
from madata.errors import ConfigError

ALIKE = np.full(23, 150)


@pytest.fixture
def windows():
    rng = np.random.default_rng(0)
    motion = rng.normal(size=(60, 9)).astype(np.float32)
    motion.flags.writeable = False
    starts = np.array([0, 5, 40])
    normaliser = Normaliser.fit(extremes(motion, np.stack([starts, np.full(3, 20)], 1), (4, 5)))
    return MotionWindows(
        motion=motion,
        music=np.arange(60 * 35, dtype=np.float32).reshape(60, 35),
        starts=starts,
        lengths=np.array([20, 20, 10]),
        genres=np.array([2, 2, 7]),
        takes=np.array([0, 0, 1]),
        take_names=("a", "b"),
        normaliser=normaliser,
        ground=(4, 5),
    )


def test_a_window_is_its_frames_normalised_with_its_music_and_genre(windows):
    motion, music, genre, index = windows[1]
    expected = windows.motion[5:25].copy()
    expected[:, 4:6] -= expected[0, 4:6]
    np.testing.assert_allclose(windows.normaliser.unnormalise(motion.numpy()), expected, atol=2e-6)
    assert motion.dtype == music.dtype == torch.float32
    np.testing.assert_array_equal(music, windows.music[5:25])
    assert (genre, index) == (2, 1)
    motion.zero_()
    assert windows[1][0].abs().sum() > 0


def test_a_batch_is_its_windows(windows):
    batch = windows.batch([1, 0])
    for row, index in enumerate([1, 0]):
        motion, music, genre, _ = windows[index]
        assert torch.equal(batch.motion[row], motion) and torch.equal(batch.music[row], music)
        assert batch.genre[row] == genre and batch.window[row] == index
    with pytest.raises(ConfigError, match="one length"):
        windows.batch([0, 2])
    with pytest.raises(IndexError):
        windows[3]


def test_the_order_of_an_epoch_is_fixed_for_good():
    order = [batch.tolist() for batch in epoch_batches(np.full(7, 150), epoch=3, batch_size=2, seed=11)]
    assert order == PINNED


PINNED = [[4, 6], [0, 1], [2, 3]]


def test_epochs_and_seeds_differ_and_nothing_else_matters():
    def order(epoch, seed):
        return np.concatenate(epoch_batches(ALIKE, epoch, 4, seed)).tolist()

    assert order(0, 0) == order(0, 0)
    assert len({tuple(order(epoch, seed)) for epoch in range(3) for seed in range(3)}) == 9


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.sampled_from([30, 60, 150]), min_size=1, max_size=40),
    batch_size=st.integers(1, 7),
    world=st.integers(1, 4),
)
def test_processes_share_every_step_fairly(lengths, batch_size, world):
    lengths = np.array(lengths)
    ranks = [epoch_batches(lengths, 5, batch_size, 1, rank, world) for rank in range(world)]
    assert len({tuple(len(batch) for batch in batches) for batches in ranks}) == 1
    counts = np.zeros(len(lengths), int)
    for step in zip(*ranks, strict=True):
        together = np.concatenate(step)
        assert len(set(lengths[together])) == 1
        np.add.at(counts, together, 1)
    for length in np.unique(lengths):
        count = counts[lengths == length]
        full = len(count) // (batch_size * world) * batch_size * world
        if full:
            assert count.sum() == full and count.max() == 1
        else:
            assert count.min() >= 1 and count.sum() == -(-len(count) // world) * world


def test_bad_batches_are_refused():
    for batch_size, rank, world in ((0, 0, 1), (4, 2, 2), (4, -1, 2)):
        with pytest.raises(ConfigError):
            epoch_batches(ALIKE, 0, batch_size, 0, rank, world)


def test_extremes_are_those_of_all_windows():
    rng = np.random.default_rng(1)
    motion = rng.normal(size=(80, 8)).astype(np.float32)
    spans = np.array([[0, 20], [10, 20], [45, 20], [50, 20]])
    blocks = []
    for start, length in spans:
        block = motion[start : start + length].copy()
        block[:, [4, 6]] -= block[0, [4, 6]]
        blocks.append(block)
    every = np.concatenate(blocks)
    np.testing.assert_array_equal(extremes(motion, spans, (4, 6)), [every.min(0), every.max(0)])
    plain = np.concatenate([motion[:30], motion[45:70]])
    np.testing.assert_array_equal(extremes(motion, spans, ()), [plain.min(0), plain.max(0)])


@pytest.mark.parametrize(
    ("frames", "short", "expected"),
    [
        (149, "drop", []),
        (150, "drop", [[0, 150]]),
        (194, "drop", [[0, 150], [15, 150], [30, 150]]),
        (149, "whole", [[0, 120]]),
        (29, "whole", []),
        (195, "whole", [[0, 150], [15, 150], [30, 150], [45, 150]]),
    ],
)
def test_windows_of_a_take(frames, short, expected):
    assert spans_of(frames, WindowSettings(short=short)).tolist() == expected


def takes_of(*groups, side=None):
    return [Take(f"{group}{number}", None, group=group, side=side) for number, group in enumerate(groups)]


@pytest.mark.parametrize("seed", range(5))
def test_groups_stay_together_and_the_share_is_met(seed):
    takes = takes_of(*"aabbccddee")
    sides = sides_of(takes, [100] * 10, 0.3, seed)
    for group in "abcde":
        assert len({side for take, side in zip(takes, sides, strict=True) if take.group == group}) == 1
    assert sides.count("held-out") == 4


def test_the_seed_decides_which_groups_are_held_out():
    takes = takes_of(*"abcdefghij")

    def held_out(seed, order=range(10)):
        sides = sides_of([takes[at] for at in order], [100] * 10, 0.3, seed)
        return {takes[at].group for at, side in zip(order, sides, strict=True) if side == "held-out"}

    assert len({frozenset(held_out(seed)) for seed in range(10)}) > 5
    assert held_out(0) == {"c", "f", "g"}  # of the seed and the names alone: the same on every machine
    assert all(held_out(seed) == held_out(seed, [9, 2, 4, 0, 1, 3, 8, 6, 7, 5]) for seed in range(10))


def test_the_share_is_of_frames_and_is_reached_not_passed_by_a_group_more():
    takes = takes_of(*"abcdefghij")
    for seed in range(5):
        assert sides_of(takes, [100] * 10, 0.3, seed).count("held-out") == 3
        assert sides_of(takes, [100] * 10, 0.301, seed).count("held-out") == 4


def test_the_last_group_trains_and_no_share_holds_nothing_out():
    assert sides_of(takes_of("a"), [100], 0.9, 0) == ["train"]
    assert sides_of(takes_of(*"ab"), [1, 1], 0.99, 0).count("train") == 1
    assert set(sides_of(takes_of(*"abc"), [1, 1, 1], 0.0, 0)) == {"train"}


def test_a_take_without_a_side_follows_its_group():
    takes = [*takes_of("a", side="held-out"), *takes_of("a", "b", "c")]
    sides = sides_of(takes, [1] * 4, 0.0, 0)
    assert sides == ["held-out", "held-out", "train", "train"]
    with pytest.raises(ConfigError, match="'a' are on both sides"):
        sides_of([*takes, *takes_of("a", side="train")], [1] * 5, 0.0, 0)
