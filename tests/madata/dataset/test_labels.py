import pytest

from madata.dataset import labels
from madata.dataset.folder import read_folder
from madata.dataset.labels import label_clips
from madata.dataset.placed import place_clips
from madata.errors import ConfigError, MadanceError
from madata.files import write_json


def genres(folder):
    return {row["source_id"]: (row["genre"], row["genre_source"]) for row in read_folder(folder).clips}


def test_labels_of_a_list_stay_when_tables_are_made_again(data, tmp_path):
    path = tmp_path / "list.csv"
    path.write_text(
        "source_id,genre,caption\nvideo-01,Hip  hop\x1b,a turn\nvideo-02.mp4,Tango,\nnobody,Jazz,\n"
    )
    assert label_clips(data, str(path)) == {"genre": 10, "caption": 1}
    place_clips(data, val_share=0.0, test_share=0.1)
    assert genres(data)["video-01"] == ("Hip hop", "list")
    assert genres(data)["video-02"] == ("Tango", "list"), "a file name will do"
    assert genres(data)["video-03"] == ("tap", None)


def test_label_files_of_finedance(data, tmp_path):
    write_json(tmp_path / "video-04.json", {"name": "x", "style1": "Modern", "style2": "Korean"})
    label_clips(data, str(tmp_path))
    assert genres(data)["video-04"] == ("Korean", "finedance")


def test_a_model_of_ones_own(data, monkeypatch):
    class Point:
        name = "mine"

        def load(self):
            return lambda clip: {"caption": f"seen {clip.source_id}"} if clip.source_id == "video-05" else {}

    monkeypatch.setattr(labels, "entry_points", lambda group: [Point()])
    assert label_clips(data, "mine")["caption"] == 1
    with pytest.raises(ConfigError, match="no labeller of that name; did you mean 'mine'"):
        label_clips(data, "mien")
    monkeypatch.setattr(Point, "load", lambda self: lambda clip: 1 / 0)
    with pytest.raises(MadanceError, match="labeller 'mine': video-00-000000: ZeroDivisionError"):
        label_clips(data, "mine")


def test_lists_that_are_none(data, tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("name,style\na,b\n")
    with pytest.raises(ConfigError, match="expected a column clip_id, source_id or file"):
        label_clips(data, str(path))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="holds no"):
        label_clips(data, str(tmp_path / "empty"))
