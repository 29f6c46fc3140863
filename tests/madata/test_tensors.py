"""What is said of a file of tensors that is refused."""

import os
from collections import deque

import pytest
import torch

from madata.errors import WeightsError
from madata.tensors import open_torch


class Calls:
    def __reduce__(self):
        return os.system, ("true",)


@pytest.mark.parametrize(
    ("value", "wanted"), [(Calls(), r"\w+\.system"), (deque([1]), r"collections\.deque")]
)
def test_what_a_file_wants_to_make_or_call_is_named_and_no_way_around_it(tmp_path, value, wanted):
    torch.save({"state_dict": value}, tmp_path / "a.pt")
    with pytest.raises(
        WeightsError, match=rf"a\.pt: refused.*\(it wants to make or call {wanted}\)$"
    ) as caught:
        open_torch(tmp_path / "a.pt")
    assert "weights_only" not in str(caught.value)
