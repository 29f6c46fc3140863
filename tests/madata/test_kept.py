"""Long work is written at each tenth, at its end, and when it is interrupted."""

from itertools import pairwise

import pytest

from madata.files import kept_on_the_way


def test_a_tenth_more_is_written_and_so_is_the_end():
    there, written = [], []
    with kept_on_the_way(lambda: written.append(len(there))) as note:
        for number in range(3000):
            there.append(number)
            note(len(there))
    assert written[:3] == [101, 202, 303] and written[-1] == 3000
    steps = [after - before for before, after in pairwise(written)]
    assert max(steps) <= 0.1 * 3000 + 1 and len(written) < 30


def test_what_there_is_stays_when_the_work_is_interrupted():
    written = []
    with pytest.raises(KeyboardInterrupt), kept_on_the_way(lambda: written.append("all")) as note:
        note(1)
        raise KeyboardInterrupt
    assert written == ["all"]
