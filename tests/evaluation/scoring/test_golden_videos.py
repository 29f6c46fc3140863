"""From video files to the data set's numbers, against upstream's with its tiny encoders."""

import json

import numpy as np
import pytest

from evaluation.features import extractors
from evaluation.features.video.motion_smoothness import MotionSmoothness
from evaluation.features.video.one_pass import Panel
from evaluation.protocol import load_protocol
from evaluation.scoring import score
from tests.evaluation.features.video.test_golden_toy import toy_accumulators

pytestmark = pytest.mark.golden

COLUMNS = {
    "temporal_flickering": "tf",
    "motion_smoothness": "ms_blend",
    "subject_consistency": "sc_toy",
    "background_consistency": "bc_toy",
    "aesthetic_quality": "aq_toy",
    "imaging_quality": "iq_toy",
}


@pytest.fixture
def toy_panel(golden_companion, monkeypatch):
    with np.load(golden_companion("appearance/toy_encoders.npz")) as archive:
        encoders = {name: archive[name] for name in archive.files}

    def start(column):
        return lambda: toy_accumulators(encoders, ())[column]

    panel = Panel({name: start(column) for name, column in COLUMNS.items()})
    assert isinstance(panel.start["motion_smoothness"](), MotionSmoothness)
    monkeypatch.setattr(extractors, "load_panel", lambda *names, **options: panel)
    monkeypatch.setattr(extractors, "WEIGHTS", dict.fromkeys(COLUMNS, ()))


@pytest.mark.golden_files("appearance/vbench_toy_scores*.json")
def test_files_to_numbers(golden_file, golden_companion, golden_deviations, toy_panel, tmp_path):
    expected = json.loads(golden_file.read_text())
    cases = json.loads(golden_companion("appearance/cases.json").read_text())
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in expected["per_video"]:
        if cases.get(name, {}).get("derived_from"):
            continue
        kind = "videos_lossy" if name.endswith("_h264") else "videos"
        file = golden_companion(f"appearance/{cases.get(name, {}).get('file') or f'{kind}/{name}.mp4'}")
        (folder / f"{name}.mp4").symlink_to(file)
    if not list(folder.iterdir()):
        pytest.skip("every case is derived from another")
    scored = score(folder, None, load_protocol("vbench"))
    table = scored.features.videos["prediction"]
    for name, column in COLUMNS.items():
        for clip, found in zip(table.clip_ids, table.score(name), strict=True):
            wanted = expected["per_video"][clip][column]
            assert (wanted is None) == np.isnan(found), (clip, name)
            if wanted is not None:
                golden_deviations("appearance files to numbers", abs(found - wanted))
                assert found == pytest.approx(wanted, abs=2e-6), (clip, name)
