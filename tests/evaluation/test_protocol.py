"""Protocols are closed, named, hashed files."""

from importlib import resources

import pytest

from evaluation.definitions import PAIR_PROTOCOLS as PAIR_PROTOCOLS
from evaluation.definitions import VARIANTS
from evaluation.metrics.registry import check_metrics
from evaluation.protocol import DEFAULTS, load_protocol, protocol_names
from madata.errors import ConfigError

TEXT = resources.files("evaluation").joinpath("protocols/ma-data-motion2d.toml").read_text("utf-8")


@pytest.mark.parametrize("name", protocol_names())
def test_a_protocol_asks_for_what_this_build_has(name):
    protocol = load_protocol(name)
    assert protocol.name == name
    assert [spec.name for spec in check_metrics(protocol)] == list(protocol.metrics)
    assert protocol.definition in {"corrected", "edge", "vbench", *VARIANTS, *PAIR_PROTOCOLS}
    ours = protocol.definition == "corrected" or name in (
        "ma-drift",
        "ma-identity",
    )  # pictures are read as VBench reads them
    assert (protocol.kind == "corrected") == ours
    assert len(protocol.summary.split()) > 10


def test_every_published_definition_has_a_protocol_and_the_corrected_ones_are_the_default():
    definitions = {load_protocol(name).definition for name in protocol_names()}
    assert set(VARIANTS) | set(PAIR_PROTOCOLS) <= definitions
    assert {load_protocol(name).kind for name in DEFAULTS.values()} == {"corrected"}
    assert {kind: load_protocol(name).input for kind, name in DEFAULTS.items()} == {
        kind: kind for kind in DEFAULTS
    }


def test_no_two_protocols_share_a_hash():
    hashes = {load_protocol(name).sha256 for name in protocol_names()}
    assert len(hashes) == len(protocol_names())


def test_the_hash_depends_on_the_rules_and_not_on_the_prose(tmp_path):
    def hash_of(text):
        (tmp_path / "p.toml").write_text(text)
        return load_protocol(str(tmp_path / "p.toml")).sha256

    assert hash_of(TEXT) == load_protocol("ma-data-motion2d").sha256
    assert hash_of(TEXT.replace("Motion of dance videos", "Movement of dance films")) == hash_of(TEXT)
    assert hash_of(TEXT.replace("sigma_ms = 100.0", "sigma_ms = 90.0")) != hash_of(TEXT)
    assert hash_of(TEXT.replace("fid_k = 1\nfid_g = 1\n", "fid_g = 1\nfid_k = 1\n")) != hash_of(TEXT)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("mace2d-oficial", "mace2d-official"),
        ("finedance", "finedance-motion3d"),
        ("nowhere.toml", "no such file"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(name, says):
    with pytest.raises(ConfigError, match=says):
        load_protocol(name)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("duration_s", "duration", "duration_s"),
        ('pairing = "matched"', 'pairing = "some"', "clips.pairing"),
        ("min_n = 3", "min_n = 0", "statistics.min_n"),
        ("[beats]\nsigma_ms = 100.0\nmin_confidence = 0.2\nshuffles = 200", "", "beats"),
        ("duration_s = 4.0", "duration_s = 4.0\nmax_frames = 64", "not both"),
        ('name = "', "name = ", "TOML"),
        ('skeleton = "coco-17"\n', "", "skeleton"),
        ("[statistics]", '[appearance]\nclip_precision = "int8"\n\n[statistics]', "clip_precision"),
    ],
)
def test_what_is_no_protocol_is_refused_by_key(tmp_path, old, new, says):
    (tmp_path / "p.toml").write_text(TEXT.replace(old, new))
    with pytest.raises(ConfigError, match=says):
        load_protocol(str(tmp_path / "p.toml"))
