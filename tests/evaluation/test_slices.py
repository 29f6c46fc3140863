"""A run in parts: the parts are those of the music and the reference, and the numbers those of their clips."""

import numpy as np
import pytest
from click.testing import CliRunner

from evaluation.commands.slices import slices as command
from evaluation.comparison import load_run
from evaluation.protocol import load_protocol
from evaluation.scoring import score, write_scored
from evaluation.slices import read_slice_labels, slice_parts, slices
from madata.errors import MadanceError
from tests.evaluation.dancers import write_motion_set


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Eight dances against themselves."""
    root = tmp_path_factory.mktemp("slices")
    real = write_motion_set(root / "real", range(8), frames=160)
    write_scored(score(real, real, load_protocol("ma-bodies3d")), root / "run")
    return root


def test_a_part_has_the_numbers_of_its_clips(folder):
    run = load_run(folder / "run")
    labels = folder / "genre.csv"
    labels.write_text(
        "clip_id,genre\n" + "".join(f"m{n:03d},{'hip' if n < 3 else 'pop'}\n" for n in range(8))
    )
    found = slices(run, slice_parts(run, str(labels)))
    assert {part: count for part, (count, _) in found.items()} == {"hip": 3, "pop": 5}
    jerk = run.tables.prediction.scalars["jerk"]
    names = np.array(run.tables.prediction.clip_ids)
    for part, clips in (("hip", names < "m003"), ("pop", names >= "m003")):
        value = next(metric.value for metric in found[part][1] if metric.name == "jerk")
        assert value == pytest.approx(jerk[clips].mean())


def test_speed_is_that_of_the_reference_in_thirds_of_rising_speed(folder):
    run = load_run(folder / "run")
    parts = slice_parts(run, "speed")
    assert list(dict.fromkeys(parts.values())) == ["slow third", "middle third", "fast third"]
    found = slices(run, parts)
    means = [one.value for _, metrics in found.values() for one in metrics if one.name == "acceleration"]
    assert means[0] < means[2]


def test_what_cannot_be_sliced_is_said(folder, tmp_path):
    run = load_run(folder / "run")
    with pytest.raises(MadanceError, match="heard no music"):
        slice_parts(run, "tempo")
    with pytest.raises(MadanceError, match="did you mean 'tempo'"):
        slice_parts(run, "temp")
    (tmp_path / "wrong.csv").write_text("name,genre\nm000,hip\n")
    with pytest.raises(MadanceError, match="columns clip_id"):
        read_slice_labels(tmp_path / "wrong.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00clip_id")
    with pytest.raises(MadanceError, match=r"binary\.csv: not a readable CSV file"):
        read_slice_labels(tmp_path / "binary.csv")
    with pytest.raises(MadanceError, match="no clip of the run"):
        slices(run, {"other": "hip"})


def test_the_verb_prints_a_table(folder):
    done = CliRunner().invoke(command, [str(folder / "run"), "--by", "speed", "--metrics", "jerk,foot_slip"])
    assert done.exit_code == 0, done.output
    assert [line.split()[0] for line in done.output.splitlines()] == [
        "metric",
        *["jerk"] * 3,
        *["foot_slip"] * 3,
    ]
