"""A filter and a pose backend from outside the tree: found in curate, its tables, its report and ``--set``."""

import json
import os
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from madata.manifest import read_table
from tests.madata.curation.conftest import FPS, SECONDS, SIZE
from tests.media_builder import Recipe

FILTER = '''
"""Drops what is filmed too far from the middle of the picture."""
import numpy as np
from madata.config import ClosedModel
from madata.curation.filter import Chart, Filter, Rejection
from madata.manifest import Column

class Settings(ClosedModel):
    farthest: float = 0.4

def measure(piece, settings):
    boxes = piece.people.boxes
    return {"off_centre": float(np.nanmean(np.abs((boxes[:, 0] + boxes[:, 2]) / 2 - 0.5)))}

def examine(piece, settings):
    value = measure(piece, settings)["off_centre"]
    if value > settings.farthest:
        return Rejection("off_centre", value, settings.farthest, f"{value:.2f} of the width off the centre")
    return None

FILTER = Filter(
    section="framing",
    settings=Settings,
    reasons={"off_centre": "the dancer is too far from the middle"},
    examine=examine,
    measure=measure,
    columns={"off_centre": Column("float64", "distance of the performer from the middle, share of the width")},
    charts=(Chart("off_centre", "Distance from the middle", "share of the width", "below", "farthest"),),
)
'''

BACKEND = '''
"""Somebody stands a little left of the middle, whatever the picture shows."""
import numpy as np
from madata.pose.base import Detections, Poses
from madata.skeletons import skeleton

class Scarecrow:
    skeleton = "coco-17"

    def __init__(self, *, weights, device, left=0.4):
        self.left = left
        self.identity = {"name": "scarecrow", "left": left}

    def detect(self, images):
        return [Detections(np.array([[0, 0, 9, 9]], np.float32), np.ones(1, np.float32), np.full(1, 99, np.float32))
                for _ in images]

    def estimate(self, images, people):
        rows = np.linspace(0.1, 0.9, 17)
        return [Poses(np.stack([np.full(17, self.left * image.shape[1]) + 3 * np.arange(17) % 5 + number % 7,
                                rows * image.shape[0]], -1)[None].astype(np.float32),
                      np.ones((1, 17), np.float32), np.ones(1, np.float32))
                for number, image in enumerate(images)]

BACKEND = Scarecrow
'''


@pytest.fixture(scope="module")
def outside(tmp_path_factory, film):
    """A folder to put on the path, with a distribution of one filter and one backend; and a film."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "framing_filter.py").write_text(FILTER)
    (folder / "scarecrow.py").write_text(BACKEND)
    info = folder / "outside-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[madance.filters]\nframing = framing_filter:FILTER\n[madance.pose]\nscarecrow = scarecrow:BACKEND\n"
    )
    film(folder / "in" / "a.mp4", Recipe(num_frames=FPS * SECONDS, fps=FPS, size=SIZE))
    return folder


def madance(outside, *arguments):
    """In a process of its own: what is installed there is not installed here."""
    environment = {**os.environ, "PYTHONPATH": str(outside)}
    command = [sys.executable, "-m", "madata.cli", *map(str, arguments), "--jobs", "1", "--json"]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=900)


@pytest.fixture(scope="module")
def kept(outside):
    """A folder made with both, and the run that made it."""
    settings = (
        'filters=["length", "motion", "people", "framing"]',
        "people.backend=scarecrow",
        "people.options.left=0.3",
        "motion.static_below=0",
    )
    out = outside / "kept"
    options = [part for setting in settings for part in ("--set", setting)]
    return out, madance(outside, "curate", outside / "in", "--out", out, *options)


def test_both_are_used_everywhere_with_no_edit(kept):
    out, run = kept
    assert run.returncode == 0, run.stderr
    clips = read_table(out / "clips.parquet")
    assert len(clips) == json.loads(run.stdout)["clips"] >= 1
    assert clips["off_centre"].between(0.15, 0.25).all()
    field = pq.read_schema(out / "clips.parquet").field("off_centre")
    assert b"share of the width" in field.metadata[b"meaning"]
    assert "Distance from the middle" in (out / "report.html").read_text()
    assert "farthest = 0.4" in (out / "settings.toml").read_text()


def test_its_threshold_is_a_setting_and_its_reason_a_row(outside, kept, tmp_path):
    run = madance(outside, "dataset", "decide", kept[0], "--out", tmp_path, "--set", "framing.farthest=0.01")
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["stages"] == [{"stage": "framing", "reason": "off_centre", "count": 1}]
    (row,) = read_table(tmp_path / "dropped.parquet").itertuples()
    assert (row.threshold, row.value) == (0.01, row.off_centre)
    assert row.value == pytest.approx(0.2, abs=0.05)
    refused = madance(outside, "dataset", "decide", kept[0], "--set", "framing.fartest=0.01")
    assert refused.returncode == 2
    assert "framing.farthest" in refused.stderr
