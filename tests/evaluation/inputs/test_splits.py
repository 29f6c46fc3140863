"""The official lists, and what they choose."""

import json
from pathlib import Path

import pytest

from evaluation.inputs.splits import is_official, official_split, official_splits
from madata.errors import ConfigError

SPECS = Path(__file__).resolve().parents[4] / "shared" / "specs" / "splits.json"


def test_the_lists_have_the_lengths_of_the_field():
    sizes = {name: len(official_split(name).dances) for name in official_splits()}
    assert sizes == {
        "aist++:crossmodal-test": 20,
        "aist++:crossmodal-train": 952,
        "finedance:cross-genre-test": 19,
        "finedance:cross-genre-test-18": 18,
        "finedance:cross-dancer-test": 17,
        "finedance:cross-dancer-validation": 12,
    }
    assert set(official_split("aist++:crossmodal-test").dances).isdisjoint(
        official_split("aist++:crossmodal-train").dances
    )
    assert "120" not in official_split("finedance:cross-genre-test").dances
    assert "130" not in official_split("finedance:cross-genre-test-18").dances


@pytest.mark.skipif(not SPECS.is_file(), reason="needs ../shared")
def test_the_lists_are_those_of_their_sources():
    source = json.loads(SPECS.read_text())
    assert list(official_split("aist++:crossmodal-test").dances) == source["aist++"]["crossmodal"]["test"]
    genre = source["finedance"]["cross_genre"]
    assert list(official_split("finedance:cross-genre-test").dances) == [
        name for name in genre["test"] if name not in genre["ignore"]
    ]


def test_a_list_chooses_by_the_dance():
    split = official_split("AIST++:crossmodal-test")
    dance = split.dances[0]
    assert split.choose([dance, f"0_1_{dance}_slice3", "gBR_sBM_cAll_d04_mBR1_ch02", "x"]) == {
        dance: dance, f"0_1_{dance}_slice3": f"{dance}_slice3"
    }  # fmt: skip


def test_a_name_that_is_no_list_gets_the_nearest():
    assert not is_official("test")
    with pytest.raises(ConfigError, match="did you mean 'aist\\+\\+:crossmodal-test'"):
        official_split("aist++:crossmodal-tset")
