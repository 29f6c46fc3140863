"""Results in the formats of the field: what is written is valid there, what is read is what was written, unranked."""

import json
import shutil

import pytest
from click.testing import CliRunner

from evaluation.result import read_result
from leaderboard.board import build_board
from leaderboard.commands.site import site
from leaderboard.commands.submission import submission
from leaderboard.commands.table import table
from leaderboard.entries import read_entries
from leaderboard.exchange import export_results, read_elsewhere
from madata.errors import MadanceError
from madata.files import read_json, read_yaml, write_json
from tests.leaderboard.runs import change, change_metric

HOW = {"organization": "Our Lab", "dataset": "our-lab/ma-data"}


def exported(runs, layout, *names, **how):
    entries = read_entries([runs / name for name in names or ("good",)])
    return export_results(entries, runs / layout, layout, **{**HOW, **how})


@pytest.mark.parametrize("layout", ["every-eval-ever", "hub"])
def test_what_is_read_again_is_what_was_measured(runs, layout):
    change_metric(runs / "good", "fid_k", value=0.1 + 0.2, ci95=(-1e-17, 1 / 3))
    change_metric(runs / "good", "fid_g", value=None, ci95=None, ci_method=None, reason="too few clips")
    exported(runs, layout)
    (row,) = read_elsewhere([runs / layout])
    result = read_result(runs / "good" / "result.json")
    found = {one.metric: (one.value, one.low, one.high, one.n) for one in row.numbers}
    stated = {
        one.name: (one.value, *(one.ci95 or (None, None)), one.n)
        for one in result.metrics
        if one.value is not None
    }
    assert found == stated and "fid_g" not in found
    assert row.name == "good" and row.date == result.created[:10]
    assert result.protocol.sha256[:32] in row.protocol


def test_the_document_of_every_eval_ever_keeps_its_schema(runs):
    """The required fields and closed choices of its schema 0.3.0."""
    (file,) = exported(runs, "every-eval-ever", relationship="first_party")
    parts = file.relative_to(runs / "every-eval-ever").parts
    assert parts[:4] == ("data", "madance-ma-data-motion2d", "our-lab", "good")
    assert parts[4][14] == "4" and parts[4][19] in "89ab" and len(parts[4]) == 41
    document = read_json(file)
    assert set(document) == {
        "schema_version",
        "evaluation_id",
        "evaluation_timestamp",
        "retrieved_timestamp",
        "source_metadata",
        "eval_library",
        "model_info",
        "evaluation_results",
    }
    assert document["schema_version"] == "0.3.0" and document["retrieved_timestamp"].isdigit()
    source, model = document["source_metadata"], document["model_info"]
    assert (source["source_type"], source["evaluator_relationship"]) == ("evaluation_run", "first_party")
    assert model["id"] == "our-lab/good"
    assert {"deployment_type", "model_availability"} <= set(model["additional_details"])
    for free in (source["additional_details"], model["additional_details"]):
        assert all(isinstance(value, str) for value in free.values())
    result = read_result(runs / "good" / "result.json")
    for item in document["evaluation_results"]:
        config, score = item["metric_config"], item["score_details"]
        assert item["source_data"]["source_type"] == "hf_dataset" and isinstance(
            config["lower_is_better"], bool
        )
        assert config["score_type"] == "continuous" and {"min_score", "max_score"} <= set(config)
        assert all(
            isinstance(config[end], float) or config[end] in ("Infinity", "-Infinity")
            for end in ("min_score", "max_score")
        )
        assert all(isinstance(value, str) for value in score["details"].values())
        metric = result.metric(config["metric_id"].removeprefix("madance."))
        assert config["lower_is_better"] == (metric.higher_is_better is False)
        if metric.ci95 is not None:
            interval = score["uncertainty"]["confidence_interval"]
            assert [interval["lower"], interval["upper"]] == list(metric.ci95)
            assert score["uncertainty"]["num_samples"] == metric.n
    assert "fid_k" in {
        item["metric_config"]["metric_id"].removeprefix("madance.") for item in document["evaluation_results"]
    }


def test_the_validator_of_every_eval_ever_has_nothing_to_say(runs):
    validator = pytest.importorskip("every_eval_ever.validator.validation_core")
    for file in exported(runs, "every-eval-ever", "good", "stiff"):
        report = validator.validate_file(file)
        assert report.valid and not report.errors and not report.warnings


def test_a_hub_reads_its_files(runs):
    files = exported(runs, "hub", "good", "stiff", source="https://example.org/results")
    card = read_yaml(files[0])
    assert files[0].name == "eval.yaml" and set(card) == {
        "name",
        "description",
        "evaluation_framework",
        "tasks",
    }
    tasks = {task["id"] for task in card["tasks"]}
    assert all(set(task) == {"id", "config", "split"} for task in card["tasks"])
    hub = pytest.importorskip("huggingface_hub._eval_results")
    for file in files[1:]:
        assert file.parent.name == ".eval_results"
        content = read_yaml(file)
        entries = hub.parse_eval_result_entries(content)
        assert {entry.task_id for entry in entries} <= tasks
        assert hub.eval_result_entries_to_yaml(entries) == content
        assert {entry.dataset_id for entry in entries} == {"our-lab/ma-data"}


def test_the_numbers_of_others_stand_alone_and_are_never_ranked(runs):
    change_metric(runs / "stiff", "fid_k", value=1e-9, ci95=(0.0, 1e-8))
    exported(runs, "hub", "stiff")
    found = build_board(
        "video", read_entries([runs / "good", runs / "alike"]), elsewhere=read_elsewhere([runs / "hub"])
    )
    paper, others, measured = found.table.sections
    assert others.reported and [row.name for row in others.rows] == ["stiff"]
    cell = others.rows[0].cells["fid_k"]
    assert cell.value == 1e-9 and not cell.mark and cell.place is None and "nobody computed" in cell.unranked
    assert others.rows[0].level is None and not others.rows[0].results
    alone = build_board("video", read_entries([runs / "good", runs / "alike"])).table.sections
    assert (paper, measured) == tuple(alone)
    assert "stiff" in " ".join(others.notes)


def test_a_file_of_somebody_else_is_text_on_the_page(runs):
    (file,) = exported(runs, "every-eval-ever")
    document = read_json(file)
    document["model_info"]["name"] = "<script>hacked</script>"
    document["source_metadata"]["source_organization_name"] = "<img src=x>"
    document["evaluation_results"][0]["metric_config"]["metric_id"] = "mmlu<b>"
    write_json(file, document)
    made = CliRunner().invoke(
        site, [str(runs / "stiff"), "--out", str(runs / "site"), "--elsewhere", str(file), "--no-rescore"]
    )
    assert made.exit_code == 0, made.output
    page = (runs / "site" / "index.html").read_text()
    assert "Reported elsewhere" in page and "&lt;script&gt;hacked" in page
    assert "<script>hacked" not in page and "<img" not in page and "mmlu<b>" not in page
    shown = CliRunner().invoke(table, [str(runs / "stiff"), "--task", "video", "--elsewhere", str(file)])
    assert shown.exit_code == 0 and "Reported elsewhere" in shown.stdout


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.json", "{}", "not a document of Every Eval Ever"),
        ("a.json", '"x"', "neither"),
        ("a.yaml", "- value: 3", "not a file of .eval_results"),
        ("a.yaml", "- dataset: {id: a/b, task_id: t}\n  value: .nan", "not valid YAML"),
        ("a.yaml", "- dataset: {id: a/b, task_id: t}\n  value: yes", "is no number"),
        ("a.yaml", "- &a [x]\n- *a", "alias"),
        ("a.yaml", "- !!python/object/apply:os.system ['true']", "not valid YAML"),
        ("a.yaml", "a: 1\na: 2", "twice"),
        ("a.yaml", "[" * 5000, "YAML"),
    ],
)
def test_what_is_neither_is_said(tmp_path, name, content, said):
    (tmp_path / name).write_text(content)
    with pytest.raises(MadanceError, match=said):
        read_elsewhere([tmp_path])


def test_what_cannot_be_exported_is_said(runs):
    with pytest.raises(MadanceError, match="--dataset"):
        exported(runs, "hub", dataset=None)
    with pytest.raises(MadanceError, match="owner/name"):
        exported(runs, "hub", dataset="../x")
    result = read_result(runs / "stiff" / "result.json")
    change(runs / "stiff", system=result.system.model_copy(update={"name": "Good!"}))
    with pytest.raises(MadanceError, match="would both be"):
        exported(runs, "hub", "good", "stiff")
    change(runs / "stiff", system=result.system.model_copy(update={"name": "../.."}))
    with pytest.raises(MadanceError, match="no letter or digit"):
        exported(runs, "every-eval-ever", "stiff")
    assert not (runs / "hub").exists() and not (runs / "every-eval-ever").exists()


def test_the_verb_and_the_folder_of_a_board(runs):
    options = ["--format", "every-eval-ever", "--organization", "lab", "--json"]
    done = CliRunner().invoke(
        submission, ["export", str(runs / "good"), "--out", str(runs / "out"), *options]
    )
    assert done.exit_code == 0, done.output
    (file,) = json.loads(done.stdout)
    board = runs / "board"
    shutil.copytree(runs / "ground-truth", board / "trusted" / "truth")
    (board / "board.toml").write_text("")
    (board / "elsewhere").mkdir()
    shutil.copy(file, board / "elsewhere")
    packed = CliRunner().invoke(submission, ["pack", str(runs / "stiff"), "--out", str(runs / "s.zip")])
    added = CliRunner().invoke(submission, ["add", str(board), str(runs / "s.zip")])
    assert packed.exit_code == added.exit_code == 0, added.output
    assert "Reported elsewhere" in (board / "site" / "index.html").read_text()
