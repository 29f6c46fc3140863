"""Features survive the disk bit by bit, and a file that is none says so."""

import numpy as np
import pytest

from evaluation.features.motion.rows import Window, motion_rows
from evaluation.features.store import read_run, read_tables, write_run, write_tables
from evaluation.features.table import RunFeatures, concatenate
from evaluation.features.video.passes import video_row
from evaluation.features.video.scores import VideoScore
from evaluation.inputs.pose_files import JointTrack
from evaluation.protocol import load_protocol
from madata.errors import MadanceError, MediaError
from madata.files import read_npz, write_npz
from tests.evaluation.dancers import dance


def track(seed, **how):
    clip = dance(seed, **how)
    return JointTrack(clip[..., :2], clip[..., 2], "coco-25", 16.0, "-y", "x")


def features(count=4, definition="corrected"):
    return motion_rows([Window(f"c{seed}", 0, 0.0, track(seed)) for seed in range(count)], definition, {})


def same(first, second):
    assert first.columns.keys() == second.columns.keys() and first.names == second.names
    for name, column in first.columns.items():
        np.testing.assert_array_equal(column, second.columns[name], strict=True)
    assert first.ragged.keys() == second.ragged.keys()
    for name, rows in first.ragged.items():
        assert [row.tolist() for row in rows] == [row.tolist() for row in second.ragged[name]]


@pytest.mark.parametrize("definition", ["corrected", "mace2d"])
def test_features_come_back_bit_by_bit(tmp_path, definition):
    made = features(definition=definition)
    write_tables(tmp_path / "f.npz", {"prediction": made, "reference": made.take([0, 2])}, protocol="p")
    tables, facts = read_tables(tmp_path / "f.npz")
    assert facts == {"protocol": "p"}
    same(tables["prediction"], made)
    same(tables["reference"], made.take([0, 2]))


def videos():
    scores = {name: VideoScore(name, value, 5, 4) for name, value in (("psnr", 30.5), ("ssim", 0.25))}
    scores["lpips"] = VideoScore.undefined("lpips", 5, "no weights")
    logits = np.arange(3, dtype=np.float32)
    row = video_row("a", sha256="0f", frames=5, fps=24.0, size=(64, 48), scores=scores, logits=logits)
    return concatenate([row, video_row("b", fault=("truncated", "ends early"))])


def test_videos_come_back_bit_by_bit_with_their_reasons(tmp_path):
    run = RunFeatures(load_protocol("vbench"), videos={"prediction": videos()}, missing={"psnr": "why"})
    write_run(tmp_path / "f.npz", run)
    again = read_run(tmp_path / "f.npz")
    same(again.videos["prediction"], videos())
    assert (again.protocol, again.missing, again.no_motion) == (run.protocol, run.missing, run.no_motion)
    table = again.videos["prediction"]
    assert table.score("psnr").tolist()[0] == 30.5 and np.isnan(table.score("psnr")[1])
    assert table.samples("psnr").tolist() == [4, 0]
    assert table.reasons("lpips") == ("no weights", "ends early")
    assert table.scored_clips == ["a"] and np.isnan(table.logits[1]).all()


def test_files_that_call_a_prediction_generated_are_read(tmp_path):
    write_tables(
        tmp_path / "f.npz",
        {"video/generated": videos()},
        protocol=load_protocol("vbench").model_dump_json(),
        missing="[{}, null]",
    )
    same(read_run(tmp_path / "f.npz").videos["prediction"], videos())


def test_equal_features_make_equal_files(tmp_path):
    for name in "ab":
        write_tables(tmp_path / name, {"prediction": features()})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_clips_do_not_depend_on_their_neighbours():
    for definition in ("corrected", "mace2d"):
        alone = [features(4, definition).take([row]) for row in range(4)]
        same(concatenate(alone), features(4, definition))


def test_a_person_without_a_torso_is_refused():
    lost = track(0)
    lost.score[:, 6:15] = 0
    with pytest.raises(MediaError) as error:
        motion_rows([Window("a", 0, 0.0, lost)], "corrected", {})
    assert error.value.reason == "no_torso"


def test_what_is_no_features_file_is_refused(tmp_path):
    path = tmp_path / "f.npz"
    write_npz(path, nothing=np.zeros(3))
    with pytest.raises(MediaError, match="not a features file"):
        read_tables(path)
    write_tables(path, {"prediction": features()})
    arrays = read_npz(path)
    write_npz(path, **(arrays | {"prediction/kinetic": arrays["prediction/kinetic"][:-1]}))
    with pytest.raises(MediaError, match="4 clips, but columns"):
        read_tables(path)
    write_npz(path, **(arrays | {"prediction/kinetic": arrays["prediction/kinetic"].astype(np.str_)}))
    with pytest.raises(MediaError, match="column kinetic cannot be"):
        read_tables(path)
    with pytest.raises(MadanceError, match="no definition"):
        features(definition="lodg")


def test_a_run_must_hold_what_its_protocol_needs(tmp_path):
    path, protocol = tmp_path / "f.npz", load_protocol("ma-data-motion2d").model_dump_json()
    write_tables(path, {"prediction": features()})
    with pytest.raises(MediaError, match="by which protocol"):
        read_run(path)
    write_tables(path, {"prediction": features()}, protocol=protocol)
    with pytest.raises(MediaError, match="not a scored run"):
        read_run(path)
    write_tables(path, {"prediction": features()}, protocol=load_protocol("vbench").model_dump_json())
    with pytest.raises(MediaError, match="holds no videos"):
        read_run(path)
