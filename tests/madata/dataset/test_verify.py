import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from madata.dataset.clips import ClipTable
from madata.dataset.folder import read_folder, write_folder
from madata.dataset.freeze import split_data_set
from madata.dataset.recognise import read_signatures, write_duplicates, write_signatures
from madata.dataset.removed import remove_sources
from madata.dataset.split import TEST_LIST, SplitRule
from madata.dataset.statistics import describe_dataset
from madata.dataset.sums import write_sums
from madata.dataset.verify import verify_data_set
from madata.errors import MadanceError


@pytest.fixture
def split(data):
    split_data_set(data, SplitRule(clips=2, val_share=0.0))
    return data


def kinds(folder, **options):
    return {finding.kind for finding in verify_data_set(folder, **options)}


def changed(folder, change):
    """Change the tables behind the back of the list of hashes, then bring that up to date."""
    tables = read_folder(folder)
    test = next(row for row in tables.clips if row["split"] == "test")
    train = next(row for row in tables.clips if row["split"] == "train")
    change(tables, test, train)
    write_folder(tables)
    write_sums(folder, tables)


def source_of(tables, row):
    return next(source for source in tables.sources if source["source_id"] == row["source_id"])


def share(name, value):
    def change(tables, test, train):
        for row in (test, train):
            source_of(tables, row)[name] = value

    return change


def same_source(tables, test, train):
    train["source_id"] = test["source_id"]


def same_group(tables, test, train):
    train["group_id"] = test["group_id"]


def same_file(tables, test, train):
    train["sha256"] = test["sha256"]


def duplicate(tables, test, train):
    pair = {"clip_a": test["clip_id"], "clip_b": train["clip_id"], "source_a": test["source_id"],
            "source_b": train["source_id"]}  # fmt: skip
    write_duplicates(tables.folder, [pair])


def same_pictures(tables, test, train):
    rows = {row["clip_id"]: row for row in read_signatures(tables.folder)}
    rows[train["clip_id"]]["motion"] = rows[test["clip_id"]]["motion"]
    write_signatures(tables.folder, list(rows.values()))


def test_a_whole_data_set_has_no_fault(split):
    assert verify_data_set(split) == verify_data_set(split, full=True) == []


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (same_source, "leak: source"),
        (same_group, "leak: group"),
        (same_file, "leak: file"),
        (duplicate, "leak: duplicate"),
        (same_pictures, "leak: pictures"),
        (share("uploader_hash", "u"), "leak: uploader"),
        (share("performance_id", "p"), "leak: performance"),
    ],
)
def test_every_kind_of_leak_is_found(split, change, kind):
    changed(split, change)
    assert kind in kinds(split)


def test_a_shared_song_is_a_leak_only_where_songs_join(split):
    changed(split, share("song", "s"))
    assert not kinds(split)


def test_faults_of_files(split):
    clip = next(row for row in read_folder(split).clips if row["split"] == "train")
    path = split / clip["path"]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    assert not kinds(split), "the size is the same, and nothing is read"
    assert kinds(split, full=True) == {"changed"}
    path.write_bytes(bytes(content) + b"x")
    assert kinds(split) == {"changed"}
    path.unlink()
    assert kinds(split) == {"missing"}


def test_a_changed_list_and_a_changed_table(split):
    listed = (split / TEST_LIST).read_text()
    (split / TEST_LIST).write_text("")
    assert kinds(split) >= {"list", "changed"}
    (split / TEST_LIST).write_text(listed)
    tables = read_folder(split)
    tables.clips[0]["genre"] = "waltz"
    write_folder(tables)
    assert kinds(split) == {"changed"}
    (split / TEST_LIST).unlink()
    assert "list" in kinds(split)


def test_a_clip_of_two_rows_is_named_once_by_its_table_and_goes_into_no_export(data, tmp_path):
    path = data / "clips.parquet"
    table = pq.read_table(path)
    pq.write_table(pa.concat_tables([table, table.slice(0, 1)]), path)
    (found,) = verify_data_set(data)
    assert (found.kind, found.where, found.message) == (
        "table",
        "clips.parquet",
        "clip 'video-00-000000' has 2 rows",
    )
    with pytest.raises(MadanceError, match="clip 'video-00-000000' has 2 rows"):
        ClipTable.read(data)
    with pytest.raises(MadanceError, match="clip 'video-00-000000' has 2 rows"):
        describe_dataset(data)


def test_what_is_no_data_set_or_half_of_one(tmp_path, data):
    with pytest.raises(MadanceError, match="no data set"):
        verify_data_set(tmp_path)
    (data / "sources.parquet").unlink()
    assert [(one.kind, "half a data set" in one.message) for one in verify_data_set(data)] == [
        ("table", True)
    ]


def test_ten_thousand_clips_without_a_look_at_media(split):
    tables = read_folder(split)
    row = next(row for row in tables.clips if row["split"] == "train")
    tables.clips += [{**row, "clip_id": f"{row['clip_id']}-{number}"} for number in range(10_000)]
    write_folder(tables)
    write_sums(split, tables)
    assert verify_data_set(split) == []


def test_a_clip_without_a_name_is_refused_by_whoever_reads(data):
    path = data / "clips.parquet"
    rows = pq.read_table(path)
    unnamed = [
        {**row, "clip_id": None if number == 0 else row["clip_id"]}
        for number, row in enumerate(rows.to_pylist())
    ]
    pq.write_table(pa.Table.from_pylist(unnamed, schema=rows.schema), path)
    for read in (read_folder, ClipTable.read, describe_dataset):
        with pytest.raises(MadanceError, match="the clip id None is no file name"):
            read(data)


def test_a_removal_that_cannot_be_finished_is_not_begun(split):
    path = split / "signatures.parquet"
    path.write_bytes(path.read_bytes()[:-50])
    before = {file: file.read_bytes() for file in split.rglob("*") if file.is_file()}
    with pytest.raises(MadanceError, match=r"signatures\.parquet: not a readable Parquet file"):
        remove_sources(split, ["video-00"], reason="takedown")
    assert {file: file.read_bytes() for file in split.rglob("*") if file.is_file()} == before
