"""What stands between Lodge's networks: windows, seams, hints."""

import torch

from baselines.lodge.primitives import hints_of, shared_out, window_starts


def numbered(windows):
    """(W, 104, 139): each frame says which window and which frame it is."""
    frames = torch.arange(104.0).repeat(windows, 1) + 1000 * torch.arange(float(windows))[:, None]
    return frames[..., None].expand(-1, -1, 139).clone()


def test_every_slice_has_half_of_the_primitives_at_its_borders_and_its_own_two():
    parts = shared_out(numbered(1), 4)[..., 0]
    assert parts.shape == (4, 24)
    for index, part in enumerate(parts):
        assert part.tolist() == list(range(4 + 24 * index, 28 + 24 * index))


def test_both_sides_of_a_seam_take_the_primitive_of_the_earlier_window():
    parts = shared_out(numbered(2), 8)[..., 0]
    assert parts[3, -4:].tolist() == [96, 97, 98, 99]
    assert parts[4, :4].tolist() == [100, 101, 102, 103]
    assert parts[4, 4] == 1008 and parts[7, -1] == 1099


def test_the_last_window_ends_with_the_music():
    assert window_starts(9) == [0, 4, 5] and window_starts(7) == [0, 3]
    parts = shared_out(numbered(3), 9)[..., 0]
    assert len(parts) == 9
    assert parts[8, :4].tolist() == [1100, 1101, 1102, 1103]
    assert parts[8, 4:].tolist() == list(range(2080, 2100))
    assert shared_out(numbered(1), 2).shape == (2, 24, 139)


def test_hints_are_where_they_belong_mirrored_in_their_second_place_and_never_hold_the_root():
    torch.manual_seed(0)
    primitives = torch.randn(2, 24, 139)
    hints = hints_of(primitives)
    frames = {*range(4), *range(28, 36), *range(60, 68), *range(156, 164), *range(188, 196), *range(252, 256)}
    held = hints.mask.any(-1)
    assert {int(each) for each in held[0].nonzero()} == frames and torch.equal(held[0], held[1])
    assert not hints.mask[..., 4:7].any() and hints.mask[0, 30, :4].all() and hints.mask[0, 30, 7:].all()
    torch.testing.assert_close(hints.value[:, :4], primitives[:, :4])
    torch.testing.assert_close(hints.value[:, 28:36], primitives[:, 4:12])
    torch.testing.assert_close(hints.value[:, 156:164], primitives[:, 12:20])
    torch.testing.assert_close(hints.value[:, -4:], primitives[:, -4:])
    torch.testing.assert_close(hints.value[:, 60:68, :4], primitives[:, 4:12, [1, 0, 3, 2]])
    assert (hints.value[:, 188:196, 7:] - primitives[:, 12:20, 7:]).abs().max() > 0.1
    border = hints.border()[0, :, 0]
    assert border.sum() == 8 and border[:4].all() and border[-4:].all()
