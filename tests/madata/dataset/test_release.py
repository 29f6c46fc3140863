import shutil

import pytest

from madata.dataset.absent import read_absent
from madata.dataset.folder import read_folder, write_folder
from madata.dataset.freeze import split_data_set
from madata.dataset.health import check_health
from madata.dataset.release import rebuild, release
from madata.dataset.split import SplitRule
from madata.dataset.verify import verify_data_set
from madata.errors import ConfigError, MadanceError


@pytest.fixture
def released(data, tmp_path):
    """A release of a data set whose clips are their sources, and those sources under their names."""
    videos = tmp_path / "videos"
    videos.mkdir()
    tables = read_folder(data)
    tables.clips = [row for row in tables.clips if row["start_frame"] == 0]
    for row in tables.clips:
        shutil.copyfile(data / row["path"], videos / f"{row['source_id']}.mp4")
    write_folder(tables)
    split_data_set(data, SplitRule(clips=2, val_share=0.0))
    release(data, tmp_path / "released")
    return tmp_path / "released", videos


def test_a_release_holds_no_picture_and_comes_back_from_the_videos(released, tmp_path):
    folder, videos = released
    assert not [*folder.rglob("*.mp4"), *folder.rglob("*.jpg")]
    assert verify_data_set(folder) == []
    made = rebuild(folder, videos, tmp_path / "again", jobs=1)
    assert (made.clips, made.missing, made.wrong) == (8, {}, {})
    assert verify_data_set(tmp_path / "again", full=True) == []
    tested = next(row for row in read_folder(tmp_path / "again").clips if row["split"] == "test")
    assert tested["num_frames"] == 50 and (tmp_path / "again" / tested["path"]).is_file()


def test_a_video_that_is_another_one_now_and_one_that_is_gone(released, tmp_path):
    folder, videos = released
    (videos / "video-01.mp4").unlink()
    shutil.copyfile(videos / "video-02.mp4", videos / "video-03.mp4")
    made = rebuild(folder, videos, tmp_path / "again", jobs=1)
    assert made.clips == 6 and made.missing == {"video-01": 1}
    assert list(made.wrong) == ["video-03-000000"] and "something else" in made.wrong["video-03-000000"]


def test_a_rebuild_without_a_tested_video_is_a_part_and_leaks_are_still_found(released, tmp_path):
    folder, videos = released
    tested = next(row for row in read_folder(folder).clips if row["split"] == "test")
    (videos / f"{tested['source_id']}.mp4").unlink()
    again = tmp_path / "again"
    rebuild(folder, videos, again, jobs=1)
    assert read_absent(again) == {tested["clip_id"]: "its video is not there"}
    assert verify_data_set(again, full=True) == []
    note = (again / "rebuilt.json").read_text()
    (again / "rebuilt.json").write_text("[]")
    assert {one.kind for one in verify_data_set(again)} == {"changed", "table", "list"}
    (again / "rebuilt.json").write_text(note)
    tables = read_folder(again)
    one, other = tables.clips[:2]
    one["split"], other["split"], other["source_id"] = "test", "train", one["source_id"]
    write_folder(tables)
    assert "leak: source" in {found.kind for found in verify_data_set(again)}


def test_what_is_no_release_and_what_is_there_already(data, released, tmp_path):
    folder, videos = released
    with pytest.raises(MadanceError, match=r"no release \(it holds no release.json\)"):
        rebuild(data, videos, tmp_path / "again")
    with pytest.raises(ConfigError, match="is a data set already"):
        release(data, folder)


def test_health_of_a_folder_and_of_a_list(data, released, tmp_path):
    _, videos = released
    (videos / "video-01.mp4").unlink()
    health = check_health(data, videos)
    assert health.dead == ("video-01",) and len(health.live) == 7
    assert sum(left for left, _ in health.clips.values()) == 7
    links = tmp_path / "links.txt"
    links.write_text("https://example.org/2\nhttps://example.org/3\nvideo-05\n")
    assert check_health(data, links).live == ("video-02", "video-03", "video-05")
    with pytest.raises(MadanceError, match="no such file or folder"):
        check_health(data, tmp_path / "none")
