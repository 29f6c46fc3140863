from types import SimpleNamespace

import pytest

from madata.dataset import labels
from madata.dataset.folder import read_folder
from madata.dataset.labels import Labelled, label_clips
from madata.dataset.placed import place_clips
from madata.errors import ConfigError
from madata.files import write_json


def genres(folder):
    return {row["source_id"]: (row["genre"], row["genre_source"]) for row in read_folder(folder).clips}


def test_labels_of_a_list_stay_when_tables_are_made_again(data, tmp_path):
    path = tmp_path / "list.csv"
    path.write_text(
        "source_id,genre,caption\nvideo-01,Hip  hop\x1b,a turn\nvideo-02.mp4,Tango,\nnobody,Jazz,\n"
    )
    assert label_clips(data, str(path)) == Labelled(10, 1, {})
    place_clips(data, val_share=0.0, test_share=0.1)
    assert genres(data)["video-01"] == ("Hip hop", "list")
    assert genres(data)["video-02"] == ("Tango", "list"), "a file name will do"
    assert genres(data)["video-03"] == ("tap", None)


def test_label_files_of_finedance(data, tmp_path):
    write_json(tmp_path / "video-04.json", {"name": "x", "style1": "Modern", "style2": "Korean"})
    label_clips(data, str(tmp_path))
    assert genres(data)["video-04"] == ("Korean", "finedance")


@pytest.fixture
def offer(monkeypatch):
    """Offers a function as the labeller ``mine``."""

    def offered(labeller):
        monkeypatch.setattr(
            labels, "entry_points", lambda group: [SimpleNamespace(name="mine", load=lambda: labeller)]
        )

    return offered


def test_a_model_of_ones_own(data, offer):
    offer(lambda clip: {"caption": f"seen {clip.source_id}"} if clip.source_id == "video-05" else {})
    assert label_clips(data, "mine").caption == 1
    with pytest.raises(ConfigError, match="no labeller of that name; did you mean 'mine'"):
        label_clips(data, "mien")
    offer(lambda clip: {"caption": "another"})
    assert label_clips(data, "mine").caption == 1, "it has been asked about every clip"
    total = len(read_folder(data).clips)
    assert label_clips(data, "mine", again=True).caption == total
    place_clips(data, val_share=0.0, test_share=0.1)
    assert {row["caption"] for row in read_folder(data).clips} == {"another"}


@pytest.mark.parametrize("error", [ZeroDivisionError("no frame"), SystemExit("no frame")])
def test_a_clip_at_which_a_model_fails_costs_itself_alone(data, offer, error):
    def labeller(clip):
        if clip.source_id == "video-00":
            raise error
        return {"genre": "tap dance"}

    offer(labeller)
    failing = [row["clip_id"] for row in read_folder(data).clips if row["source_id"] == "video-00"]
    assert label_clips(data, "mine").failed == dict.fromkeys(
        failing, f"labeller 'mine': {type(error).__name__}: no frame"
    )
    assert {genre for source, genre in genres(data).items() if source != "video-00"} == {
        ("tap dance", "mine")
    }
    asked = []
    offer(lambda clip: asked.append(clip.clip_id) or {"genre": "jig"})
    assert label_clips(data, "mine").failed == {}
    assert asked == failing


def test_a_model_that_is_interrupted_goes_on(data, offer):
    asked = []

    def labeller(clip):
        if len(asked) == 3:
            raise KeyboardInterrupt
        asked.append(clip.clip_id)
        return {"caption": "x"}

    offer(labeller)
    with pytest.raises(KeyboardInterrupt):
        label_clips(data, "mine")
    offer(lambda clip: asked.append(clip.clip_id) or {"caption": "x"})
    total = len(read_folder(data).clips)
    assert label_clips(data, "mine").caption == total
    assert len(asked) == len(set(asked)) == total


def test_lists_that_are_none(data, tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("name,style\na,b\n")
    with pytest.raises(ConfigError, match="expected a column clip_id, source_id or file"):
        label_clips(data, str(path))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="holds no"):
        label_clips(data, str(tmp_path / "empty"))
