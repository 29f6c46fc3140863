"""A threshold is chosen by what it leaves, over made-up measurements of twenty sources."""

from pathlib import Path

import numpy as np
import pytest

from madata.config import to_toml
from madata.curation.decide import PieceJudge, measured_columns
from madata.curation.observations import observations_path, read_pieces
from madata.curation.settings import load_config, override
from madata.curation.target import Target, threshold_for
from madata.engine import Outcome
from madata.errors import ConfigError
from madata.files import write_npz
from madata.manifest import clip_columns, dropped_columns, write_table
from madata.types import Source

FPS = 10
CONFIG = load_config(
    overrides=['filters=["length", "motion"]', "windows.law=fixed", "motion.static_below=0.35"]
)
SPEEDS = [0.1 * number for number in range(1, 21)]


def observe(folder, source_id, speed, seconds=12):
    """One stretch in which everything moves at one speed."""
    times = np.arange(seconds * FPS + 1) / FPS
    pairs = np.arange(0, seconds, 0.5)
    flow = np.stack(
        [pairs, pairs + 0.1, *[np.full(len(pairs), value) for value in (speed, 0.0, speed)]], axis=1
    )
    arrays = {
        "span": np.array([0, seconds * FPS]),
        "size": np.array([216, 384]),
        "frame_times_s": times,
        "changes": np.full(seconds * FPS, 9, np.uint8),
        "picture": np.array([0, 0, 216, 384]),
        "bars": np.array(""),
        "flow": flow,
        "flow_grid": np.zeros((len(pairs), 4, 4), np.float16),  # no box could move more than the picture
    }
    named = {f"00000.{name}": array for name, array in arrays.items()}
    write_npz(observations_path(folder, source_id), source=np.array(f"/in/{source_id}.mp4"), **named)


def decided(folder, sources, config):
    clips, dropped = [], []
    for source in sources:
        judge = PieceJudge(source.source_id, out=None, config=config, framing=config.clip.encoding.framing)
        for piece in read_pieces(folder, source.source_id):
            judge(piece)
        clips += [row | {"duration_s": row["end_s"] - row["start_s"]} for row in judge.decisions.clips]
        dropped += judge.decisions.dropped
    return clips, dropped


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    (folder / "settings.toml").write_text(to_toml(CONFIG))
    sources = [Source(f"s{number:02d}", Path(f"/in/{number}.mp4"), "0") for number in range(len(SPEEDS))]
    for source, speed in zip(sources, SPEEDS, strict=True):
        observe(folder, source.source_id, speed)
    clips, dropped = decided(folder, sources, CONFIG)
    write_table(folder / "clips.parquet", clips, clip_columns(measured_columns(CONFIG)))
    write_table(folder / "dropped.parquet", dropped, dropped_columns(measured_columns(CONFIG)))
    return folder, sources, sum(row["duration_s"] for row in clips)


@pytest.fixture(autouse=True)
def one_process(monkeypatch):
    def run(function, items, *, jobs):
        return (Outcome(item, function(item, lambda amount: None)) for item in items)

    monkeypatch.setattr("madata.curation.target.run", run)


@pytest.mark.parametrize(
    ("target", "left"),
    [
        (Target.parse("10%", "motion.static_below", drop=True), 0.9),
        (Target.parse("50%", "motion.static_below"), 0.5),
        (Target.parse("60s", "motion.static_below"), 60 / 170),
        (Target.parse("200s", "motion.static_below"), 200 / 170),
        (Target.parse("100h", "motion.static_below"), 200 / 170),
        (Target.parse("0%", "motion.static_below"), 10 / 170),
    ],
)
def test_the_threshold_leaves_what_was_asked_for(data, target, left):
    folder, sources, now_s = data
    assert now_s == 170.0, "17 of 20 sources move, each gives two windows of 5 s"
    said = []
    setting = threshold_for(target, folder, sources, CONFIG, say=said.append)
    clips, _ = decided(folder, sources, override(CONFIG, [setting]))
    assert sum(row["duration_s"] for row in clips) == pytest.approx(left * now_s, abs=10.1)
    assert 1 <= len({line.split(" ")[0] for line in said}) == len(said) <= 5, "none is tried twice"


def test_a_threshold_that_is_none_is_named(data):
    folder, sources, _ = data
    config = override(CONFIG, ["motion.static_below=0.35"])
    with pytest.raises(ConfigError, match=r"motion\.static_bellow.*did you mean 'motion\.static_below'"):
        threshold_for(Target("motion.static_bellow", share=0.5), folder, sources, config)


@pytest.mark.parametrize(
    ("amount", "drop"),
    [("ten", False), ("10 %%", False), ("5h", True), ("120%", False), ("101%", True), ("", False)],
)
def test_what_is_no_amount_is_refused(amount, drop):
    with pytest.raises(ConfigError, match="--drop" if drop else "--keep"):
        Target.parse(amount, "motion.static_below", drop=drop)
