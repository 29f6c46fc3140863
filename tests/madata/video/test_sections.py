"""A clock that starts anew at every packet costs each packet a few looks at the sections, not one at each."""

from fractions import Fraction
from types import SimpleNamespace

from madata.video import packets
from madata.video.pictures import _Damage


class Compared(int):
    count = 0

    def __le__(self, other):
        Compared.count += 1
        return int(self) <= other

    def __gt__(self, other):
        Compared.count += 1
        return int(self) > other


def test_packets_of_many_sections_are_moved_in_their_time(monkeypatch):
    total = 1000
    stored = [SimpleNamespace(pts=0, dts=0) for _ in range(total)]
    monkeypatch.setattr(packets, "_stored_packets", lambda *_: iter(stored))
    shifts = tuple((Compared(first), Fraction(first)) for first in range(1, total, 2))
    monkeypatch.setattr(packets, "_shifts", lambda *_: shifts)
    moved = list(packets.read_packets(None, SimpleNamespace(time_base=Fraction(1, 10))))
    assert [packet.dts for packet in moved[:5]] == [0, 10, 10, 30, 30]
    assert moved[-1].pts == 10 * (total - 1)
    assert Compared.count < 20 * total


def test_damage_reaches_up_to_the_next_whole_key_in_whatever_order_it_is_found():
    damage = _Damage()
    for order in (9, 3, 30):
        damage.mark_bad(order)
    assert [damage.reaches(order, order) for order in (2, 3, 9, 20)] == [False, True, True, True]
    damage.mark_clean_key(12, 12)
    assert [damage.reaches(order, order) for order in (12, 29, 30, 31)] == [False, False, True, True]
