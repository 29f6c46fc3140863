"""Features no measurement gives are refused, though every number of the result comes out of them."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evaluation.features.table import FeatureTable, RunFeatures
from evaluation.protocol import load_protocol
from evaluation.result import read_result
from leaderboard.feature_bounds import impossible_features
from leaderboard.recheck import check_features, check_sample_rows
from leaderboard.submission import pack, verify
from madata.files import read_npz, write_npz
from tests.leaderboard.runs import rewrite

PROTOCOL = load_protocol("ma-data-animation")


def put(name, value, row=3):
    def edit(arrays):
        array = arrays[name].astype(arrays[name].dtype)
        array[row] = value
        arrays[name] = array

    return edit


def new(name, make):
    return lambda arrays: arrays.update({name: make(arrays)})


def of(name, change):
    return lambda arrays: arrays.update({name: change(arrays[name])})


P = "prediction"
INJECTIONS = {
    "rate NaN": put(f"{P}/fps", np.nan),
    "rate negative": put(f"{P}/fps", -16),
    "rate zero": put(f"{P}/fps", 0),
    "rate infinite": put(f"{P}/fps", np.inf),
    "rate of the reference NaN": put("reference/fps", np.nan),
    "rate complex": of(f"{P}/fps", lambda a: a.astype(complex)),
    "rate as text": of(f"{P}/fps", lambda a: a.astype(str)),
    "rate of another rank": of(f"{P}/fps", lambda a: a[:, None]),
    "rate without rank": of(f"{P}/fps", lambda a: a[0]),
    "frames negative": put(f"{P}/frames", -64),
    "frames none": put(f"{P}/frames", 0),
    "frames of years": put(f"{P}/frames", 2**62),
    "frames as floats": of(f"{P}/frames", lambda a: a.astype(float)),
    "start NaN": put(f"{P}/starts_s", np.nan),
    "start before the clip": put(f"{P}/starts_s", -1.0),
    "window negative": put(f"{P}/numbers", -1),
    "heard as numbers": of(f"{P}/heard", lambda a: a.astype(int)),
    "beats of nothing heard": of(f"{P}/heard", lambda a: a & False),
    "share above one": put(f"{P}/scalars/missing_rate", 1.5),
    "share infinite": put("reference/scalars/missing_rate", -np.inf),
    "beat NaN": put(f"{P}/motion_beats", np.nan, 0),
    "beat before the start": put(f"{P}/motion_beats", -3.0, 0),
    "beat after the end": of(f"{P}/music_beats", lambda a: np.r_[a[:-1], 900.0]),
    "beats out of order": of(f"{P}/music_beats", lambda a: np.r_[a[1], a[0], a[2:]]),
    "beat counts negative": of(f"{P}/motion_beats/sizes", lambda a: np.r_[-1, a[0] + a[1] + 1, a[2:]]),
    "features complex": of(f"{P}/kinetic", lambda a: a.astype(complex)),
    "features of another rank": of(f"{P}/kinetic", lambda a: a[:, :, None]),
    "features one column wider": of(f"{P}/kinetic", lambda a: np.c_[a, a[:, :1]]),
    "names fewer than columns": of("reference/kinetic_columns", lambda a: a[:-1]),
    "names of other columns": of(f"{P}/geometric_columns", lambda a: a[::-1]),
    "a name twice": of(f"{P}/kinetic_columns", lambda a: np.r_[a[:1], a[:-1]]),
    "names of a column that is none": new(f"{P}/frames_columns", lambda a: np.array(["x"])),
    "an unknown number of clips": new(f"{P}/scalars/beauty", lambda a: np.ones(16)),
    "a column of videos": new(f"{P}/value/psnr", lambda a: np.ones(16)),
    "an unknown column": new(f"{P}/extra", lambda a: np.ones(16)),
    "an unknown table": new("others/clip_ids", lambda a: a[f"{P}/clip_ids"]),
    "unknown lists": lambda a: a.update({f"{P}/x": np.ones(16), f"{P}/x/sizes": np.ones(16, int)}),
    "a row less": of(f"{P}/fps", lambda a: a[:-1]),
    "a clip that is not there": put(f"{P}/clip_ids", "c9"),
}  # fmt: skip


def faults(run, arrays, tmp_path):
    path = tmp_path / "features.npz"
    write_npz(path, **arrays)
    return check_features(read_result(run / "result.json"), path)


def test_what_was_measured_can_be(made, tmp_path):
    for run in ("good", "ground-truth", "official/good", "part/half"):
        assert faults(made / run, read_npz(made / run / "features.npz"), tmp_path) == [], run


@pytest.mark.parametrize("injection", INJECTIONS)
def test_nonsense_is_refused(made, tmp_path, injection):
    arrays = read_npz(made / "good" / "features.npz")
    INJECTIONS[injection](arrays)
    if injection.startswith("beats out"):
        assert arrays[f"{P}/music_beats"][0] > arrays[f"{P}/music_beats"][1]
    assert faults(made / "good", arrays, tmp_path)


def test_it_says_which_number(made, tmp_path):
    arrays = read_npz(made / "good" / "features.npz")
    put(f"{P}/fps", -16)(arrays)
    (fault,) = faults(made / "good", arrays, tmp_path)
    assert "prediction/fps of c003 is -16" in str(fault)


def test_an_edit_by_hand_is_told_with_the_number(made, tmp_path):
    archive = pack(made / "good", tmp_path / "good.zip")

    def edit(files):
        content = json.loads(files["result.json"])
        next(one for one in content["metrics"] if one["name"] == "div_k")["value"] = 123.0
        files["result.json"] = json.dumps(content).encode()

    (fault,) = verify(rewrite(archive, edit)).faults
    assert fault.code == "changed_number"
    assert "div_k: the result says value 123" in fault.message


def videos(**columns):
    rows = {
        "clip_ids": np.array(["a", "b"]), "sha256": np.array(["0" * 64, "1" * 64]), "frames": np.array([5, 5]),
        "fps": np.array([25.0, 25.0]), "size": np.array([[8, 8], [8, 8]]), "fault": np.array(["", ""]),
        "message": np.array(["", ""]), "value/psnr": np.array([30.0, np.nan]), "samples/psnr": np.array([5, 0]),
        "reason/psnr": np.array(["", "no frame"]),
    }  # fmt: skip
    return RunFeatures(
        load_protocol("mace2d-official" if 0 else "ma-data-animation"),
        videos={P: FeatureTable(rows | columns)},
    )


def test_nonsense_of_videos_is_refused():
    assert impossible_features(videos()) == []
    for columns in (
        {"fps": np.array([-1.0, 25])},
        {"frames": np.array([-1, 5])},
        {"size": np.array([[8, -8], [8, 8]])},
        {"value/psnr": np.array([np.inf, 1])},
        {"samples/psnr": np.array([-5, 5])},
        {"value/beauty": np.ones(2)},
        {"logits": np.array([[np.inf], [0]])},
        {"sha256": np.array(["x", "1" * 64])},
    ):
        assert impossible_features(videos(**columns)), columns


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.append_column("extra", pa.array(np.ones(len(t)))),
        lambda t: t.drop_columns(["seed"]),
        lambda t: pa.concat_tables([t, t.slice(0, 1)]),
        lambda t: t.set_column(1, "window", pa.array([7] * len(t))),
        lambda t: t.set_column(2, "start_s", pa.array([float("nan")] * len(t))),
        lambda t: t.set_column(0, "clip_id", pa.array(["nobody"] * len(t))),
        lambda t: t.set_column(4, "sha256", pa.array(["0" * 64] * len(t))),
    ],
)
def test_rows_of_samples_are_of_what_was_scored(made, tmp_path, change):
    run = made / "good"
    result, table = read_result(run / "result.json"), pq.read_table(run / "samples.parquet")
    assert check_sample_rows(result, run / "features.npz", run / "samples.parquet") == []
    pq.write_table(change(table), tmp_path / "samples.parquet")
    assert check_sample_rows(result, run / "features.npz", tmp_path / "samples.parquet")


def test_an_index_that_lies_is_not_built(made, tmp_path):
    """Pandas notes a range in the file and makes as many rows as it says."""
    run, path = made / "good", tmp_path / "samples.parquet"
    table = pq.read_table(run / "samples.parquet")
    note = (
        b'{"index_columns": [{"kind": "range", "name": null, "start": 0, "stop": 1000000000000, "step": 1}], '
    )
    note += b'"columns": [], "column_indexes": []}'
    pq.write_table(table.replace_schema_metadata({b"pandas": note}), path)
    assert check_sample_rows(read_result(run / "result.json"), run / "features.npz", path) == []
