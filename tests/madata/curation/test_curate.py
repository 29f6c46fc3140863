"""Curation end to end, as a user runs it, on made footage of which every frame is known."""

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from fnmatch import fnmatch
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from madata.curation.again import decide_again
from madata.curation.batch import curate
from madata.curation.settings import load_config
from madata.curation.source import curate_source
from madata.dataset.removed import read_removed, remove_sources
from madata.manifest import iterate_rows, read_table
from madata.types import Source
from tests.madata.curation.conftest import FPS, SECONDS, SIZE
from tests.media_builder import Recipe, barcodes, build_sound, find_pips, overwrite, sound_of, truncate

TABLES = ("sources.parquet", "clips.parquet", "dropped.parquet", "shots.parquet")
STEADY = Recipe(num_frames=FPS * SECONDS, fps=Fraction(FPS), size=SIZE)
QUICK = ("--set", "people.samples_per_s=1", "--jobs", "2")


def contents(folder: Path) -> dict[str, bytes]:
    """Every finished file of a data set folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


@pytest.fixture(scope="module")
def two_sources(tmp_path_factory, film):
    folder = tmp_path_factory.mktemp("two")
    film(folder / "a.mp4", STEADY)
    film(folder / "b" / "a.mp4", STEADY, offset=40)
    return folder


@pytest.fixture(scope="module")
def curated(tmp_path_factory, two_sources, madance):
    out = tmp_path_factory.mktemp("curated")
    run = madance("curate", two_sources, "--out", out, "--json", *QUICK)
    assert run.returncode == 0, run.stderr
    return out, json.loads(run.stdout)


def test_what_is_published_names_no_folder_of_the_machine(curated, two_sources):
    files = [path for path in curated[0].rglob("*") if path.is_file()]
    assert {path.suffix for path in files} >= {".parquet", ".html", ".toml", ".json", ".mp4"}
    for path in files:
        told = str(list(iterate_rows(path))).encode() if path.suffix == ".parquet" else b""
        for folder in (curated[0], two_sources, Path.home()):
            assert str(folder).encode() not in path.read_bytes() + told, path.name


def test_clips_hold_exactly_their_frames_with_their_sound(curated):
    out, summary = curated
    clips = read_table(out / "clips.parquet")
    assert summary["clips"] == len(clips) >= 2
    for clip in clips.itertuples():
        assert barcodes(out / clip.path) == list(range(clip.start_frame, clip.end_frame))
        assert 5.0 - 1e-6 <= clip.end_s - clip.start_s <= 10.0 + 1e-6
        assert clip.start_s == pytest.approx(clip.start_frame / FPS)
        found = find_pips(*sound_of(out / clip.path)) + clip.start_s
        whole = [time_s for time_s in found if 0.1 < time_s - clip.start_s < clip.duration_s - 0.1]
        assert len(whole) >= 4
        assert np.abs(np.array(whole) - np.round(whole)).max() < 0.005


def test_every_output_is_there(curated):
    out, summary = curated
    clips = read_table(out / "clips.parquet")
    for table in TABLES:
        assert (out / table).exists()
    for clip in clips.itertuples():
        keypoints = np.load(out / clip.keypoints, allow_pickle=False)
        assert (clip.num_frames, clip.width, clip.height) == (clip.end_frame - clip.start_frame, *SIZE)
        assert keypoints["xy"].shape[0] == len(keypoints["times_s"]) == clip.samples
        assert (keypoints["times_s"] >= 0).all()
        assert (keypoints["times_s"] < clip.duration_s).all()
        nose = keypoints["xy"][:, 0]
        assert ((nose > 0) & (nose < SIZE)).all()
        assert (out / clip.thumbnail).exists()
    page = (out / "report.html").read_text()
    assert all(clip_id in page for clip_id in clips["clip_id"])
    assert load_config(out / "settings.toml").hash == summary["settings"]
    assert (out / "contact_sheet.jpg").exists()


def test_the_same_command_again_does_nothing_and_changes_nothing(curated, two_sources, madance):
    out, _ = curated
    before = contents(out)
    stamps = {path: path.stat().st_mtime_ns for path in out.rglob("*.mp4")}
    assert madance("curate", two_sources, "--out", out, *QUICK).returncode == 0
    assert contents(out) == before
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.mp4")} == stamps


@pytest.mark.slow
@pytest.mark.parametrize(
    "moment",
    ["cutting", *(pytest.param(name, marks=pytest.mark.nightly) for name in ("looking", "second source"))],
)
def test_a_killed_run_goes_on_to_the_same_bytes(curated, two_sources, tmp_path, madance, moment):
    reference, _ = curated
    marks = {
        "looking": "settings.toml",
        "cutting": "journal/*/a-*.json",
        "second source": "clips/[!.]*.mp4",
    }
    command = [
        sys.executable,
        "-m",
        "madata.cli",
        "curate",
        two_sources,
        "--out",
        tmp_path,
        *QUICK[:2],
        "--jobs",
        "1",
    ]
    process = subprocess.Popen(
        list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + 300
    while process.poll() is None and not list(tmp_path.glob(marks[moment])) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = {path: path.stat().st_mtime_ns for path in tmp_path.glob("clips/[!.]*.mp4")}
    assert madance("curate", two_sources, "--out", tmp_path, *QUICK).returncode == 0
    assert contents(tmp_path) == contents(reference)
    assert not list(tmp_path.rglob(".tmp-*"))
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in done.items())


def test_other_settings_never_mix_into_a_folder(curated, two_sources, madance):
    out, _ = curated
    run = madance("curate", two_sources, "--out", out, "--set", "windows.overlap=0.5")
    assert run.returncode == 2
    assert "windows.overlap" in run.stderr


def test_a_source_is_decoded_once_before_cutting(two_sources, tmp_path, monkeypatch):
    import madata.curation.source as module

    passes = []

    class Counted(module.Decoder):
        def frames(self, *arguments, **options):
            passes.append(self.path)
            return super().frames(*arguments, **options)

    monkeypatch.setattr(module, "Decoder", Counted)
    monkeypatch.setattr(module, "cut", lambda path, requests, settings: [])
    monkeypatch.setattr(module, "cut_clips", lambda source, entry, **options: entry)
    path = two_sources / "a.mp4"
    curate_source(Source("a", path, "0"), lambda seconds: None, out=tmp_path, config=load_config())
    assert len(passes) <= 2, "one pass, besides the first frame that tells the size"


def test_a_folder_of_broken_files_is_reported_file_by_file(tmp_path, film, madance):
    folder = tmp_path / "in"
    good = film(folder / "new\nline 舞.mp4", STEADY)
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.mp4").write_text("this is no video\n" * 50)
    truncate(good, folder / "no_index.mp4", 0.6)
    index_first = film(tmp_path / "index_first.mp4", Recipe(**{**vars(STEADY), "faststart": True}))
    truncate(index_first, folder / "cut_off.mp4", 0.6)
    overwrite(good, folder / "corrupt.mp4", packet=90, count=4000)
    build_sound(folder / "sound_only.m4a", 6.0, codec="aac")
    film(folder / "one_frame.mp4", Recipe(num_frames=1, size=SIZE, sound=False))
    (folder / "-copy.mp4").write_bytes(good.read_bytes())

    run = madance("curate", folder, "--out", tmp_path / "out", *QUICK, "--json")
    assert run.returncode == 1, run.stderr
    summary = json.loads(run.stdout)
    sources = read_table(tmp_path / "out" / "sources.parquet").set_index("file")
    reasons = {problem["file"]: problem["reason"] for problem in summary["problems"]}
    assert reasons == {
        "empty.mp4": "empty_file",
        "text.mp4": "not_media",
        "no_index.mp4": reasons["no_index.mp4"],
        "cut_off.mp4": "truncated",
        "corrupt.mp4": "damaged",
        "sound_only.m4a": "no_video",
        "one_frame.mp4": "one_frame",
    }
    assert len(sources) == 9
    assert sorted(sources.loc[["-copy.mp4", "new\nline 舞.mp4"], "status"]) == ["done", "duplicate"]
    page = (tmp_path / "out" / "report.html").read_text()
    assert all(name in page for name in ("empty.mp4", "cut_off.mp4", "sound_only.m4a"))
    check_frames(tmp_path / "out")


@pytest.mark.nightly
def test_odd_names_pixels_and_clocks_are_cut_frame_by_frame(tmp_path, film, madance):
    folder = tmp_path / "in"
    film(folder / "-dash.mp4", STEADY, offset=5)
    film(folder / "ten_bit.mp4", Recipe(**{**vars(STEADY), "pixel_format": "yuv420p10le", "sound": False}))
    jittered = np.cumsum(np.random.default_rng(1).choice([1, 1, 2], FPS * SECONDS)) / 30.0
    film(folder / "variable.mp4", Recipe(**{**vars(STEADY), "times_s": tuple(jittered), "fps": Fraction(30)}))
    run = madance("curate", folder, "--out", tmp_path / "out", *QUICK, "--set", "sound.required=false")
    assert run.returncode == 0, run.stderr
    sources = read_table(tmp_path / "out" / "sources.parquet")
    assert sources["status"].tolist() == ["done"] * 3 and (sources["clips"] >= 1).all()
    check_frames(tmp_path / "out")


def check_frames(out: Path) -> None:
    """Every clip holds each of its frames and no other, in order."""
    for clip in read_table(out / "clips.parquet").itertuples():
        seen = barcodes(out / clip.path)
        assert set(seen) == set(range(clip.start_frame, clip.end_frame))
        assert seen == sorted(seen)


@pytest.mark.nightly
def test_a_turned_phone_video_is_shown_upright(tmp_path, dancer, madance):
    from tests.media_builder import build

    recipe = Recipe(
        num_frames=FPS * SECONDS, fps=Fraction(FPS), size=(SIZE[1], SIZE[0]), rotation=90, start_s=0.5
    )
    build(
        tmp_path / "phone.mp4", recipe, lambda index, size: np.ascontiguousarray(np.rot90(dancer[index], -1))
    )
    run = madance("curate", tmp_path / "phone.mp4", "--out", tmp_path / "out", *QUICK)
    assert run.returncode == 0, run.stderr
    (clip, *_) = read_table(tmp_path / "out" / "clips.parquet").itertuples()
    assert (clip.width, clip.height) == SIZE
    xy = np.load(tmp_path / "out" / clip.keypoints, allow_pickle=False)["xy"]
    names = skeleton_columns(tmp_path / "out" / clip.keypoints)
    assert (xy[:, names["left_ankle"], 1] > xy[:, names["nose"], 1]).all()


def skeleton_columns(path: Path) -> dict[str, int]:
    from madata.skeletons import skeleton

    name = str(np.load(path, allow_pickle=False)["skeleton"])
    return {joint: column for column, joint in enumerate(skeleton(name).joints)}


@pytest.mark.slow
def test_a_full_disk_stops_cleanly_and_can_be_gone_on_from(two_sources, tmp_path, madance):
    out = tmp_path / "small"
    out.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() != 0 or libc.mount(b"none", os.fsencode(out), b"tmpfs", 0, b"size=160k") != 0:
        pytest.skip("needs the right to mount a small file system")
    try:
        run = madance("curate", two_sources, "--out", out, *QUICK)
        assert run.returncode == 2
        assert "disk is full" in run.stderr
        assert not list(out.rglob(".tmp-*"))
    finally:
        libc.umount(os.fsencode(out))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["portrait_mix.mp4", pytest.param("*.mp4", marks=pytest.mark.nightly)])
def test_every_decision_on_the_synthesised_crawl_is_right(tmp_path, madance, name, monkeypatch):
    from madata.synthetic import crawl

    scripts = tuple(script for script in crawl._SCRIPTS if fnmatch(script.name, name))
    monkeypatch.setattr(crawl, "_SCRIPTS", scripts)
    truth = crawl.make_crawl(tmp_path / "crawl", seed=0)
    run = madance("curate", tmp_path / "crawl", "--out", tmp_path / "out", "--jobs", "2")
    assert run.returncode == 0, run.stderr
    assert len(truth["files"]) == len(scripts)
    check_decisions(tmp_path / "out", truth["files"])


@pytest.mark.nightly  # the synthesised crawl above is decided, and real footage cut and judged, by tests of their own
@pytest.mark.media
def test_real_footage_is_cut_exactly_and_decided_rightly(tmp_path, media_dir, madance):
    truths = [json.loads(path.read_text()) for path in sorted(media_dir.glob("crawl_*.json"))]
    files = [media_dir / truth["file"] for truth in truths]
    run = madance("curate", *files, "--out", tmp_path)
    assert run.returncode == 0, run.stderr
    check_decisions(tmp_path, truths)
    still = {
        (truth["file"], frame): shot["start"]
        for truth in truths
        for shot in truth["shots"]
        if shot["motion"] == "static"
        for frame in range(shot["start"], shot["end"])
    }
    names = read_table(tmp_path / "sources.parquet").set_index("source_id")["file"]
    for clip in read_table(tmp_path / "clips.parquet").itertuples():
        name = names[clip.source_id]
        expected = [still.get((name, frame), frame) for frame in range(clip.start_frame, clip.end_frame)]
        assert barcodes(tmp_path / clip.path) == expected
        found = find_pips(*sound_of(tmp_path / clip.path)) + clip.start_s
        whole = np.array([time_s for time_s in found if 0.1 < time_s - clip.start_s < clip.duration_s - 0.1])
        assert len(whole) >= 4
        assert np.abs(whole - np.round(whole)).max() < 0.005


def check_decisions(out: Path, truths: list[dict]) -> None:
    """Every shot of every file has the decision and one of the reasons its truth states, within 2 frames."""
    sources = read_table(out / "sources.parquet").set_index("file")["source_id"]
    clips, dropped, shots = (
        read_table(out / name) for name in ("clips.parquet", "dropped.parquet", "shots.parquet")
    )
    for truth in truths:
        source_id = sources[truth["file"]]
        found = shots[shots["source_id"] == source_id]
        hard = {cut["first_new_frame"] for cut in truth["transitions"] if cut["type"] == "hard"}
        assert len(found) == len(truth["shots"])
        for shot, row in zip(truth["shots"], found.itertuples(), strict=True):
            for edge, measured in ((shot["start"], row.start_frame), (shot["end"], row.end_frame)):
                assert measured == edge if edge in hard else abs(measured - edge) <= 2
            within = [
                frame[
                    (frame["source_id"] == source_id)
                    & (frame["start_frame"] >= row.start_frame)
                    & (frame["end_frame"] <= row.end_frame)
                ]
                for frame in (clips, dropped)
            ]
            if shot["expected"] == "keep":
                assert len(within[0]) >= 1
                assert not len(within[1])
            else:
                assert not len(within[0])
                assert within[1]["reason"].tolist()[0] in shot["reasons"]
        for clip in clips[clips["source_id"] == source_id].itertuples():
            assert 5.0 - 1e-6 <= clip.end_s - clip.start_s <= 10.0 + 1e-6


def decided(out, madance, *options):
    run = madance("dataset", "decide", out, "--jobs", "1", "--json", *options)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def comparable(folder):
    """The clips of a folder without their thumbnails, which come from other pictures."""
    return [row | {"thumbnail": None} for row in iterate_rows(folder / "clips.parquet")]


def test_decisions_are_made_again_without_a_decode(curated, tmp_path, madance):
    out, summary = curated
    folder = tmp_path / "data"
    shutil.copytree(out, folder)
    before = comparable(folder)
    none = decided(folder, madance, "--set", "motion.static_below=90")
    assert none["clips"] == 0 and none["source_s"] == summary["source_s"]
    assert {row["reason"] for row in none["stages"]} == {"static"}
    assert not list(folder.glob("clips/*.mp4")) and not list(folder.glob("keypoints/*"))
    assert load_config(folder / "settings.toml").motion.static_below == 90
    decided(folder, madance, "--set", "motion.static_below=0.35")
    assert comparable(folder) == before
    for row in read_table(folder / "clips.parquet").itertuples():
        assert barcodes(folder / row.path) == list(range(row.start_frame, row.end_frame))
        assert (folder / row.thumbnail).exists() and (folder / row.keypoints).exists()


def test_an_interrupted_run_is_decided_about_as_far_as_it_came(curated, tmp_path, madance):
    out, _ = curated
    folder = tmp_path / "data"
    shutil.copytree(out, folder)
    for table in folder.glob("*.parquet"):
        table.unlink()
    first, second = sorted(folder.glob("journal/*/*.json"))
    second.unlink()
    run = madance("dataset", "decide", folder, "--set", "motion.static_below=0.3", "--json")
    assert run.returncode == 0 and "before 1 of its sources" in run.stderr
    rows = list(iterate_rows(folder / "sources.parquet"))
    before = next(row for row in iterate_rows(out / "sources.parquet") if row["source_id"] == first.stem)
    assert [(row["file"], row["sha256"], row["clips"]) for row in rows] == [
        (before["file"], before["sha256"], before["clips"])
    ]


def test_a_file_that_did_not_open_stays_failed_when_an_interrupted_run_is_decided_about(
    curated, tmp_path, madance
):
    folder = tmp_path / "data"
    shutil.copytree(curated[0], folder)
    for table in folder.glob("*.parquet"):
        table.unlink()
    _, second = sorted(folder.glob("journal/*/*.json"))
    entry = json.loads(second.read_text())
    failed = {"status": "failed", "reason": "truncated", "message": "cut short", "clips": 0}
    second.write_text(json.dumps({**entry, "source": failed, "clips": [], "dropped": [], "shots": []}))
    run = madance("dataset", "decide", folder, "--set", "motion.static_below=0.3", "--json")
    assert run.returncode == 1, run.stderr
    rows = {row["source_id"]: row["status"] for row in iterate_rows(folder / "sources.parquet")}
    assert rows[second.stem] == "failed"


def test_clips_that_stay_are_taken_over_into_the_folders_of_parts(curated, tmp_path, madance):
    out, _ = curated
    untouched = contents(out)
    rows = []
    for part in ("1/2", "2/2"):
        folder = tmp_path / part[0]
        decided(out, madance, "--set", "motion.static_below=0.3", "--shard", part, "--out", folder)
        rows += comparable(folder)
        for row in read_table(folder / "clips.parquet").itertuples():
            assert (folder / row.path).stat().st_ino == (out / row.path).stat().st_ino
    assert contents(out) == untouched
    # which clips are copies of one another is known when the parts are merged
    keys = ("clip_id", "start_frame", "end_frame", "path", "sha256", "keypoints")
    clips = [{tuple(row[key] for key in keys) for row in some} for some in (rows, comparable(out))]
    assert clips[0] == clips[1]
    # and a merged folder is decided about as one that was never in parts
    merged = tmp_path / "merged"
    assert madance("dataset", "merge", tmp_path / "1", tmp_path / "2", "--out", merged).returncode == 0
    assert (merged / "report.html").exists() and (merged / "contact_sheet.jpg").exists()
    assert decided(merged, madance, "--set", "motion.static_below=90")["clips"] == 0
    decided(merged, madance, "--set", "motion.static_below=0.35")
    assert sorted(comparable(merged), key=str) == sorted(comparable(out), key=str)
    other = madance("dataset", "decide", out, "--shard", "2/2", "--out", tmp_path / "1")
    assert other.returncode == 2 and "shard" in other.stderr
    whole = madance("dataset", "decide", out, "--shard", "1/2")
    assert whole.returncode == 2 and "--out" in whole.stderr


def test_a_removed_source_stays_away_from_whatever_is_decided_or_curated_again(
    curated, two_sources, tmp_path
):
    out, _ = curated
    folder = tmp_path / "data"
    shutil.copytree(out, folder)
    source = next(row["source_id"] for row in iterate_rows(folder / "clips.parquet"))
    remove_sources(folder, [source], reason="takedown")
    decide_again(folder, tmp_path / "again", overrides=["motion.static_below=0.3"])
    curate([two_sources], folder, config=load_config(folder / "settings.toml"))
    for place in (folder, tmp_path / "again"):
        row = next(row for row in iterate_rows(place / "sources.parquet") if row["source_id"] == source)
        assert (row["status"], row["reason"], row["clips"], row["url"]) == ("removed", "takedown", 0, None)
        assert all(row["source_id"] != source for row in iterate_rows(place / "clips.parquet"))
        assert not list(place.glob(f"clips/{source}-*")) and not list(place.glob(f"keypoints/{source}-*"))
        assert list(read_removed(place)) == [source]


def test_what_says_how_to_measure_is_refused(curated, madance):
    out, _ = curated
    run = madance("dataset", "decide", out, "--set", "people.samples_per_s=3")
    assert run.returncode == 2
    assert "people.samples_per_s" in run.stderr
