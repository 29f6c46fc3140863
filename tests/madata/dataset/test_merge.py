import json
import shutil

import pytest

from madata.curation.again import decide_again
from madata.curation.publish import publish_changed, publish_joined
from madata.dataset.absent import read_absent, write_absent
from madata.dataset.folder import is_safe_id, is_safe_path, read_folder, write_folder
from madata.dataset.freeze import split_data_set
from madata.dataset.labels import label_clips, read_labels
from madata.dataset.merge import merge_data_sets
from madata.dataset.placed import place_clips
from madata.dataset.removed import data_version, remove_sources
from madata.dataset.split import SplitRule, read_test_list
from madata.dataset.verify import verify_data_set
from madata.errors import ConfigError, MadanceError

RULE = SplitRule(clips=2, val_share=0.0)


def part(folder, to, sources):
    """A copy of a data set with some of its sources: what one of several machines would have made."""
    shutil.copytree(folder, to)
    tables = read_folder(to)
    tables.sources = [row for row in tables.sources if row["source_id"] in sources]
    tables.clips = [row for row in tables.clips if row["source_id"] in sources]
    write_folder(tables)
    return to


def files_of(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in (".lock", "merged.json")
    }


@pytest.fixture
def halves(made, tmp_path):
    ids = [row["source_id"] for row in read_folder(made).sources]
    return part(made, tmp_path / "one", ids[:5]), part(made, tmp_path / "two", ids[3:])


def test_parts_are_joined_in_any_order_to_the_same_bytes(halves, tmp_path, made):
    one, two = halves
    summary = merge_data_sets([one, two], tmp_path / "first")
    merge_data_sets([two, one], tmp_path / "second")
    assert files_of(tmp_path / "first") == files_of(tmp_path / "second")
    assert (summary.clips, summary.repeated) == (len(read_folder(made).clips), 3)
    split_data_set(tmp_path / "first", RULE)
    assert verify_data_set(tmp_path / "first", full=True) == []


def test_labels_go_along_in_any_order_of_the_parts(halves, tmp_path):
    for number, half in enumerate(halves):
        (tmp_path / "list.csv").write_text(
            f"source_id,genre\nvideo-01,jig {number}\nvideo-04,reel {number}\nvideo-07,waltz\n"
        )
        label_clips(half, str(tmp_path / "list.csv"))
    merge_data_sets(halves, tmp_path / "first")
    merge_data_sets(halves[::-1], tmp_path / "second")
    assert files_of(tmp_path / "first") == files_of(tmp_path / "second")
    place_clips(tmp_path / "first", val_share=0.0, test_share=0.1)
    genre = {row["source_id"]: row["genre"] for row in read_folder(tmp_path / "first").clips}
    labels = {row["genre"] for row in read_labels(tmp_path / "first").values()}
    assert (genre["video-01"], genre["video-07"]) == ("jig 0", "waltz")
    assert labels == {"jig 0", genre["video-04"], "waltz"} and genre["video-04"].startswith("reel")
    (tmp_path / "list.csv").write_text("source_id,genre\nvideo-01,hop\n")
    label_clips(tmp_path / "second", str(tmp_path / "list.csv"))
    merge_data_sets(halves, tmp_path / "second")
    assert {row["genre"] for row in read_labels(tmp_path / "second").values()} == labels - {"jig 0"} | {"hop"}


def joined(parts, out):
    """Merge as the command does."""
    merged = merge_data_sets(parts, out)
    publish_joined(out, near_duplicates=merged.near_duplicates, splits=merged.splits, advice=merged.advice)
    return json.loads((out / "summary.json").read_text())


def test_a_merged_folder_has_a_report_of_all_its_clips(halves, tmp_path, made):
    clips = read_folder(made).clips
    summary = joined(halves, tmp_path / "out")
    assert (summary["sources"], summary["clips"], summary["failed"]) == (8, len(clips), 0)
    assert summary["clips_s"] == pytest.approx(sum(row["duration_s"] for row in clips))
    assert sum(summary["splits"].values()) == len(clips)
    page = (tmp_path / "out" / "report.html").read_text()
    assert all(f'"{row["clip_id"]}"' in page for row in clips)
    assert (tmp_path / "out" / "settings.toml").read_text() == "seed = 0\n"


@pytest.mark.parametrize("other", ['renderer = "capsules"\n', "seed = 1\n"])
def test_parts_of_different_settings_are_decided_about_one_by_one(halves, tmp_path, other):
    (halves[1] / "settings.toml").write_text(other)
    joined(halves, tmp_path / "out")
    assert "madance dataset decide PART --out NEW_PART" in (tmp_path / "out" / "report.html").read_text()
    with pytest.raises(MadanceError, match=r"out: its parts were made under different settings: decide"):
        decide_again(tmp_path / "out", tmp_path / "again", overrides=[])


def test_parts_that_contradict_each_other_are_refused(halves, tmp_path):
    one, two = halves
    tables = read_folder(two)
    row = next(row for row in tables.clips if row["source_id"] == "video-03")
    row["sha256"] = "0" * 64
    write_folder(tables)
    with pytest.raises(
        MadanceError, match=r"clip 'video-03-\d+' is in .*one and in .*two with different bytes"
    ):
        merge_data_sets([one, two], tmp_path / "out")
    with pytest.raises(ConfigError, match="named twice"):
        merge_data_sets([one, one], tmp_path / "out")
    with pytest.raises(ConfigError, match="is one of the folders"):
        merge_data_sets([one, two], one)


def test_a_frozen_test_is_kept_and_two_of_them_are_refused(halves, tmp_path):
    one, two = halves
    split_data_set(one, RULE)
    merge_data_sets([two, one], tmp_path / "out")
    assert read_test_list(tmp_path / "out") == read_test_list(one)
    tested = [row["clip_id"] for row in read_folder(tmp_path / "out").clips if row["split"] == "test"]
    assert tuple(tested) == read_test_list(one)
    split_data_set(two, RULE)
    with pytest.raises(MadanceError, match="different frozen tests"):
        merge_data_sets([one, two], tmp_path / "other")


def test_a_removed_source_is_gone_and_does_not_come_back(data, tmp_path, made):
    split_data_set(data, RULE)
    tested = next(row for row in read_folder(data).clips if row["split"] == "test")
    summary = remove_sources(data, [tested["source_id"]], reason="takedown")
    assert (summary.test_clips, summary.version, data_version(data)) == (1, "1.0.1", "1.0.1")
    assert not (data / tested["path"]).exists() and not (data / tested["keypoints"]).exists()
    row = next(row for row in read_folder(data).sources if row["source_id"] == tested["source_id"])
    assert (row["status"], row["reason"], row["url"]) == ("removed", "takedown", None) and row["removed_at"]
    assert verify_data_set(data, full=True) == []
    # curation publishes all it knows; what was removed stays away
    tables = read_folder(data)
    back = next(row for row in read_folder(made).clips if row["source_id"] == tested["source_id"])
    tables.clips.append(back)
    write_folder(tables)
    assert {breach.kind for breach in verify_data_set(data)} >= {"removed"}
    place_clips(data, val_share=0.0, test_share=0.1)
    assert all(row["source_id"] != tested["source_id"] for row in read_folder(data).clips)
    with pytest.raises(MadanceError, match="has no source 'video-0x'; did you mean"):
        remove_sources(data, ["video-0x"], reason="takedown")
    merge_data_sets([data], tmp_path / "joined")
    assert data_version(tmp_path / "joined") == "1.0.1"


def test_parts_that_know_of_the_same_removal_count_it_once(data, tmp_path):
    remove_sources(data, ["video-01", "video-02"], reason="takedown")
    ids = [row["source_id"] for row in read_folder(data).sources]
    one, two = part(data, tmp_path / "one", ids[:5]), part(data, tmp_path / "two", ids[5:])
    remove_sources(two, ["video-07"], reason="licence")
    for number, folders in enumerate(([one, two], [two, one])):
        merge_data_sets(folders, tmp_path / f"out{number}")
        assert data_version(tmp_path / f"out{number}") == "1.0.3"
    assert (tmp_path / "out0/removed.json").read_bytes() == (tmp_path / "out1/removed.json").read_bytes()


def test_what_two_rebuilt_parts_lack_is_noted_unless_the_other_has_it(halves, tmp_path):
    one, two = halves
    lacking = {row["clip_id"]: "its video is not there" for row in read_folder(two).clips}
    write_absent(one, lacking | {"video-99-000000": "shows something else"})
    write_absent(two, {"video-99-000000": "its video is not there"})
    merge_data_sets([one, two], tmp_path / "out")
    assert read_absent(tmp_path / "out") == {"video-99-000000": "its video is not there"}


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("clip_id", "../up", "is no file name"),
        ("clip_id", "a\x1b[2J", "is no file name"),
        ("path", "../../etc/passwd", "outside the folder"),
        ("keypoints", "/etc/passwd", "outside the folder"),
        ("source_id", "nobody", "has no row in sources.parquet"),
    ],
)
def test_rows_that_cannot_be_trusted(data, column, value, words):
    tables = read_folder(data)
    tables.clips[0][column] = value
    write_folder(tables)
    with pytest.raises(MadanceError, match=words):
        read_folder(data)


def test_ids_that_are_there_twice_and_half_a_folder(data):
    tables = read_folder(data)
    write_folder(tables)
    tables.clips.append(tables.clips[0])
    write_folder(tables)
    with pytest.raises(MadanceError, match=r"clip 'video-00-000000' has 2 rows"):
        read_folder(data)
    tables.clips.pop()
    tables.sources.append(tables.sources[1])
    write_folder(tables)
    with pytest.raises(MadanceError, match=r"source 'video-01' has 2 rows"):
        read_folder(data)
    (data / "dropped.parquet").unlink()
    with pytest.raises(MadanceError, match=r"half a data set: dropped.parquet is missing"):
        read_folder(data)


def test_names():
    assert is_safe_id("=HYPERLINK(1)") and not any(
        map(is_safe_id, ("", ".", "a/b", "a\\b", "a\nb", 5, "x" * 300))
    )
    assert is_safe_path("clips/a.mp4") and not any(map(is_safe_path, ("", "/a", "a/../b", "a\\b", None)))


def test_the_report_follows_a_folder_that_was_split_and_lost_a_source(data):
    publish_joined(data, near_duplicates=0, splits={}, advice="split it")
    split_data_set(data, RULE)
    publish_changed(data)

    def shown():
        page = (data / "report.html").read_text()
        table = json.loads(page.split('id="data">')[1].split("</script>")[0])
        rows = [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]
        return {row["clip_id"]: row["path"] for row in rows}

    before = shown()
    assert all((data / path).is_file() for path in before.values())
    assert {path.split("/")[0] for path in before.values()} == {"clips", "test"}
    remove_sources(data, ["video-01"], reason="takedown")
    publish_changed(data)
    gone = {clip for clip in before if clip.startswith("video-01")}
    assert gone and set(shown()) == set(before) - gone
    summary = json.loads((data / "summary.json").read_text())
    assert summary["clips"] == len(shown()) == sum(summary["splits"].values())
    assert summary["advice"] == ""
