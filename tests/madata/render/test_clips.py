from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from madata.commands.render import render
from madata.errors import ConfigError, MadanceError
from madata.files import read_toml
from madata.manifest import read_table
from madata.motion import write_motion
from madata.render.batch import render_motions
from madata.render.clips import render_source
from madata.render.settings import render_settings
from madata.render.sources import find_motions
from madata.synthetic.dance import make_dance
from madata.synthetic.music import make_music

av = pytest.importorskip("av")


def settings(**changes):
    flags = {"size": (64, 64), "fps": 5.0, **changes}
    windows = {name: flags.pop(name) for name in ("law", "mean_s", "overlap") if name in flags}
    return render_settings(flags={"whole": not windows, "windows": windows, **flags})


@pytest.fixture(scope="module")
def motions(tmp_path_factory):
    folder = tmp_path_factory.mktemp("motions")
    write_motion(folder / "gBR_sBM_cAll_d04_mBR0_ch01.npz", make_dance(2.0, fps=10, seed=1).motion)
    write_motion(folder / "second.npz", make_dance(1.0, fps=10, style="pop", seed=2).motion)
    (folder / "broken.pkl").write_bytes(b"garbage")
    return folder


def snapshot(folder: Path):
    return {
        path.relative_to(folder): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_command_renders_what_it_can_names_what_it_cannot_and_goes_on_where_it_stopped(motions, tmp_path):
    command = [
        str(motions),
        "--out",
        str(tmp_path),
        "--whole",
        "--size",
        "64",
        "--fps",
        "5",
        "--jobs",
        "1",
        "--json",
    ]
    planned = json.loads(CliRunner().invoke(render, [*command, "--dry-run"], catch_exceptions=False).stdout)
    assert [planned[key] for key in ("clips", "done", "seconds")] == [2, 0, 3.0] and not list(
        tmp_path.iterdir()
    )
    assert [one["file"] for one in planned["problems"]] == ["broken.pkl"] and len(planned["sources"]) == 3
    result = CliRunner().invoke(render, command, catch_exceptions=False)
    assert result.exit_code == 1
    summary = json.loads(result.stdout)
    assert (summary["sources"], summary["clips"], summary["failed"]) == (3, 2, 1)
    assert summary["problems"][0]["file"] == "broken.pkl"
    table = read_table(tmp_path / "clips.parquet")
    assert list(table["num_frames"]) == [10, 5]
    assert set(table["subset"]) == {"rendered"}
    for row in table.itertuples():
        with av.open(str(tmp_path / row.path)) as video:
            shown = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
        assert len(shown) == row.num_frames
        assert shown[0].shape == (64, 64, 3)
        with np.load(tmp_path / row.keypoints) as truth:
            assert truth["xy"].shape == (row.num_frames, 24, 2)
            assert str(truth["skeleton"]) == "smpl-24"
    before = snapshot(tmp_path / "clips")
    said = CliRunner().invoke(render, [*command[:-1], "--dry-run"], catch_exceptions=False).stdout
    assert (
        "2 motions, 2 of them done already; 0.0 min to render, in at most 0 clips; 1 files cannot be used"
        in said
    )
    assert CliRunner().invoke(render, command).exit_code == 1
    assert snapshot(tmp_path / "clips") == before


def test_a_clip_that_is_missing_is_made_again_with_the_same_bytes(motions, tmp_path):
    first = render_motions([motions / "second.npz"], tmp_path, settings=settings())
    files = snapshot(tmp_path)
    for path in [*(tmp_path / "clips").iterdir(), *(tmp_path / "journal").rglob("*.json")]:
        path.unlink()
    torn = tmp_path / "clips" / ".tmp-killed.mp4"
    torn.write_bytes(b"half")
    assert render_motions([motions / "second.npz"], tmp_path, settings=settings()) == first
    assert not torn.exists()
    after = snapshot(tmp_path)
    assert after.keys() == files.keys()
    assert all(after[name][1] == files[name][1] for name in files)


def test_other_settings_do_not_mix_in_one_folder(motions, tmp_path):
    render_motions([motions / "second.npz"], tmp_path, settings=settings())
    with pytest.raises(MadanceError, match="seed was 0, is 1"):
        render_motions([motions / "second.npz"], tmp_path, settings=settings(seed=1))


def test_keypoints_are_the_projection_of_the_joints_by_the_stored_camera(motions, tmp_path):
    (source,) = find_motions([motions / "second.npz"], out=tmp_path)
    (row,) = render_source(source, lambda amount: None, out=tmp_path, settings=settings()).clips
    with np.load(tmp_path / row["keypoints"]) as truth:
        seen = (truth["joints3d"] - truth["camera_position"]) @ truth["camera_rotation"].T
        focal, (width, height) = float(truth["camera_focal_px"]), truth["size"]
        u = width / 2 + focal * seen[..., 0] / -seen[..., 2]
        v = height / 2 + focal * seen[..., 1] / seen[..., 2]
        assert np.abs(truth["xy"] - np.stack([u, v], -1)).max() < 1e-2
        assert truth["score"].all()


def test_windows_are_5_to_10_seconds_and_depend_on_seed_and_motion_alone(tmp_path):
    write_motion(tmp_path / "long.npz", make_dance(26.0, fps=5, seed=3).motion)
    (source,) = find_motions([tmp_path / "long.npz"], out=tmp_path / "out")
    tables = {}
    for name, changes in {
        "one": {"law": "mean"}, "again": {"law": "mean"}, "seed": {"law": "mean", "seed": 1},
        "uniform": {"law": "uniform"}, "overlap": {"law": "mean", "overlap": 0.5},
    }.items():  # fmt: skip
        entry = render_source(source, lambda amount: None, out=tmp_path / name, settings=settings(**changes))
        tables[name] = [(row["start_frame"], row["end_frame"]) for row in entry.clips]
        lengths = [row["duration_s"] for row in entry.clips]
        assert all(5 <= length <= 10 for length in lengths)
        assert entry.source["clips_s"] == pytest.approx(sum(lengths))
    assert tables["one"] == tables["again"]
    assert tables["one"] != tables["seed"]
    assert all(end <= start for (_, end), (start, _) in zip(tables["one"], tables["one"][1:], strict=False))
    assert len(tables["overlap"]) > len(tables["one"]) >= len(tables["uniform"])
    assert np.mean([end - start for start, end in tables["one"]]) < np.mean(
        [end - start for start, end in tables["uniform"]]
    )


def test_a_motion_too_short_for_a_window_is_dropped_with_the_reason(motions, tmp_path):
    summary = render_motions([motions / "second.npz"], tmp_path, settings=settings(law="mean"))
    assert (summary.clips, summary.dropped, summary.failed) == (0, 1, 0)
    (row,) = read_table(tmp_path / "dropped.parquet").to_dict("records")
    assert (row["stage"], row["reason"], row["value"], row["threshold"]) == ("windows", "short", 1.0, 5.0)


def test_framing_each_clip_comes_closer(tmp_path):
    motion = make_dance(11.0, fps=5, seed=3).motion
    motion.translation[:, 0] += np.linspace(-3, 3, len(motion.translation), dtype=np.float32)
    write_motion(tmp_path / "far.npz", motion)
    (source,) = find_motions([tmp_path / "far.npz"], out=tmp_path / "out")
    heights = {}
    for framing in ("motion", "clip"):
        made = settings(law="mean", framing=framing, follow_below=0)
        row = render_source(source, lambda amount: None, out=tmp_path / framing, settings=made).clips[0]
        with np.load(tmp_path / framing / row["keypoints"]) as truth:
            heights[framing] = np.ptp(truth["xy"][0, :, 1])
            assert truth["score"].all()
    assert heights["clip"] > 1.2 * heights["motion"]


def test_music_is_cut_with_the_clip(motions, tmp_path):
    import wave

    track = make_music(2.0, tempo_bpm=120, rate_hz=8000, seed=1)
    folder = tmp_path / "music"
    folder.mkdir()
    with wave.open(str(folder / "mBR0.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes((track.music.waveform * 32767).astype("<i2").tobytes())
    summary = render_motions([motions], tmp_path / "out", settings=settings(music=folder))
    assert summary.without_music == 2
    table = read_table(tmp_path / "out" / "clips.parquet")
    assert list(table["has_audio"]) == [True, False]
    with av.open(str(tmp_path / "out" / table["path"][0])) as video:
        seconds = sum(frame.samples / frame.sample_rate for frame in video.decode(audio=0))
    assert seconds == pytest.approx(2.0, abs=0.15)
    for path in (tmp_path / "out").rglob("*"):  # what is given away says nothing of the machine
        assert path.is_dir() or str(tmp_path).encode() not in path.read_bytes(), path
    assert read_toml(tmp_path / "out" / "settings.toml")["music"] == "music"


def test_wrong_settings_are_named_before_any_work(tmp_path):
    with pytest.raises(ConfigError, match="did you mean 'room'"):
        render_settings(flags={"backdrop": "romm"})
    with pytest.raises(ConfigError, match="mean_s"):
        render_settings(flags={"windows": {"mean_s": 20.0}})
    with pytest.raises(MadanceError, match=r"\.bvh"):
        find_motions([tmp_path], out=tmp_path / "out")
    for size in ((62, 64), (64, 65)):
        with pytest.raises(ConfigError, match="even sides of at least 64 px"):
            render_settings(flags={"size": size})
    for size in ("64x", "64x64x64", "abc"):
        result = CliRunner().invoke(render, [str(tmp_path), "--out", str(tmp_path / "o"), "--size", size])
        assert result.exit_code == 2
        assert "expected WIDTHxHEIGHT" in result.output


def test_help_loads_nothing_heavy():
    program = (
        "import sys; from madata.commands.render import render\n"
        "try: render(['--help'])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('av', 'cv2', 'torch', 'pandas', 'scipy', 'numpy', 'moderngl') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("[]")


def heights(folder):
    """Median height of the dancer in each clip, as a share of the picture's, and whether all of him is seen."""
    for row in read_table(folder / "clips.parquet").itertuples():
        with np.load(folder / row.keypoints) as truth:
            tall = np.ptp(truth["xy"][..., 1], axis=1) / truth["size"][1]
            yield float(np.median(tall)), bool((truth["score"] == 1).all())


def test_one_wild_position_is_put_back_and_costs_no_size(tmp_path):
    motion = make_dance(4.0, fps=10, seed=1).motion
    write_motion(tmp_path / "in" / "sound.npz", motion)
    motion.translation[17] += (300, 40, -80)
    write_motion(tmp_path / "in" / "wild.npz", motion)
    summary = render_motions([tmp_path / "in"], tmp_path / "out", settings=settings())
    (sound, _), (wild, whole) = heights(tmp_path / "out")
    assert whole and wild == pytest.approx(sound, rel=0.02) and wild > 0.4
    said = read_table(tmp_path / "out" / "sources.parquet").set_index("file")["message"]
    assert "1 wild position" in said["wild.npz"]
    assert not isinstance(said["sound.npz"], str) and summary.failed == 0


@pytest.mark.parametrize("framing", ["motion", "clip"])
def test_a_run_of_500_m_is_followed(tmp_path, framing):
    motion = make_dance(22.0, fps=5, seed=1).motion
    motion.translation[:, 0] += np.linspace(0, 500, len(motion.translation), dtype=np.float32)
    write_motion(tmp_path / "run.npz", motion)
    render_motions([tmp_path / "run.npz"], tmp_path / "out", settings=settings(law="fixed", framing=framing))
    found = list(heights(tmp_path / "out"))
    assert len(found) >= 3
    assert all(tall > 0.35 and whole for tall, whole in found)
    row = read_table(tmp_path / "out" / "clips.parquet").iloc[-1]
    with np.load(tmp_path / "out" / row.keypoints) as truth:
        way = truth["joints3d"][:, 0] + truth["travel"]
        assert np.ptp(truth["joints3d"][:, 0], axis=0).max() < 3
    start, end = row.start_frame, row.end_frame
    assert way[-1, 0] - way[0, 0] == pytest.approx((end - 1 - start) / 109 * 500, abs=2)


def test_a_motion_that_never_moves_is_static(tmp_path):
    motion = make_dance(6.0, fps=5, seed=1).motion
    motion.rotation[:] = motion.rotation[:1]
    motion.translation[:] = motion.translation[:1]
    write_motion(tmp_path / "still.npz", motion)
    summary = render_motions([tmp_path / "still.npz"], tmp_path / "out", settings=settings())
    assert (summary.clips, summary.dropped, summary.failed) == (0, 1, 0)
    (row,) = read_table(tmp_path / "out" / "dropped.parquet").to_dict("records")
    assert (row["stage"], row["reason"]) == ("motion", "static") and row["value"] < row["threshold"]


def test_a_run_has_a_report_settings_that_can_be_used_again_and_parts(motions, tmp_path):
    command = [str(motions), "--whole", "--size", "64", "--fps", "5", "--jobs", "1"]
    CliRunner().invoke(render, [*command, "--out", str(tmp_path / "all")], catch_exceptions=False)
    page = (tmp_path / "all" / "report.html").read_text()
    assert all(name in page for name in ("second-", "broken.pkl", "pose_below"))
    for row in read_table(tmp_path / "all" / "clips.parquet").itertuples():
        assert (tmp_path / "all" / row.thumbnail).exists() and row.pose_change > 0.045
    files = []
    for part in ("1/2", "2/2"):
        out = tmp_path / part[0]
        again = [
            str(motions),
            "--config",
            str(tmp_path / "all" / "settings.toml"),
            "--shard",
            part,
            "--jobs",
            "1",
        ]
        result = CliRunner().invoke(render, [*again, "--out", str(out)])
        assert result.exit_code in (0, 1, 2), result.output
        files += sorted(path.read_bytes() for path in out.glob("clips/*.mp4"))
    assert sorted(files) == sorted(path.read_bytes() for path in (tmp_path / "all").glob("clips/*.mp4"))
    wrong = CliRunner().invoke(render, [*command, "--out", str(tmp_path / "no"), "--set", "folow_below=0"])
    assert wrong.exit_code != 0 and "follow_below" in str(wrong.exception or wrong.output)
