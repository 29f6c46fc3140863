"""A folder that is no data set, or half of one, is told so by every verb that reads one."""

import pytest
from click.testing import CliRunner

from madata.commands.dataset import dataset
from madata.errors import MadanceError

VERBS = {
    "stats": ["stats"],
    "export": ["export", "--format", "videofolder", "--out", "out"],
    "split": ["split"],
    "verify": ["verify"],
    "release": ["release", "--out", "out"],
    "features": ["features"],
    "card": ["card"],
    "label": ["label", "--from", "labels.csv"],
    "remove": ["remove", "source"],
}


def said(verb, folder):
    first, *more = VERBS[verb]
    arguments = [first, str(folder), *(str(folder / one) if one == "out" else one for one in more)]
    with pytest.raises(MadanceError) as caught:
        CliRunner().invoke(dataset, arguments, catch_exceptions=False, standalone_mode=False)
    return str(caught.value)


@pytest.mark.parametrize("verb", VERBS)
def test_a_folder_that_is_no_data_set(tmp_path, verb):
    (tmp_path / "video.mp4").touch()
    assert f"{tmp_path}: no data set" in said(verb, tmp_path)
    assert "madance curate" in said(verb, tmp_path / "absent")
    assert [path.name for path in tmp_path.iterdir()] == ["video.mp4"]
