"""Exports load where they are meant to: in datasets, webdataset and lance where those are there, in our own readers."""

import csv
import json
import signal
import subprocess
import sys
import tarfile

import numpy as np
import pytest

from madata.dataset.export import EXPORTS, export
from madata.errors import ConfigError, MadanceError
from madata.files import read_npz, write_npz
from madata.manifest import CLIP_COLUMNS, SOURCE_COLUMNS, write_table
from madata.motion import joint_positions, read_motion, with_skeleton
from madata.skeletons import skeleton
from madata.types import Motion3D
from tests.madata.dataset.clocks import make_folder
from tests.plugins import distribution

FORMATS = ("aistpp", "csv", "finedance", "lance", "videofolder", "webdataset")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two clips of train and one of test; the second was rendered, the title of the first is a formula."""
    folder = tmp_path_factory.mktemp("export") / "data"
    rows = make_folder(folder, frames=(15, 15, 12))
    rows[1] |= {"subset": "rendered", "genre": "Jazz"}
    rows[2] |= {"split": "test"}
    write_table(folder / "clips.parquet", rows, CLIP_COLUMNS)
    source = {"source_id": "source-of-clip-0", "title": "=HYPERLINK(1)", "status": "done"}
    write_table(folder / "sources.parquet", [source], SOURCE_COLUMNS)
    path = folder / "keypoints" / "clip-1.npz"
    exact = {"xy": np.zeros((15, 24, 2)), "score": np.ones((15, 24)), "skeleton": "smpl-24", "fps": 25.0}
    write_npz(path, **{**read_npz(path), **exact}, joints3d=joint_positions(dance()), up="y")
    return folder


def dance(frames=15):
    """A dancer who swings the arms and walks."""
    body = skeleton("smpl-24")
    rotation = np.zeros((frames, body.num_joints, 3), np.float32)
    rotation[:, 16, 2] = np.linspace(0, 1, frames)
    rotation[:, 4, 0] = np.linspace(0, 0.6, frames)
    translation = np.zeros((frames, 3), np.float32)
    translation[:, 0] = np.linspace(0, 0.5, frames)
    return Motion3D(rotation, translation, 25.0, "y", "smpl-24")


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_formats_are_found_and_documented():
    assert EXPORTS.names() == FORMATS
    with pytest.raises(ConfigError, match="did you mean 'webdataset'"):
        EXPORTS.load("webdatset")


def test_tables_for_spreadsheets_hold_no_formula(folder, tmp_path):
    assert export(folder, "csv", tmp_path / "out").clips == 3
    with (tmp_path / "out" / "sources.csv").open(newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert row["title"] == "'=HYPERLINK(1)"
    with (tmp_path / "out" / "clips.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["clip_id"] for row in rows] == ["clip-0", "clip-1", "clip-2"]
    assert rows[0]["genre"] == "house"


def test_videofolder_loads_in_datasets(folder, tmp_path):
    out = tmp_path / "out"
    export(folder, "videofolder", out)
    made = names(out)
    assert not [name for name in made if str(tmp_path).encode() in (out / name).read_bytes()]
    assert len([name for name in made if name.endswith(".mp4")]) == 3
    assert {name for name in made if name.endswith(".parquet")} == {
        "train/metadata.parquet",
        "test/metadata.parquet",
    }
    datasets = pytest.importorskip("datasets")
    loaded = datasets.load_dataset("videofolder", data_dir=str(out), cache_dir=str(tmp_path / "cache"))
    assert {split: len(rows) for split, rows in loaded.items()} == {"train": 2, "test": 1}
    rows = loaded["train"].cast_column("video", datasets.Video(decode=False))
    assert sorted(rows["clip_id"]) == ["clip-0", "clip-1"]
    assert all(row["video"]["path"].endswith(f"{row['clip_id']}.mp4") for row in rows)


DIES = """
import os, sys
from pathlib import Path
from madata.dataset.export import export
from madata.dataset.exports import videofolder
videofolder.atomic_path = lambda path: os.kill(os.getpid(), 9)
export(Path(sys.argv[1]), "videofolder", Path(sys.argv[2]))
"""


def test_a_killed_export_is_not_half_there_and_is_made_by_the_same_command(folder, tmp_path):
    out = tmp_path / "out"
    killed = subprocess.run([sys.executable, "-c", DIES, folder, out], timeout=120)
    assert killed.returncode == -signal.SIGKILL
    assert [name for name in names(out) if not name.startswith(".")] == []
    assert export(folder, "videofolder", out).clips == 3
    export(folder, "videofolder", tmp_path / "whole")
    assert names(out) == names(tmp_path / "whole") and not list(out.rglob(".tmp-*"))
    with pytest.raises(MadanceError, match="holds something already"):
        export(folder, "videofolder", out)


def test_shards_hold_each_clip_with_its_files(folder, tmp_path):
    first, second = tmp_path / "one", tmp_path / "two"
    for out in (first, second):
        export(folder, "webdataset", out)
    assert names(first) == ["ma-data-test-000000.tar", "ma-data-train-000000.tar"]
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in names(first))
    with tarfile.open(first / "ma-data-train-000000.tar") as archive:
        members = archive.getnames()
        row = json.loads(archive.extractfile("clip-0.json").read())
        video = archive.extractfile("clip-0.mp4").read()
    assert members[:4] == ["clip-0.json", "clip-0.mp4", "clip-0.music.npz", "clip-0.keypoints.npz"]
    assert video == (folder / "clips" / "clip-0.mp4").read_bytes()
    assert row["genre"] == "house"
    assert "path" not in row


def test_shards_load_in_webdataset(folder, tmp_path):
    webdataset = pytest.importorskip("webdataset")
    export(folder, "webdataset", tmp_path / "out", split="train")
    samples = list(
        webdataset.WebDataset(str(tmp_path / "out" / "ma-data-train-000000.tar"), shardshuffle=False)
    )
    assert [sample["__key__"] for sample in samples] == ["clip-0", "clip-1"]
    assert {"json", "mp4", "keypoints.npz", "music.npz"} <= set(samples[0])


def test_shards_load_in_datasets(folder, tmp_path):
    datasets = pytest.importorskip("datasets")
    export(folder, "webdataset", tmp_path / "out", split="train")
    loaded = datasets.load_dataset(
        "webdataset",
        data_files={"train": str(tmp_path / "out" / "*.tar")},
        split="train",
        cache_dir=str(tmp_path / "cache"),
    )
    assert loaded["__key__"][:] == ["clip-0", "clip-1"]
    np.testing.assert_allclose(
        np.array(loaded["music.npz"][1]["values"])[:3, 0], [0, 1 / 30, 2 / 30], atol=1e-6
    )


def test_lance_is_queried_without_the_videos(folder, tmp_path):
    lance = pytest.importorskip("lance")
    export(folder, "lance", tmp_path / "out")
    table = lance.dataset(str(tmp_path / "out" / "clips.lance"))
    found = table.to_table(columns=["clip_id", "duration_s"], filter="split = 'train'").to_pylist()
    assert [row["clip_id"] for row in found] == ["clip-0", "clip-1"]
    (blob,) = table.take_blobs("video", indices=[2])
    assert blob.read() == (folder / "clips" / "clip-2.mp4").read_bytes()


@pytest.mark.parametrize(
    ("name", "file", "fps"),
    [("finedance", "motion/001.npy", 30.0), ("aistpp", "motions/clip-1.pkl", 60.0)],
)
def test_rendered_motions_come_back(folder, tmp_path, name, file, fps):
    """Joints of the file are the joints of the dance, at the rate of the other data set."""
    done = export(folder, name, tmp_path / "out")
    assert done.clips == 1
    assert done.left_out == dict.fromkeys(("clip-0", "clip-2"), "has 2D keypoints only")
    motion = with_skeleton(read_motion(tmp_path / "out" / file), "smpl-24")
    assert motion.fps == fps
    truth = joint_positions(dance())
    known_s, at_s = np.arange(15) / 25, np.arange(len(motion.rotation)) / fps
    for joint in (0, 7, 20):
        expected = [np.interp(at_s, known_s, truth[:, joint, axis]) for axis in range(3)]
        # what is fitted bends shoulders and spine a little otherwise
        assert np.abs(joint_positions(motion)[:, joint] - np.stack(expected, 1)).max() < 0.03
    wavs = [made for made in names(tmp_path / "out") if made.endswith(".wav")]
    assert len(wavs) == 1


def test_nothing_is_written_over(folder, tmp_path):
    export(folder, "csv", tmp_path)
    with pytest.raises(MadanceError, match="holds something already"):
        export(folder, "csv", tmp_path)


LISTING = '''
"""The ids of the clips, one a line."""
from madata.dataset.export import Exported, ExportFormat

def write(clips, out):
    out.mkdir(parents=True, exist_ok=True)
    (out / "ids.txt").write_text("".join(f"{clip.clip_id}\\n" for clip in clips))
    return Exported(len(clips))

EXPORT = ExportFormat("ids of clips", write)
'''


def test_a_format_of_others_is_found(folder, tmp_path, monkeypatch):
    points = {"madance.exports": {"listing": "clip_listing:EXPORT"}}
    site = distribution(tmp_path / "site", "clip-listing", points, {"clip_listing.py": LISTING})
    monkeypatch.syspath_prepend(str(site))
    assert EXPORTS.names() == (*FORMATS, "listing")
    export(folder, "listing", tmp_path / "out", split="train")
    assert (tmp_path / "out" / "ids.txt").read_text() == "clip-0\nclip-1\n"
