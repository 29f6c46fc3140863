"""Results of pictures are believed for what their features show, like those of motion."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from evaluation.comparison import compare, load_run
from evaluation.options import Options
from evaluation.protocol import load_protocol
from evaluation.result import Network, read_result
from evaluation.scoring import rescore, score, write_scored
from leaderboard.board import build_board
from leaderboard.commands.submission import submission
from leaderboard.entries import read_entries
from leaderboard.layout import columns_of, extra_column, in_shown_unit
from leaderboard.recheck import check_features, check_numbers, checked_level
from leaderboard.submission import Expected, pack, verify
from leaderboard.ties import TieJudge
from madata.files import read_npz, sha256_file, write_npz
from tests.evaluation.scoring.filmed import film_dancers
from tests.evaluation.scoring.makers import blur, frames, write, write_folder
from tests.leaderboard.runs import change, change_metric

PROTOCOLS = ("vbench", "ma-data-animation", "ma-data-animation-disco")
CLIPS = range(6)


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """Runs of a blurred and of a shifted system, by protocol: ``scored / protocol / system``."""
    root = tmp_path_factory.mktemp("pictures")
    patch = pytest.MonkeyPatch()
    for name in ("MADANCE_CACHE", "MADANCE_WEIGHTS", "XDG_CACHE_HOME", "HF_HUB_CACHE", "TORCH_HOME"):
        patch.setenv(name, str(root / name))
    real = write_folder(root / "real", CLIPS, count=6)
    for seed in CLIPS:
        clip = frames(seed, count=6)
        write(root / "blurred" / f"v{seed}.mp4", blur(clip))
        write(root / "shifted" / f"v{seed}.mp4", np.roll(clip, 5 + seed, axis=2))
    for name in PROTOCOLS:
        for system in ("blurred", "shifted"):
            reference = None if name == "vbench" else real
            write_scored(score(root / system, reference, load_protocol(name)), root / name / system)
    patch.undo()
    return root


@pytest.fixture
def runs(scored, tmp_path, monkeypatch):
    for name in ("MADANCE_CACHE", "MADANCE_WEIGHTS", "XDG_CACHE_HOME", "HF_HUB_CACHE", "TORCH_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    shutil.copytree(scored, tmp_path, dirs_exist_ok=True)
    return tmp_path


def codes(faults):
    return {fault.code for fault in faults}


def forge(run, edit):
    """Change arrays of the features and make the hash right again."""
    path = run / "features.npz"
    arrays = read_npz(path)
    edit(arrays)
    write_npz(path, **arrays)
    artefacts = read_result(run / "result.json").artefacts
    features = artefacts["features"].model_copy(update={"sha256": sha256_file(path)})
    change(run, artefacts={**artefacts, "features": features})
    return read_entries([run])[0]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_number_comes_out_of_the_features_to_the_last_bit(runs, protocol):
    entry = read_entries([runs / protocol / "blurred"])[0]
    assert checked_level(entry) == (1, [])
    assert rescore(entry.features)[0].metrics == entry.result.metrics


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_submission_reaches_level_1_and_with_its_videos_level_2(runs, protocol):
    archive = pack(runs / protocol / "blurred", runs / "x.zip", predictions=runs / "blurred")
    trusted = read_entries([runs / protocol / "shifted"])[0]
    assert verify(archive, Expected(against=(trusted,))).level == 1

    def again(predictions, stated):
        options = Options(system=stated.system.name)
        return score(predictions, runs / "real", load_protocol(protocol), options=options).result

    verdict = verify(archive, remeasure=again)
    assert (verdict.level, verdict.faults) == (2, ())


def test_what_the_verifier_has_no_weights_for_bars_a_level_and_accuses_nobody(runs):
    run = runs / "vbench" / "blurred"
    archive = pack(run, runs / "x.zip", predictions=runs / "blurred")
    stated = read_result(run / "result.json")
    network = Network(name="musiq", sha256="0" * 64, licence="NTU S-Lab", noncommercial=True)

    def elsewhere(predictions, result):
        lost = stated.metric("temporal_flickering")
        absent = lost.model_copy(
            update={"value": None, "ci95": None, "ci_method": None, "reason": "no weights", "n": 0}
        )
        return result.model_copy(
            update={"metrics": [absent if metric == lost else metric for metric in result.metrics]}
        )

    assert codes(verify(archive, remeasure=elsewhere).faults) == {"changed_features"}
    change(run, viewing=stated.viewing.model_copy(update={"networks": [network]}))
    archive = pack(run, runs / "y.zip", predictions=runs / "blurred")

    def without(predictions, result):
        bare = result.model_copy(update={"viewing": result.viewing.model_copy(update={"networks": []})})
        return elsewhere(predictions, bare)

    verdict = verify(archive, remeasure=without)
    assert verdict.level == 1 and "temporal_flickering cannot be measured here" in " ".join(verdict.open)


@pytest.mark.parametrize(
    ("protocol", "metric"), [("vbench", "motion_magnitude"), ("ma-data-animation", "psnr")]
)
def test_a_changed_number_is_named(runs, protocol, metric):
    run = runs / protocol / "blurred"
    change_metric(run, metric, value=41.0)
    level, faults = checked_level(read_entries([run])[0])
    assert (level, codes(faults)) == (0, {"changed_number"}) and metric in faults[0].message


def test_a_changed_sample_is_named(runs):
    run = runs / "vbench" / "blurred"
    table = pd.read_parquet(run / "samples.parquet")
    table.loc[table["metric"] == "motion_magnitude", "value"] = 1.0
    table.to_parquet(run / "samples.parquet")
    artefacts = read_result(run / "result.json").artefacts
    samples = artefacts["samples"].model_copy(update={"sha256": sha256_file(run / "samples.parquet")})
    change(run, artefacts={**artefacts, "samples": samples})
    faults = verify(pack(run, runs / "x.zip")).faults
    assert codes(faults) == {"changed_sample"} and "motion_magnitude of v0" in faults[0].message


def lengthen(arrays):
    for key in [key for key in arrays if key.startswith("video/prediction/")]:
        arrays[key] = np.concatenate([arrays[key], arrays[key][:1]])


def shorten(arrays):
    for key in [key for key in arrays if key.startswith("video/")]:
        arrays[key] = arrays[key][:-1]


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        (lambda arrays: arrays["video/prediction/value/psnr"].__imul__(1.1), "changed_number"),
        (lambda arrays: arrays["video/prediction/sha256"].put(0, "0" * 64), "other_clips"),
        (lambda arrays: arrays["video/reference/sha256"].put(0, "0" * 64), "other_clips"),
        (lambda arrays: arrays["video/prediction/clip_ids"].put(0, "w9"), "other_clips"),
        (lambda arrays: arrays["video/prediction/fault"].put(0, ""), None),
        (lengthen, "duplicate"),
        (shorten, "missing_clip"),
        (lambda arrays: arrays.pop("video/prediction/frames"), "bad_features"),
        (lambda arrays: arrays.update({"video/prediction/frames": np.full(4, np.inf)}), "bad_features"),
        (lambda arrays: arrays.update({"video/prediction/frames": np.zeros(9)}), "bad_features"),
        (lambda arrays: arrays.update({"video/prediction/logits": np.zeros(4)}), "bad_features"),
        (lambda arrays: arrays.update({"video/prediction/value/psnr": np.array(["a"] * 4)}), "bad_features"),
        (lambda arrays: arrays.update({"fact/missing": np.array("[[], null]")}), "bad_features"),
        (lambda arrays: arrays.update({"fact/missing": np.array("3")}), "bad_features"),
        (lambda arrays: arrays.pop("fact/missing"), "bad_features"),
        (lambda arrays: arrays.update({"fact/protocol": np.array("{}")}), "bad_features"),
    ],
)
def test_forged_features_are_refused_with_their_reason(runs, edit, code):
    entry = forge(runs / "ma-data-animation" / "blurred", edit)
    level, faults = checked_level(entry)
    assert level == (1 if code is None else 0)
    assert code in (codes(faults) or {None})


def test_hiding_a_metric_as_missing_is_found(runs):
    def hide(arrays):
        missing, motion = json.loads(str(arrays["fact/missing"]))
        arrays["fact/missing"] = np.array(json.dumps([{**missing, "ssim": "no weights"}, motion]))

    faults = checked_level(forge(runs / "ma-data-animation" / "blurred", hide))[1]
    assert codes(faults) == {"changed_number"} and "ssim" in faults[0].message


def test_pictures_and_motion_together(tmp_path, monkeypatch):
    monkeypatch.setenv("MADANCE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MADANCE_WEIGHTS", str(tmp_path / "weights"))
    made, real, songs = film_dancers(tmp_path, monkeypatch)
    whole = write_scored(score(made, real, load_protocol("ma-data-video"), music=songs), tmp_path / "whole")
    entry = read_entries([tmp_path / "whole"])[0]
    assert checked_level(entry) == (1, [])
    assert rescore(entry.features)[0].metrics == whole.metrics
    assert verify(pack(tmp_path / "whole", tmp_path / "x.zip", predictions=made)).level == 1
    pictures = tmp_path / "pictures"
    write_scored(score(made, None, load_protocol("ma-data-video").only(["temporal_flickering"])), pictures)
    assert checked_level(read_entries([pictures])[0]) == (1, [])
    (made / "c1.mp4").write_text("no video")
    write_scored(score(made, real, load_protocol("ma-data-video"), music=songs), tmp_path / "part")
    part = read_entries([tmp_path / "part"])[0]
    assert check_features(part.result, part.features) == check_numbers(part.result, part.features) == []


def test_plain_means_are_shown_like_the_weighted_ones(runs):
    metric = read_result(runs / "vbench" / "blurred" / "result.json").metric("subject_consistency_video_mean")
    column = extra_column(metric)
    usual = next(column for column in columns_of("video") if column.metric == "subject_consistency")
    assert (column.scale, column.digits, column.extra) == (usual.scale, usual.digits, True)
    assert in_shown_unit(0.9397, column, metric.unit) == pytest.approx(93.97)
    for name in ("background_consistency_video_mean", "imaging_quality"):
        assert extra_column(metric.model_copy(update={"name": name})).scale == 100.0
    run = runs / "vbench" / "blurred"
    change_metric(run, "background_consistency_video_mean", value=0.95, n=4, reason=None)
    board = build_board("video", read_entries([run]), reported=False, extra=True)
    shown = next(
        column for column in board.table.columns if column.metric.startswith("background_consistency_v")
    )
    assert board.table.sections[0].rows[0].cells[shown.metric].text(shown) == "95.00"


def test_ties_are_judged_on_the_same_videos(runs):
    first, second = read_entries([runs / "ma-data-animation" / name for name in ("blurred", "shifted")])
    assert not TieJudge().tied(first, second, "psnr")
    found = {one.metric: one for one in compare(load_run(first.file), load_run(second.file))}
    assert found["psnr"].n == len(CLIPS)


def test_a_score_of_pictures_alone_is_measured_again_without_a_reference(runs):
    archive = pack(runs / "vbench" / "blurred", runs / "z.zip", predictions=runs / "blurred")
    options = ["--remeasure", "--device", "cpu", "--weights", str(runs / "nowhere"), "--json"]
    done = CliRunner().invoke(submission, ["verify", str(archive), *options])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)[0]["level"] == 2
