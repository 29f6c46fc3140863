import json

import pytest

from evaluation.report.vbench_file import read_vbench
from madata.errors import MadanceError


def write(path, content):
    path.write_text(json.dumps(content))
    return path


def rows(**values):
    return [{"video_path": f"videos/{name}.mp4", "video_results": value} for name, value in values.items()]


def test_units_are_put_right(tmp_path):
    background = [row | {"video_sim": 9.0, "cnt_per_video": 10} for row in rows(a=0.9)]
    content = {
        "imaging_quality": [0.65, rows(a=60.0, b=70.0)],
        "background_consistency": [0.9, background],
        "dynamic_degree": [1.0, rows(a=True)],
    }
    found = read_vbench(write(tmp_path / "run_eval_results.json", content))
    assert set(found) == {"imaging_quality", "background_consistency"}
    assert found["imaging_quality"].videos == {"a": 0.6, "b": 0.7}
    assert found["imaging_quality"].dataset == 0.65
    assert found["background_consistency"].num_pairs == {"a": 10}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"subject_consistency": [0.8, rows(a=18.7)]}, "stored sums over frame pairs"),
        ({"imaging_quality": [65.0, rows(a=60.0)]}, "of the data set"),
        ({"motion_smoothness": [0.9, rows(a=0.9) + rows(a=0.8)]}, "twice"),
        ({"motion_smoothness": {"a": 0.9}}, "as VBench writes it"),
        ({"motion_smoothness": [0.9, [{"video": "a"}]]}, "as VBench writes it"),
        ({"color": [0.5, []]}, "none of VBench's dimensions"),
        ([1, 2], "none of VBench's dimensions"),
    ],
)
def test_what_is_not_a_current_result_is_refused(content, message, tmp_path):
    with pytest.raises(MadanceError, match=message):
        read_vbench(write(tmp_path / "x.json", content))


def test_not_json(tmp_path):
    path = tmp_path / "x.json"
    path.write_text("nope")
    with pytest.raises(MadanceError, match="not valid JSON"):
        read_vbench(path)
