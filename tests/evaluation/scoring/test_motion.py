"""Scoring: every problem is named, nothing is silently printed, the numbers come back from the features."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from evaluation.commands.score import score as command
from evaluation.features import music as beat_finder
from evaluation.features.saved_reference import save_reference
from evaluation.metrics.estimate import ClipSources, Estimate
from evaluation.metrics.registry import wanted_by
from evaluation.metrics.tables import RowValues
from evaluation.options import Options
from evaluation.problems import Refused
from evaluation.protocol import load_protocol
from evaluation.result import Generation, SystemRecord, read_result
from evaluation.scoring import FEATURES_FILE, rescore, score, write_scored
from madata import cache as file_cache
from madata.errors import MadanceError
from madata.files import read_npz, sha256_file, write_npz
from madata.manifest import read_table
from madata.skeletons import skeleton
from tests.evaluation.dancers import NAMES, dance, write_json, write_motion_set, write_set

CORRECTED, OFFICIAL = load_protocol("ma-data-motion2d"), load_protocol("mace2d-official")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MADANCE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folders(tmp_path):
    return write_set(tmp_path / "pred", range(100, 116)), write_set(tmp_path / "real", range(16))


@pytest.fixture
def heard(monkeypatch):
    """Beats come from the bytes of the file, and every file that is listened to is counted."""
    files = []

    def beats(path, method):
        files.append(path.stem)
        step = 0.4 + path.read_bytes()[0] / 2000
        return np.arange(0.1, 6.0, step), 1.0

    monkeypatch.setattr(beat_finder, "beats_of_file", beats)
    return files


def music(tmp_path, count=16):
    folder = tmp_path / "music"
    folder.mkdir()
    for number in range(count):
        (folder / f"c{number:03d}.wav").write_bytes(bytes([97 + number]))
    return folder


def run(*arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)


def test_a_whole_folder_is_scored_with_its_uncertainty(folders, tmp_path, heard):
    scored = score(*folders, CORRECTED, music=music(tmp_path))
    result = scored.result
    assert (result.status, result.dataset.n_scored, result.errors) == ("complete", 16, [])
    assert [metric.name for metric in result.metrics] == list(CORRECTED.metrics)
    for metric in result.metrics:
        if metric.name.endswith("infinity"):
            assert "4 x" in metric.reason
            continue
        assert metric.value is not None, metric
        assert metric.n == 16
        assert metric.ci95 is not None, metric
        assert metric.ci_method
    assert result.metric("fid_k").noise_floor > 0
    assert "singular" in result.metric("fid_k").caution
    assert result.metric("div_k").reference > 0
    assert len(heard) == 16


def test_the_features_alone_give_the_same_numbers_to_the_last_bit(folders, tmp_path, heard):
    for protocol in (CORRECTED, OFFICIAL):
        out = tmp_path / protocol.name
        scored = score(
            *folders, protocol, music=tmp_path / "music" if protocol is OFFICIAL else music(tmp_path)
        )
        write_scored(scored, out)
        measurement, again = rescore(out / FEATURES_FILE)
        assert again == protocol
        assert measurement.metrics == scored.measurement.metrics == read_result(out / "result.json").metrics


def test_scoring_twice_gives_the_same_id_and_hears_the_music_once(folders, tmp_path, heard):
    sounds = music(tmp_path)
    first, second = (write_scored(score(*folders, CORRECTED, music=sounds), tmp_path / name) for name in "ab")
    assert first.id == second.id
    assert len(heard) == 16
    same = write_scored(
        score(*folders, CORRECTED, music=sounds, options=Options(system="other")), tmp_path / "c"
    )
    assert same.id != first.id


def test_a_file_is_hashed_once_and_by_a_later_run_not_at_all(folders, tmp_path, heard, monkeypatch):
    sounds = music(tmp_path)
    given = [path for folder in (*folders, sounds) for path in folder.iterdir()]
    for path in given:
        os.utime(path, (1e9, 1e9))
    hashed = []
    monkeypatch.setattr(file_cache, "sha256_file", lambda path: (hashed.append(path), sha256_file(path))[1])
    first = score(*folders, CORRECTED, music=sounds).result
    assert sorted(hashed) == sorted(given)
    hashed.clear()
    assert score(*folders, CORRECTED, music=sounds).result.id == first.id
    assert not hashed


def test_a_result_names_no_path(folders, tmp_path, heard):
    (folders[0] / "c001.json").write_text("{")
    scored = score(*folders, OFFICIAL, music=music(tmp_path))
    write_scored(scored, tmp_path / "out")
    assert str(tmp_path) not in (tmp_path / "out" / "result.json").read_text()


def test_samples_hold_every_score_of_every_clip(folders, tmp_path, heard):
    write_scored(score(*folders, CORRECTED, music=music(tmp_path)), tmp_path / "out")
    table = read_table(tmp_path / "out" / "samples.parquet")
    assert set(table["metric"]) == {"bas", "missing_rate", "nearest_real"}
    assert len(table) == 16 * 3
    assert table["sha256"].str.len().eq(64).all()
    mean = table[table["metric"] == "bas"]["value"].mean()
    assert mean == pytest.approx(read_result(tmp_path / "out" / "result.json").metric("bas").value, abs=1e-12)


def break_things(folder):
    """One file of every kind of trouble; what each must be called."""
    clip = dance(0)
    (folder / "c000.json").unlink()
    (folder / "c001.json").write_text((folder / "c001.json").read_text()[:4000])
    write_json(
        folder / "c002.json", clip, fps=30.0
    )  # brought to the rate of its reference, it lasts half as long
    write_json(folder / "c003.json", clip, skeleton=NAMES | {"5": "left_shoulder"})
    broken = clip.copy()
    broken[7, 3] = np.nan
    write_json(folder / "c004.json", broken)
    write_json(folder / "c005.json", clip[:40])
    write_json(folder / "c006.json", clip, total_frames=90)
    write_json(folder / "c007.json", clip * [1, 1, 0])
    (folder / "c008.json").write_text('{"kps": []}')
    write_json(folder / "extra.json", clip)
    return {
        "c000": "missing",
        "c001": "not_json",
        "c002": "too_short",
        "c003": "wrong_skeleton",
        "c004": "not_finite",
        "c005": "too_short",
        "c006": "truncated",
        "c007": "no_person",
        "c008": "no_keypoints",
        "extra": "extra",
    }


def test_every_problem_of_a_folder_is_named_at_once(folders):
    expected = break_things(folders[0])
    with pytest.raises(Refused) as refused:
        score(*folders, CORRECTED)
    found = {(problem.clip_id, problem.reason) for problem in refused.value.problems}
    assert set(expected.items()) <= found
    assert found == set(expected.items())
    for clip, reason in expected.items():
        assert clip in str(refused.value)
        assert reason in str(refused.value)


def test_what_is_there_can_be_scored_and_is_called_partial(folders):
    expected = break_things(folders[0])
    result = score(*folders, CORRECTED, options=Options(allow_missing=True)).result
    assert result.status == "partial"
    assert result.dataset.missing == [clip for clip in sorted(expected) if clip != "extra"]
    assert result.dataset.ignored == ["extra"]
    assert (result.dataset.n_scored, result.dataset.n_reference) == (7, 16)


def test_the_official_script_skips_in_silence_and_we_list_it(folders):
    break_things(folders[0])
    result = score(*folders, OFFICIAL).result
    dropped = {problem.clip_id: problem.reason for problem in result.errors if problem.dropped}
    assert dropped == {
        "c000": "missing",
        "c001": "not_json",
        "c004": "not_finite",
        "c005": "too_short",
        "c008": "no_keypoints",
        "extra": "extra",
    }
    assert result.dataset.n_scored == 11
    assert any("wrong_skeleton" in warning for warning in result.warnings)
    assert any("wrong_fps" in warning for warning in result.warnings)


@pytest.mark.parametrize("count", [1, 2])
def test_very_few_clips_give_no_number_or_a_stamp(tmp_path, count):
    pred, real = (
        write_set(tmp_path / "pred", range(50, 50 + count)),
        write_set(tmp_path / "real", range(count)),
    )
    for metric in score(pred, real, CORRECTED).result.metrics:
        assert metric.value is None or metric.name == "missing_rate"
    for metric in score(pred, real, OFFICIAL).result.metrics:
        assert metric.value is None or metric.caution or metric.ci95


def test_a_clip_without_music_loses_its_beats_only(folders, tmp_path, heard):
    sounds = music(tmp_path)
    (sounds / "c003.wav").unlink()
    with pytest.raises(Refused, match=r"music c003: no music for c003\.json"):
        score(*folders, CORRECTED, music=sounds)
    result = score(*folders, CORRECTED, music=sounds, options=Options(allow_missing=True)).result
    assert (result.status, result.dataset.n_scored) == ("partial", 16)
    assert (result.metric("fid_k").n, result.metric("bas").n) == (16, 15)
    assert score(*folders, OFFICIAL, music=sounds).result.dataset.missing == ["c003"]


def test_a_run_says_what_made_its_clips(tmp_path, monkeypatch):
    generate = pytest.importorskip("evaluation.generate")
    system = SystemRecord(name="edge", version="1.2", task="motion", config={"steps": 50})
    how = Generation(run_seed=3, device="cpu", dtype="float32", wall_s=2.0, frames_per_s=100.0)
    monkeypatch.setattr(generate, "describe_run", lambda run, name: (system, how))
    real = write_motion_set(tmp_path / "real", range(6), frames=160)
    write_motion_set(tmp_path / "run" / "clips", range(20, 26), frames=160)
    (tmp_path / "run" / "run.json").write_text("{}")
    for folder in (tmp_path / "run", tmp_path / "run" / "clips"):
        result = score(folder, real, load_protocol("finedance-motion3d")).result
        assert (result.system, result.generation, result.status) == (system, how, "complete")


def test_a_limit_makes_a_result_partial(folders):
    result = score(*folders, CORRECTED, options=Options(limit=8)).result
    assert (result.status, result.dataset.n_scored, result.dataset.limit) == ("partial", 8, 8)


def test_a_saved_reference_gives_the_same_numbers(folders, tmp_path, heard):
    pred, real = folders
    sounds, file = music(tmp_path), tmp_path / "reference.npz"
    assert save_reference(real, CORRECTED, file, wanted=wanted_by(CORRECTED), music=sounds) == []
    direct, reused = score(pred, real, CORRECTED, music=sounds).result, score(pred, file, CORRECTED).result
    assert reused.metrics == direct.metrics
    assert reused.dataset.reference_sha256 == direct.dataset.reference_sha256
    with pytest.raises(MadanceError, match="another protocol"):
        score(pred, file, OFFICIAL)


def test_two_pose_backends_never_meet_unasked(folders, tmp_path):
    _, real = folders
    pred = tmp_path / "npz"
    pred.mkdir()
    joints = skeleton("coco-25").num_joints
    for number in range(16):
        clip = dance(number)
        arrays = {
            "xy": clip[..., :2],
            "score": clip[..., 2],
            "skeleton": "coco-25",
            "fps": 16.0,
            "backend": "vitpose",
        }
        assert clip.shape[1] == joints
        write_npz(pred / f"c{number:03d}.npz", **arrays)
    with pytest.raises(MadanceError, match=r"vitpose.*official-extractor"):
        score(pred, real, CORRECTED)
    mixed = score(pred, real, CORRECTED, options=Options(mix_backends=True)).result
    assert mixed.pose.mixed
    assert mixed.metric("fid_k").value == pytest.approx(0, abs=1e-6)


def test_long_dances_are_cut_into_windows_that_are_resampled_by_dance(tmp_path):
    pred, real = (
        write_motion_set(tmp_path / "pred", range(20, 26)),
        write_motion_set(tmp_path / "real", range(6)),
    )
    scored = score(pred, real, load_protocol("finedance-motion3d"))
    assert len(scored.features.prediction) == 6 * 2
    assert scored.features.prediction.starts_s[:2].tolist() == [0.0, 5.0]
    fsr = scored.result.metric("fsr")
    assert fsr.n == 12
    assert fsr.ci95[0] <= fsr.value <= fsr.ci95[1]
    lodge = score(pred, real, load_protocol("lodge")).result
    assert lodge.metric("fid_k").n == 6


def test_copies_of_a_clip_do_not_make_a_mean_surer(folders):
    values = np.random.default_rng(0).normal(0.5, 0.1, 30)
    names = [f"v{row}" for row in range(30)]
    single, copied = (ClipSources.of(ids, ids, CORRECTED) for ids in (names, np.repeat(names, 3).tolist()))
    drafts = Estimate(), Estimate()
    single.mean(drafts[0], RowValues(values), (0.0, 1.0))
    copied.mean(drafts[1], RowValues(np.repeat(values, 3)), (0.0, 1.0))
    assert drafts[1].value == pytest.approx(drafts[0].value)
    assert drafts[1].ci95 == pytest.approx(drafts[0].ci95)


def test_the_command_prints_json_and_exit_codes(folders, tmp_path):
    pred, real = folders
    whole = run(pred, "--reference", real, "--json", "--out", tmp_path / "out")
    assert whole.exit_code == 0
    assert json.loads(whole.stdout)["protocol"]["name"] == "ma-data-motion2d"
    assert read_result(tmp_path / "out" / "result.json").id == json.loads(whole.stdout)["id"]
    (pred / "c003.json").unlink()
    with pytest.raises(Refused):
        run(pred, "--reference", real)
    assert run(pred, "--reference", real, "--allow-missing").exit_code == 1
    assert run(pred, "--reference", real, "--protocol", "mace2d-official").exit_code == 1


def test_a_refusal_is_json_too(folders):
    break_things(folders[0])
    script = [
        sys.executable,
        "-m",
        "madata.cli",
        "score",
        str(folders[0]),
        "--reference",
        str(folders[1]),
        "--json",
    ]
    refused = subprocess.run(script, capture_output=True, text=True, timeout=600)
    assert refused.returncode == 2
    assert {problem["reason"] for problem in json.loads(refused.stdout)["errors"]} >= {
        "missing",
        "not_json",
        "extra",
    }
    assert "error: 10 problems" in refused.stderr


def test_two_files_of_one_stem_take_no_part(tmp_path):
    pred, real = (
        write_motion_set(tmp_path / "pred", range(20, 26)),
        write_motion_set(tmp_path / "real", range(6)),
    )
    (pred / "again").mkdir()
    (pred / "again" / "m000.npz").write_bytes((pred / "m001.npz").read_bytes())
    result = score(pred, real, load_protocol("lodge")).result
    assert [(problem.clip_id, problem.reason) for problem in result.errors] == [("m000", "ambiguous")]
    assert (result.dataset.n_scored, result.dataset.missing) == (5, ["m000"])


def test_motions_of_other_formats_meet(tmp_path):
    rng = np.random.default_rng(0)
    pred, real = tmp_path / "pred", write_motion_set(tmp_path / "real", range(6), frames=160)
    pred.mkdir()
    for number in range(6):
        poses = rng.normal(0, 0.1, (1, 72)) + 0.2 * np.sin(
            np.arange(160)[:, None] / 9 + rng.uniform(0, 6, 72)
        )
        motion = {"smpl_poses": poses, "smpl_trans": np.zeros((160, 3)), "full_pose": np.zeros((160, 24, 3))}
        (pred / f"m{number:03d}.pkl").write_bytes(pickle.dumps(motion))
    result = score(pred, real, load_protocol("finedance-motion3d")).result
    assert result.status == "complete"
    assert result.metric("fid_g").value > 0
    (pred / "m000.pkl").write_bytes(pickle.dumps({"smpl_poses": Path("x")}))
    with pytest.raises(Refused, match="unsafe_pickle"):
        score(pred, real, load_protocol("finedance-motion3d"))


def test_the_command_shows_protocols_side_by_side(folders, tmp_path):
    names = ("mace2d-official", "ma-data-motion2d")
    options = [part for name in names for part in ("--protocol", name)]
    shown = run(*folders[:1], "--reference", folders[1], *options, "--out", tmp_path / "out").stdout
    assert any(all(name in line for name in names) for line in shown.splitlines())
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(names)


def test_the_folder_of_another_run_is_left_alone(folders, tmp_path):
    out = tmp_path / "out"
    arguments = [folders[0], "--reference", folders[1], "--out", out]
    assert run(*arguments).exit_code == run(*arguments).exit_code == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    for other, told in (
        (["--system", "another"], "this of another"),
        (["--protocol", "mace2d-official"], "protocol ma-data-motion2d"),
        (["--metrics", "fid_k"], "protocol ma-data-motion2d"),
        (["--resample", "8"], "this with --resample 8"),
        (["--limit", "3"], "this 3"),
        (["--split", "aist++:crossmodal-test"], "this of aist"),
    ):
        with pytest.raises(MadanceError, match="holds another run") as error:
            run(*arguments, *other)
        assert told in str(error.value)
    with pytest.raises(MadanceError, match="16 of its 16 reference files are not among those given"):
        run(folders[0], "--reference", folders[0], "--out", out)
    again = run(out / FEATURES_FILE, "--metrics", "div_g, fid_k").stdout
    assert [line.split()[0] for line in again.splitlines()[2:4]] == ["fid_k", "div_g"] and "bit" in again
    (folders[0] / "c000.json").write_bytes((folders[1] / "c000.json").read_bytes())
    with pytest.raises(MadanceError, match="1 of its 16 prediction files"):
        run(*arguments)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_re_scoring_finds_a_changed_feature(folders, tmp_path):
    out = tmp_path / "out"
    run(folders[0], "--reference", folders[1], "--out", out)
    assert run(out / FEATURES_FILE).exit_code == 0
    arrays = read_npz(out / FEATURES_FILE)
    arrays["prediction/kinetic"][0, 0] += 1e-6
    write_npz(out / FEATURES_FILE, **arrays)
    changed = run(out / FEATURES_FILE)
    assert changed.exit_code == 3
    assert "fid_k" in changed.stdout


def test_schema_and_protocols_are_printed():
    assert json.loads(run("--schema").stdout)["$id"] == "madance.result/1"
    assert "mace2d-official (version 1, official" in run("--protocols").stdout
    assert run().exit_code == 2


def test_a_set_too_small_for_its_distances_is_no_complete_result(folders):
    for folder in folders:
        for path in sorted(folder.iterdir())[2:]:
            path.unlink()
    scored = score(*folders, CORRECTED)
    assert scored.result.status == "partial" and scored.result.metric("fid_k").value is None
    assert any("too few clips for fid_k" in warning for warning in scored.result.warnings)
