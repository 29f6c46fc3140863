"""The result document is closed, finite, and knows when it was tampered with."""

import json

import pytest
from pydantic import ValidationError

from evaluation.options import RunOptions
from evaluation.result import (
    Dataset,
    Environment,
    Metric,
    ProtocolRef,
    Result,
    SystemRecord,
    content_id,
    json_schema,
    read_result,
    seal,
    write_result,
)
from madata.errors import MadanceError

HASH = "0" * 64


def metric(**changes):
    values = {
        "name": "fid_k",
        "track": "motion",
        "value": 1.5,
        "unit": "",
        "higher_is_better": False,
        "n": 20,
        "version": 1,
    }
    return Metric(**(values | changes))


def result(**changes):
    values = {
        "created": "2026-01-01T00:00:00Z",
        "status": "complete",
        "system": SystemRecord(name="edge", task="motion"),
        "protocol": ProtocolRef(name="lodge", version=1, sha256=HASH),
        "dataset": Dataset(
            name="reference", reference_sha256=HASH, n_expected=20, n_scored=20, n_reference=20
        ),
        "metrics": [metric()],
        "environment": Environment(python="3.11", platform="linux", packages={"numpy": "2.4"}),
    }
    return Result(**(values | changes))


def test_a_result_comes_back_as_it_was_written(tmp_path):
    write_result(tmp_path / "result.json", result())
    assert read_result(tmp_path / "result.json") == seal(result())


def test_the_id_is_that_of_the_content_and_not_of_the_time():
    assert content_id(result()) == content_id(result(created="2027-01-01T00:00:00Z"))
    assert content_id(result()) != content_id(result(metrics=[metric(value=1.4)]))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda content: content["metrics"][0].update(value=1.4), "changed after it was written"),
        (lambda content: content.update(note="x"), "note"),
        (lambda content: content["metrics"][0].update(value=float("nan")), "nan"),
        (lambda content: content["metrics"][0].pop("n"), "metrics.0.n"),
        (lambda content: content.update(schema="madance.result/0"), "madance.result/0"),
        (lambda content: content["protocol"].update(sha256="abc"), "protocol.sha256"),
    ],
)
def test_what_is_no_result_is_refused_by_field(tmp_path, change, says):
    path = tmp_path / "result.json"
    write_result(path, result())
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(MadanceError, match=says):
        read_result(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"value": None},
        {"reason": "n too small"},
        {"ci95": (1.0, 2.0)},
        {"ci95": (2.0, 1.0), "ci_method": "basic"},
        {"value": float("inf")},
    ],
)
def test_a_metric_has_a_value_or_a_reason_and_a_whole_interval(changes):
    with pytest.raises(ValidationError):
        metric(**changes)


def test_a_result_with_missing_clips_is_not_complete():
    missing = result().dataset.model_copy(update={"missing": ["a"]})
    with pytest.raises(ValidationError, match="not complete"):
        result(dataset=missing)


def test_the_schema_is_closed_at_every_level():
    schema = json_schema()
    assert schema["additionalProperties"] is False
    assert all(
        part["additionalProperties"] is False
        for part in schema["$defs"].values()
        if part.get("type") == "object"
    )
    assert "schema" in schema["properties"]


def test_an_unknown_metric_lists_the_known_ones():
    with pytest.raises(MadanceError, match="fid_k"):
        result().metric("fid")


def test_options_that_were_not_chosen_leave_no_trace(tmp_path):
    plain, chosen = result(), result(options=RunOptions(resample_fps=30.0, unit="centimetre"))
    write_result(tmp_path / "plain.json", plain)
    assert "options" not in json.loads((tmp_path / "plain.json").read_text())
    write_result(tmp_path / "chosen.json", chosen)
    assert read_result(tmp_path / "chosen.json").options.lines() == ("--resample 30", "--unit centimetre")
    assert content_id(plain) != content_id(chosen)
