"""Both halves of Table 1 from one decode of each video."""

import pytest

from evaluation.features import keypoints as keypoints_module
from evaluation.features.store import read_run
from evaluation.features.video.scores import DIMENSIONS
from evaluation.options import Options
from evaluation.protocol import load_protocol
from evaluation.scoring import FEATURES_FILE, rescore, score, write_scored
from madata import pose
from madata.errors import MadanceError, WeightsError
from madata.manifest import read_table
from tests.evaluation.scoring.filmed import FPS, film, film_dancers
from tests.evaluation.scoring.makers import write

TABLE_ONE, MOTION_ALONE = load_protocol("ma-data-video"), load_protocol("ma-data-motion2d")


@pytest.fixture
def folders(tmp_path, monkeypatch):
    return film_dancers(tmp_path, monkeypatch)


def test_every_column_from_one_decode(folders, decodes, tmp_path):
    made, real, songs = folders
    scored = score(made, real, TABLE_ONE, music=songs)
    assert len(decodes) == 10 and set(decodes.values()) == {1}
    result = scored.result
    alone = score(made, real, MOTION_ALONE, music=songs).result
    assert set(decodes.values()) == {1}
    assert [metric.name for metric in result.metrics] == list(TABLE_ONE.metrics)
    for metric in alone.metrics:
        assert result.metric(metric.name) == metric
    flickering = result.metric("temporal_flickering")
    assert flickering.n == flickering.n_reference == 5 and flickering.reference is not None
    assert all(result.metric(name).reason for name in set(DIMENSIONS) - {"temporal_flickering"})
    assert result.status == "complete" and result.pose.prediction == result.pose.reference

    written = write_scored(scored, tmp_path / "out")
    measurement, _ = rescore(tmp_path / "out" / FEATURES_FILE)
    assert measurement.metrics == written.metrics
    kept = read_run(tmp_path / "out" / FEATURES_FILE)
    assert kept.prediction is not None and set(kept.videos) == {"prediction", "reference"}
    table = read_table(tmp_path / "out" / "samples.parquet")
    means = table.groupby(["metric", "clip_id"]).value.mean()
    for name, values in measurement.samples.items():
        assert means[name].to_dict() == pytest.approx(
            dict(zip(scored.features.prediction.clip_ids, values.tolist(), strict=True)), nan_ok=True
        )


def test_a_video_of_nobody_has_pictures_but_no_motion(folders, decodes):
    made, real, songs = folders
    write(made / "c1.mp4", film(None), FPS)
    result = score(made, real, TABLE_ONE, music=songs).result
    assert set(decodes.values()) == {1}
    assert (result.metric("temporal_flickering").n, result.metric("missing_rate").n) == (5, 4)
    assert [(one.clip_id, one.reason) for one in result.errors] == [("c1", "no_person")]
    assert (result.status, result.dataset.missing) == ("partial", ["c1"])


def test_a_broken_video_is_named_once(folders):
    made, real, songs = folders
    (made / "c1.mp4").write_text("no video")
    result = score(made, real, TABLE_ONE, music=songs).result
    assert [(one.clip_id, one.reason) for one in result.errors] == [("c1", "not_media")]
    assert (result.metric("temporal_flickering").n, result.metric("div_k").n) == (4, 4)


def test_without_a_reference_only_pictures_are_scored(folders):
    with pytest.raises(MadanceError, match="give --reference; --protocol vbench looks at the pictures alone"):
        score(folders[0], None, TABLE_ONE)
    result = score(folders[0], None, TABLE_ONE.only(["temporal_flickering"])).result
    assert result.metric("temporal_flickering").n == 5 and result.status == "complete"


def test_without_a_pose_backend_pictures_are_scored(folders, monkeypatch):
    def absent(*names, **options):
        raise WeightsError("the weights are in none of /home/me; run: madance weights fetch blazepose")

    monkeypatch.setattr(pose, "load", absent)
    monkeypatch.setattr(keypoints_module, "performer_of", None)
    result = score(folders[0], folders[1], TABLE_ONE, options=Options(backend="blazepose")).result
    assert result.metric("temporal_flickering").n == 5
    reason = result.metric("fid_k").reason
    assert "madance weights fetch blazepose" in reason and "/home/me" not in reason


def test_where_no_clip_has_a_motion_the_result_is_partial_and_names_them(folders):
    made, real, songs = folders
    for path in made.iterdir():
        write(path, film(None), FPS)
    result = score(made, real, TABLE_ONE, music=songs).result
    assert result.status == "partial" and result.metric("temporal_flickering").n == 5
    assert {(one.side, one.reason) for one in result.errors} == {("prediction", "no_person")}
    assert len(result.errors) == 5
