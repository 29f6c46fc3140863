"""One command scores a folder of videos: each decoded once, each on its own, nothing made up."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from evaluation.commands.score import score as command
from evaluation.features.video import passes
from evaluation.features.video.frames import FrameChunk
from evaluation.features.video.networks.amt import AmtSmall
from evaluation.features.video.scores import DIMENSIONS
from evaluation.features.video.temporal_flickering import TemporalFlickering
from evaluation.options import Options
from evaluation.problems import Refused
from evaluation.protocol import load_protocol
from evaluation.result import read_result
from evaluation.scoring import FEATURES_FILE, rescore, score, write_scored
from madata.manifest import read_table
from madata.video import Decoder
from tests.evaluation.scoring.makers import frames, write, write_folder
from tests.media_builder import Recipe, build

VBENCH = load_protocol("vbench")


def decoded(path):
    with Decoder(path) as decoder:
        return np.stack([frame.scaled(decoder.info.size) for frame in decoder])


def tf_of(path):
    measure = TemporalFlickering()
    measure.update(FrameChunk(decoded(path)))
    return measure.compute().value


def test_what_needs_no_weights_is_scored_and_the_rest_says_how_to_get_them(tmp_path):
    folder = write_folder(tmp_path / "system", range(6), count=35)
    result = score(folder, None, VBENCH).result
    assert (result.status, result.system.name, result.system.task) == ("complete", "system", "video")
    flickering = result.metric("temporal_flickering")
    expected = np.mean([tf_of(path) for path in sorted(folder.glob("*.mp4"))])
    assert flickering.value == pytest.approx(expected, abs=1e-12)
    assert flickering.n == 6 and flickering.ci95[0] <= expected <= flickering.ci95[1]
    assert "frozen" in flickering.caution
    assert result.metric("motion_magnitude").value == pytest.approx(255 * (1 - expected))
    for name in set(DIMENSIONS) - {"temporal_flickering"}:
        metric = result.metric(name)
        assert metric.value is None and metric.n == 0
        assert "run: madance weights fetch appearance" in metric.reason
    assert result.metric("subject_consistency_video_mean").value is None
    assert result.viewing.fps == (24.0, 24.0) and result.viewing.frames == (35, 35)
    assert (result.viewing.dtype, result.viewing.clip_dtype, result.viewing.sizes) == (
        "float32",
        "float32",
        ["64x48"],
    )
    assert str(tmp_path) not in result.model_dump_json()


def test_one_bad_file_costs_itself_alone(tmp_path, decodes):
    folder = write_folder(tmp_path / "system", range(3), count=20)
    whole = (folder / "v0.mp4").read_bytes()
    (folder / "cut.mp4").write_bytes(whole[: int(len(whole) * 0.7)])
    (folder / "text.mp4").write_text("not a video")
    write(folder / "one.mp4", frames(9, count=1))
    scored = score(folder, None, VBENCH)
    result = scored.result
    assert result.status == "partial"
    reasons = {problem.clip_id: problem.reason for problem in result.errors}
    assert reasons == {"cut": "truncated", "text": "not_media", "one": "no_value"}
    metric = result.metric("temporal_flickering")
    assert metric.n == 3 and "3 of 6 videos have no value" in metric.caution
    table = scored.features.videos["prediction"]
    reasons = dict(zip(table.clip_ids, table.reasons("temporal_flickering"), strict=True))
    assert reasons["one"] == "needs at least 2 frames"
    assert set(decodes.values()) == {1}


def test_networks_are_used_recorded_and_flagged(tmp_path):
    torch.manual_seed(0)
    weights = tmp_path / "mine"
    weights.mkdir()
    torch.save({"state_dict": AmtSmall().state_dict()}, weights / "amt-s.pth")
    folder = write_folder(tmp_path / "system", range(2), count=5, size=(128, 128))
    write(folder / "small.mp4", frames(4, count=5))
    result = score(folder, None, VBENCH, options=Options(weights=weights)).result
    metric = result.metric("motion_smoothness")
    assert 0 < metric.value < 1 and metric.n == 2
    (network,) = result.viewing.networks
    assert (network.name, network.licence, network.noncommercial) == ("amt-s", "CC-BY-NC-4.0", True)
    assert any("forbids commercial use" in note and "amt-s" in note for note in result.warnings)


def test_a_wrong_weights_file_is_a_reason_and_not_a_crash(tmp_path):
    weights = tmp_path / "mine"
    weights.mkdir()
    torch.save({"a": torch.zeros(1)}, weights / "amt-s.pth")
    result = score(
        write_folder(tmp_path / "system", range(2)), None, VBENCH, options=Options(weights=weights)
    ).result
    reason = result.metric("motion_smoothness").reason
    assert "not the weights of AmtSmall" in reason and str(tmp_path) not in reason


def test_the_numbers_come_back_from_the_features(tmp_path):
    folder = write_folder(tmp_path / "system", range(4))
    (folder / "text.mp4").write_text("not a video")
    scored = score(folder, None, VBENCH)
    result = write_scored(scored, tmp_path / "out")
    measurement, protocol = rescore(tmp_path / "out" / FEATURES_FILE)
    assert protocol == VBENCH
    assert measurement.metrics == result.metrics
    table = read_table(tmp_path / "out" / "samples.parquet")
    column = table[table.metric == "temporal_flickering"].set_index("clip_id").value
    assert column.isna().to_dict() == {"text": True, **{f"v{number}": False for number in range(4)}}
    assert column["v2"] == pytest.approx(tf_of(folder / "v2.mp4"), abs=1e-12)
    assert CliRunner().invoke(command, [str(tmp_path / "out" / FEATURES_FILE)]).exit_code == 0


def test_a_phone_video_is_scored_as_it_is_seen(tmp_path):
    folder = tmp_path / "system"
    folder.mkdir()
    build(folder / "up.mp4", Recipe(num_frames=8, rotation=90, sound=False))
    build(folder / "flat.mp4", Recipe(num_frames=8, sound=False))
    table = score(folder, None, VBENCH).features.videos["prediction"]
    assert table.clip_ids == ("flat", "up")
    assert table.columns["size"].tolist() == [[128, 96], [96, 128]]


def test_nothing_is_looked_at_twice(tmp_path, decodes):
    folder = write_folder(tmp_path / "system", range(3))
    first = score(folder, None, VBENCH).result
    decodes.clear()
    write(folder / "v9.mp4", frames(9))
    second = score(folder, None, VBENCH).result
    assert decodes == {"system/v9.mp4": 1}
    assert second.metric("temporal_flickering").n == first.metric("temporal_flickering").n + 1


KILLED = """
import os, signal, sys
from pathlib import Path
from evaluation.protocol import load_protocol
from evaluation.scoring import score
from evaluation.features import extract_video as module
seen, extract = [], module.extract_video
def dying(path, *rest):
    if len(seen) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    seen.append(path)
    return extract(path, *rest)
module.extract_video = dying
score(Path(sys.argv[1]), None, load_protocol("vbench"))
"""


def test_a_killed_run_goes_on_where_it_died(tmp_path, decodes):
    folder = write_folder(tmp_path / "system", range(4))
    killed = subprocess.run([sys.executable, "-c", KILLED, str(folder)], env=os.environ, check=False)
    assert killed.returncode == -signal.SIGKILL
    result = score(folder, None, VBENCH).result
    assert decodes == {"system/v2.mp4": 1, "system/v3.mp4": 1}
    assert result.metric("temporal_flickering").n == 4


def test_a_damaged_note_is_measured_again(tmp_path, decodes):
    folder = write_folder(tmp_path / "system", range(2))
    score(folder, None, VBENCH)
    kept = sorted((tmp_path / "cache" / "videos").rglob("*.npz"))
    kept[0].write_text("damaged")
    decodes.clear()
    score(folder, None, VBENCH)
    assert sum(decodes.values()) == 1


def test_the_reference_stands_beside_and_missing_clips_are_refused(tmp_path):
    protocol = VBENCH.model_copy(
        update={"clips": VBENCH.clips.model_copy(update={"pairing": "matched", "fps": "reference"})}
    )
    real = write_folder(tmp_path / "real", range(3))
    folder = write_folder(tmp_path / "system", range(2), step=0)
    with pytest.raises(Refused, match="no prediction for reference v2"):
        score(folder, real, protocol)
    result = score(folder, real, protocol, options=Options(allow_missing=True)).result
    metric = result.metric("temporal_flickering")
    assert metric.value > metric.reference and metric.n_reference == 3
    assert (result.status, result.dataset.missing) == ("partial", ["v2"])
    write(folder / "v2.mp4", frames(2), fps=12)
    slow = score(folder, real, protocol).result
    assert any("another frame rate" in note for note in slow.warnings)


def test_a_video_that_changes_its_size_is_not_scored(tmp_path, monkeypatch):
    folder = write_folder(tmp_path / "system", range(2))
    same = passes._same_size

    def changing(frame, first):
        return same(frame, (8, 8) if frame.index == 5 else first)

    monkeypatch.setattr(passes, "_same_size", changing)
    with pytest.raises(Refused, match="changes its size"):
        score(folder, None, VBENCH)


def test_the_command(tmp_path):
    folder = write_folder(tmp_path / "system", range(3))
    out = tmp_path / "out"
    run = CliRunner().invoke(command, [str(folder), "--protocol", "vbench", "--out", str(out), "--json"])
    assert run.exit_code == 0, run.output
    assert json.loads(run.stdout)["id"] == read_result(out / "result.json").id
    text = CliRunner().invoke(command, [str(folder), "--protocol", "vbench"]).stdout
    assert "madance weights fetch appearance" in text and "24 .. 24 frames/s" in text
    (folder / "text.mp4").write_text("not a video")
    assert CliRunner().invoke(command, [str(folder), "--protocol", "vbench"]).exit_code == 1
    refused = CliRunner().invoke(command, [str(folder), "--protocol", "ma-data-animation"])
    assert "give --reference" in str(refused.exception)
    no_gpu = CliRunner().invoke(command, [str(folder), "--protocol", "vbench", "--device", "nowhere"])
    assert "cannot be used here" in str(no_gpu.exception)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--protocol", "ma-data-motion2d"], "give --reference"),
        (["--protocol", "vbench", "--save-reference", "r.npz"], "give both"),
        (["--protocol", "vbench", "--reference", "{folder}", "--save-reference", "r.npz"], "has none"),
    ],
)
def test_what_the_command_cannot_do_is_said(tmp_path, arguments, says):
    folder = write_folder(tmp_path / "system", range(1))
    filled = [argument.format(folder=folder) for argument in arguments]
    run = CliRunner().invoke(command, [str(folder), *filled])
    assert run.exit_code == 2 and says in run.output
