import errno
import json

import pytest
from click.testing import CliRunner

from madata.commands.weights import weights
from madata.errors import WeightsError
from madata.weights import check, fetch, find_weights, known, store

TEXT = """
[weights.base-14b]
group = "base"
used_by = ["painter", "dancer"]
what = "base"
file = "base"
licence = "MIT"
source = { kind = "hub", repo = "x/base" }

[weights.extra]
group = "extras"
used_by = ["dancer"]
what = "extra"
file = "extra.safetensors"
licence = "MIT"
source = { kind = "hub", repo = "x/extra", member = "extra.safetensors" }

[weights.other]
group = "others"
what = "other"
file = "other"
licence = "MIT"
source = { kind = "hub", repo = "x/other" }
"""


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("MADANCE_WEIGHTS", str(tmp_path / "env"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(store, "_manifest", lambda: store.parse_manifest(TEXT))
    monkeypatch.setattr(store, "_in_hub_cache", lambda _source: None)
    return tmp_path / "env"


def names(*chosen):
    return [entry.name for entry in known(chosen)]


def test_a_system_stands_for_everything_it_needs():
    assert names("dancer") == ["base-14b", "extra"]
    assert names("painter") == names("base") == ["base-14b"]
    assert names("painter", "other") == ["base-14b", "other"]
    with pytest.raises(WeightsError, match="did you mean 'dancer"):
        names("dancers")


def test_list_for_a_system_shows_its_files_alone():
    shown = CliRunner().invoke(weights, ["list", "--for", "dancer"]).output
    assert "base-14b" in shown and "extra" in shown and "other" not in shown
    assert "for painter, dancer" in shown and "size not recorded" in shown
    rows = json.loads(CliRunner().invoke(weights, ["list", "--for", "painter", "--json"]).output)
    assert [(row["name"], row["path"], row["used_by"]) for row in rows] == [
        ("base-14b", None, ["painter", "dancer"])
    ]


def test_a_folder_that_lacks_a_part_is_wrong_until_it_is_fetched(folder, monkeypatch):
    (folder / "base" / "net").mkdir(parents=True)
    index = {"weight_map": {"a": "p-1.safetensors", "b": "p-2.safetensors"}}
    (folder / "base" / "net" / "p.safetensors.index.json").write_text(json.dumps(index))
    (folder / "base" / "net" / "p-1.safetensors").write_bytes(b"")
    (state,) = [check(entry) for entry in known(["base"])]
    assert (state.status, state.detail) == ("wrong", "net/p-2.safetensors is missing")
    with pytest.raises(WeightsError, match=r"p-2\.safetensors is missing"):
        find_weights("base-14b")

    def snapshot_download(repo, *, revision, allow_patterns, local_dir):
        assert (local_dir / "net" / "p-1.safetensors").is_file()
        (local_dir / "net" / "p-2.safetensors").write_bytes(b"")

    monkeypatch.setattr(pytest.importorskip("huggingface_hub"), "snapshot_download", snapshot_download)
    assert fetch(known(["base"]))[0].status == "unverified"
    assert find_weights("base-14b") == folder / "base"


def test_a_download_that_broke_off_goes_on_with_what_it_has(folder, monkeypatch):
    hub = pytest.importorskip("huggingface_hub")
    rounds = []

    def snapshot_download(repo, *, revision, allow_patterns, local_dir):
        rounds.append(sorted(path.name for path in local_dir.iterdir()))
        if len(rounds) == 1:
            (local_dir / "first").write_bytes(b"1")
            raise OSError(errno.ENOSPC, "No space left on device")
        (local_dir / "second").write_bytes(b"2")

    monkeypatch.setattr(hub, "snapshot_download", snapshot_download)
    with pytest.raises(WeightsError, match="the disk is full while fetching base-14b"):
        fetch(known(["base"]))
    assert fetch(known(["base"]))[0].status == "unverified"
    assert rounds == [[], ["first"]]
    assert sorted(path.name for path in folder.rglob("*")) == ["base", "first", "second"]
