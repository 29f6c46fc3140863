"""Results VBench wrote, taken over with their units put right."""

import json

import pytest
from click.testing import CliRunner

from evaluation.commands.score import score as command
from evaluation.report.vbench_import import import_vbench
from evaluation.result import read_result
from madata.errors import MadanceError
from madata.manifest import read_table
from tests.evaluation.report.vbench_files import upstream


def test_numbers_are_taken_over_and_units_put_right(tmp_path):
    result = import_vbench(upstream(tmp_path / "wan_eval_results.json")).result
    assert (result.system.name, result.protocol.name, result.dataset.n_scored) == ("wan", "vbench", 3)
    quality = result.metric("imaging_quality")
    assert quality.value == 0.6 and quality.ci95 is None and "there are 3" in quality.caution
    assert result.metric("subject_consistency").value == 0.72
    assert result.metric("subject_consistency_video_mean").value == pytest.approx(0.8)
    assert result.metric("background_consistency_video_mean").value == pytest.approx(2.3 / 3)
    assert result.metric("aesthetic_quality").reason == "not in the file"
    assert result.metric("motion_magnitude").value == pytest.approx(25.5)
    assert all(
        metric.caution is None or "the file reports" not in metric.caution for metric in result.metrics
    )
    assert any("imported" in warning for warning in result.warnings)


def test_the_plain_mean_of_several_gpus_is_told_from_the_weighted_one(tmp_path):
    content = json.loads(upstream(tmp_path / "x.json").read_text())["subject_consistency"][1]
    result = import_vbench(upstream(tmp_path / "x.json", subject_consistency=[0.8, content])).result
    metric = result.metric("subject_consistency")
    assert metric.value == 0.8 and "the file reports 0.8, its videos give 0.72" in metric.caution


def test_without_frame_pairs_that_is_said(tmp_path):
    content = json.loads(upstream(tmp_path / "x.json").read_text())
    (tmp_path / "x.json").write_text(json.dumps({"subject_consistency": content["subject_consistency"]}))
    result = import_vbench(tmp_path / "x.json").result
    assert any("does not tell frame pairs" in warning for warning in result.warnings)


@pytest.mark.golden
@pytest.mark.golden_files("appearance/mace_dance_published_scores*.json")
def test_the_published_scores(golden_file, tmp_path):
    published = json.loads(golden_file.read_text())
    names, pairs = published["video_ids"], published["frame_pairs"]
    content = {
        dimension: [
            row["dataset"],
            [
                {"video_path": f"{name}.mp4", "video_results": value}
                | ({"cnt_per_video": count} if dimension == "background_consistency" else {})
                for name, value, count in zip(names, row["per_video"], pairs, strict=True)
            ],
        ]
        for dimension, row in published["results"].items()
    }
    (tmp_path / "x.json").write_text(json.dumps(content))
    result = import_vbench(tmp_path / "x.json").result
    for dimension, row in published["results"].items():
        metric = result.metric(dimension)
        assert metric.value == pytest.approx(row["dataset"], abs=1e-12)
        assert "the file reports" not in (metric.caution or "")


def test_the_command_writes_a_result(tmp_path):
    file = upstream(tmp_path / "x.json")
    run = CliRunner().invoke(
        command, ["--import-vbench", str(file), "--system", "wan", "--out", str(tmp_path / "out")]
    )
    assert run.exit_code == 0, run.output
    result = read_result(tmp_path / "out" / "result.json")
    assert (
        result.system.name == "wan" and (tmp_path / "out" / "vbench.json").read_bytes() == file.read_bytes()
    )
    table = read_table(tmp_path / "out" / "samples.parquet")
    assert set(table.clip_id) == {"a", "b", "c"}
    before = (tmp_path / "out" / "result.json").read_bytes()
    upstream(file, motion_smoothness=[0.5, json.loads(file.read_text())["motion_smoothness"][1]])
    run = CliRunner().invoke(
        command, ["--import-vbench", str(file), "--system", "wan", "--out", str(tmp_path / "out")]
    )
    assert "holds another run" in str(run.exception)
    assert (tmp_path / "out" / "result.json").read_bytes() == before
    file.write_text("{}")
    with pytest.raises(MadanceError, match="none of VBench's dimensions"):
        import_vbench(file)
