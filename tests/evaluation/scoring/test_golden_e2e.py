"""A folder of files as the official script gets them, broken ones included, against what it prints."""

import json

import numpy as np
import pytest

from evaluation.options import Options
from evaluation.protocol import load_protocol
from evaluation.scoring import FEATURES_FILE, rescore, score, write_scored

pytest.importorskip("librosa")
OFFICIAL = load_protocol("mace2d-official")


@pytest.mark.golden
@pytest.mark.golden_files("motion/e2e_2d*/expected.json")
def test_the_official_script_is_reproduced_end_to_end(golden_file, tmp_path, golden_deviations):
    folder, expected = golden_file.parent, json.loads(golden_file.read_text())
    options = Options(cache=tmp_path / "cache")
    scored = score(folder / "pred", folder / "gt", OFFICIAL, music=folder / "audio", options=options)
    result = scored.result
    assert result.dataset.n_scored == expected["n_used"]
    for part in ("k", "g"):
        fid, div = result.metric(f"fid_{part}"), result.metric(f"div_{part}")
        near = abs(fid.value - expected[f"fid_{part}"])
        exact = abs(fid.value - expected[f"fid_{part}_eigh"]) if f"fid_{part}_eigh" in expected else np.inf
        relative = 1e-5 * abs(fid.value)
        full_rank = expected["n_used"] > 75
        assert near <= (1e-4 if full_rank else 4e-2) + relative or exact <= 1e-3 + relative
        assert div.value == pytest.approx(expected[f"div_{part}_pred"], rel=1e-5)
        assert div.reference == pytest.approx(expected[f"div_{part}_gt"], rel=1e-5)
        golden_deviations("e2e FID", min(near, exact))
        golden_deviations("e2e DIV (relative)", abs(div.value / expected[f"div_{part}_pred"] - 1))
    bas = result.metric("bas")
    assert bas.value == pytest.approx(expected["bas_pred"], abs=1e-6)
    assert bas.reference == pytest.approx(expected["bas_gt"], abs=1e-6)
    golden_deviations("e2e BAS", abs(bas.value - expected["bas_pred"]))
    found = [beats.astype(int).tolist() for beats in scored.features.prediction.music_beats]
    assert found == expected["music_beat_frames"]


@pytest.mark.golden
@pytest.mark.golden_files("motion/e2e_2d*/expected.json")
def test_what_the_official_script_skips_in_silence_is_listed(golden_file, tmp_path):
    folder, expected = golden_file.parent, json.loads(golden_file.read_text())
    options = Options(cache=tmp_path / "cache")
    scored = score(folder / "pred", folder / "gt", OFFICIAL, music=folder / "audio", options=options)
    result = scored.result
    stems = {path.stem for side in ("gt", "pred") for path in (folder / side).glob("*.json")}
    lost = {problem.clip_id for problem in result.errors if problem.dropped}
    assert stems - set(scored.features.prediction.clip_ids) == lost
    assert (result.status == "partial") == (len(stems) > expected["n_used"])
    write_scored(scored, tmp_path / "out")
    assert rescore(tmp_path / "out" / FEATURES_FILE)[0].metrics == result.metrics
