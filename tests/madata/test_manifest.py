import pyarrow as pa
import pytest

from madata.errors import MadanceError
from madata.files import whole_table
from madata.manifest import CLIP_COLUMNS, read_table, split_of, write_table


def test_tables_round_trip_with_equal_bytes(tmp_path):
    rows = [
        {"clip_id": "a", "fps": 24.0, "num_frames": 120, "has_audio": True},
        {"clip_id": "b", "duration_s": 0.5},
    ]
    write_table(tmp_path / "one.parquet", rows, CLIP_COLUMNS)
    write_table(tmp_path / "two.parquet", rows, CLIP_COLUMNS)
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    table = read_table(tmp_path / "one.parquet")
    assert list(table.columns) == list(CLIP_COLUMNS)
    assert table["clip_id"].tolist() == ["a", "b"]
    assert table["num_frames"][0] == 120
    assert table["duration_s"].isna().tolist() == [True, False]


@pytest.mark.parametrize(
    ("kind", "values", "wrong"),
    [
        ("string", ["a", None, "\u20ac \U0001f57a", ""], 3),
        ("binary", [b"a\0", None, b""], 3),
        ("int32", [1, None, -5, 2**31 - 1], 2**31),
        ("int64", [2**40, 0], 1.5),
        ("float64", [1.5, None, float("inf"), 2], "a"),
        ("bool", [True, None, False] * 5, None),
    ],
)
def test_columns_are_those_of_pyarrow(tmp_path, kind, values, wrong):
    path, columns = tmp_path / "x.parquet", {"x": kind}
    write_table(path, [{"x": value} for value in values], columns)
    column = whole_table(path)["x"]
    assert column.to_pylist() == values and column.null_count == values.count(None)
    column.validate(full=True)
    assert column.type == pa.array(values, pa.type_for_alias(kind)).type
    if wrong is not None:
        with pytest.raises((TypeError, ValueError, OverflowError)):
            write_table(path, [{"x": wrong}], columns)


def test_an_empty_table_keeps_its_columns(tmp_path):
    write_table(tmp_path / "none.parquet", [], CLIP_COLUMNS)
    assert list(read_table(tmp_path / "none.parquet").columns) == list(CLIP_COLUMNS)


def test_an_unknown_column_is_refused(tmp_path):
    with pytest.raises(KeyError, match="colour"):
        write_table(tmp_path / "x.parquet", [{"colour": "red"}], CLIP_COLUMNS)


def test_a_file_that_is_no_table_is_named(tmp_path):
    path = tmp_path / "x.parquet"
    with pytest.raises(MadanceError, match="no such file"):
        read_table(path)
    path.write_text("no")
    with pytest.raises(MadanceError, match="not a readable Parquet"):
        read_table(path)


def test_splits_have_their_shares_and_never_change():
    splits = [split_of(f"source-{number}", val_share=0.1, test_share=0.2) for number in range(4000)]
    assert abs(splits.count("test") / 4000 - 0.2) < 0.03
    assert abs(splits.count("val") / 4000 - 0.1) < 0.03
    assert split_of("source-1", val_share=0.1, test_share=0.2) == splits[1]
