"""Whatever a package of others adds is found everywhere, with no edit of ours.

Each test lays down a distribution with entry points, as pip would, and looks for what it brings in every verb.
"""

import csv
import json
import re
import sys
import wave
from importlib import resources

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from evaluation.metrics.registry import find_metric, installed_metrics
from evaluation.protocol import load_protocol
from madata.cli import madance
from madata.errors import ConfigError
from madata.video import Decoder
from tests.evaluation.dancers import write_motion_set, write_set
from tests.evaluation.plugins import install_example
from tests.evaluation.scoring.makers import frames, write
from tests.plugins import distribution

METRICS = {
    "their_metrics.py": '''
        """A metric of single clips and a metric of sets, as a package of others brings them."""

        import numpy as np

        from evaluation.metrics.spec import MetricSpec


        def travel(clip):
            """Mean step of the joints, px per frame."""
            return float(np.linalg.norm(np.diff(clip.points, axis=0), axis=-1).mean())


        def gap(prediction, reference):
            """Distance of the mean poses."""
            return float(np.linalg.norm(prediction.geometric.mean(axis=0) - reference.geometric.mean(axis=0)))


        TRAVEL = MetricSpec(
            name="travel",
            version=3,
            label="Travel_px",
            title="Mean step of the joints, px per frame",
            needs=frozenset({"keypoints"}),
            direction="reference",
            unit="px",
            bounds=(0.0, np.inf),
            decimals=4,
            per_clip=travel,
        )
        POSE_GAP = MetricSpec(
            name="pose_gap",
            version=1,
            label="Gap",
            title="Distance of the mean poses",
            needs=frozenset({"keypoints"}),
            direction="lower",
            bounds=(0.0, np.inf),
            decimals=5,
            latex=r"$\\Delta$Pose",
            of_sets=gap,
        )
        ''',
}
POINTS = {
    "madance.metrics": {"travel": "their_metrics:TRAVEL", "pose_gap": "their_metrics:POSE_GAP"},
}


def run(*arguments, code=0):
    done = CliRunner().invoke(madance, [str(argument) for argument in arguments])
    assert done.exit_code == code, done.output + repr(done.exception)
    return done.stdout


def decoded(path):
    """(T, H, W, 3) of a small video."""
    with Decoder(path) as decoder:
        return np.stack([frame.scaled(decoder.info.size) for frame in decoder])


@pytest.fixture
def site(tmp_path, monkeypatch):
    """An empty folder on the path, for distributions."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("MADANCE_CACHE", str(tmp_path / "cache"))
    yield folder
    for name, module in list(sys.modules.items()):  # another test lays down other modules of these names
        if str(getattr(module, "__file__", None)).startswith(str(folder)):
            del sys.modules[name]


@pytest.fixture
def protocol(tmp_path):
    """A protocol file that asks for FID and for both metrics of others."""
    text = resources.files("evaluation").joinpath("protocols/ma-data-motion2d.toml").read_text("utf-8")
    text = text.replace('name = "ma-data-motion2d"', 'name = "their-protocol"')
    text = text.replace("resamples = 400", "resamples = 100")
    path = tmp_path / "their-protocol.toml"
    path.write_text(re.sub(r"\[metrics\][^\[]*", "[metrics]\nfid_k = 1\ntravel = 3\npose_gap = 1\n", text))
    return path


@pytest.fixture
def scored(site, protocol, tmp_path):
    """Two systems, of which ``lazy`` moves a third as far, scored by the protocol."""
    distribution(site, "their-package", POINTS, METRICS)
    real = write_set(tmp_path / "real", range(12))
    for name, how in (("lively", {}), ("lazy", {"movement": 0.3})):
        made = write_set(tmp_path / f"{name}-clips", range(100, 112), **how)
        run(
            "score",
            made,
            "--reference",
            real,
            "--protocol",
            protocol,
            "--out",
            tmp_path / name,
            "--system",
            name,
        )
    return tmp_path


def test_a_metric_of_others_is_scored_and_scored_again(scored, protocol):
    result = json.loads((scored / "lively" / "result.json").read_text())
    found = {metric["name"]: metric for metric in result["metrics"]}
    assert list(found) == ["fid_k", "travel", "pose_gap"]
    travel, gap = found["travel"], found["pose_gap"]
    assert travel["unit"] == "px" and travel["version"] == 3 and travel["n"] == 12
    assert travel["ci95"][0] < travel["value"] < travel["ci95"][1] and travel["reference"] > 0
    assert travel["higher_is_better"] is None and gap["higher_is_better"] is False
    assert gap["n"] == gap["n_reference"] == 12
    assert gap["ci_method"] == "block-jackknife" and gap["noise_floor"] > 0
    samples = pd.read_parquet(scored / "lively" / "samples.parquet")
    values = samples[samples["metric"] == "travel"]["value"]
    assert len(values) == 12 and values.mean() == pytest.approx(travel["value"])
    again = run("score", scored / "lively" / "features.npz")
    assert "to the last bit" in again and "pose_gap" in again
    shown = run("score", scored / "lively-clips", "--reference", scored / "real", "--protocol", protocol)
    assert re.search(r"travel .* nearer", shown) and re.search(r"pose_gap .* lower", shown)


def test_a_metric_of_others_is_compared(scored):
    document = json.loads(run("compare", scored / "lively", scored / "lazy", "--json"))
    found = {one["metric"]: one for one in document["metrics"]}
    assert list(found) == ["fid_k", "travel", "pose_gap"]
    assert found["travel"]["verdict"] == "better" and found["travel"]["difference"] < 0
    assert found["pose_gap"]["low"] <= found["pose_gap"]["difference"] <= found["pose_gap"]["high"]
    assert "travel*" in run("compare", scored / "lively", scored / "lazy")


def test_a_metric_of_others_is_in_every_table(scored):
    command = ("table", scored / "lively", scored / "lazy", "--task", "video", "--extra")
    lines = run(*command).splitlines()
    head = next(line for line in lines if line.startswith("| System"))
    assert r"Travel\_px →" in head and "Gap ↓" in head
    lively, lazy = (
        next(line for line in lines if line.startswith(f"| {name}")) for name in ("lively", "lazy")
    )
    column = head.split(" | ").index(r"Travel\_px →")
    cells = [line.split(" | ")[column] for line in (lively, lazy)]
    assert re.match(r"\*\*\d\.\d{4}\*\*", cells[0]) and "**" not in cells[1]
    latex = run(*command, "--format", "latex")
    assert r"Travel$_{\mathrm{px}}$$\rightarrow$" in latex and r"$\Delta$Pose$\downarrow$" in latex
    rows = list(csv.DictReader(run(*command, "--format", "csv").splitlines()))
    by_name = {row["system"]: row for row in rows}
    assert float(by_name["lively"]["travel"]) > float(by_name["lazy"]["travel"]) > 0
    assert by_name["lively"]["travel_mark"] == "best" and float(by_name["lazy"]["pose_gap_high"]) > 0
    assert "travel" in run(*command, "--sort", "travel", "--format", "csv")


def test_a_metric_of_others_is_on_the_page(scored):
    run("site", scored / "lively", scored / "lazy", "--out", scored / "page")
    page = (scored / "page" / "index.html").read_text()
    assert "Travel<sub>px</sub>" in page and "Distance of the mean poses" in page
    table = json.loads((scored / "page" / "data" / "video.json").read_text())
    columns = {column["metric"]: column for column in table["columns"]}
    assert columns["travel"]["direction"] == "reference" and columns["pose_gap"]["direction"] == "lower"
    rows = [row for section in table["sections"] for row in section["rows"] if row["name"] == "lively"]
    assert rows[0]["level"] == 1, "its numbers are computed again for the page"


def test_a_metric_of_others_is_listed(scored):
    assert re.search(r"pose_gap +1 +lower", run("metrics"))
    found = {entry["name"]: entry for entry in json.loads(run("metrics", "--json"))}
    assert found["travel"]["from"] == "their_metrics:TRAVEL of their-package 1.0"
    assert found["fid_k"]["from"] == "evaluation.metrics"


def test_its_results_are_shown_where_it_is_not_installed(scored, site, monkeypatch):
    monkeypatch.setattr("sys.path", [folder for folder in sys.path if folder != str(site)])
    assert "travel" in run("table", scored / "lively", "--task", "video", "--extra")
    with pytest.raises(ConfigError, match=r"travel version 3; this build has no such metric"):
        from evaluation.scoring import rescore

        rescore(scored / "lively" / "features.npz")


def test_a_broken_metric_is_listed_with_its_error_and_harms_nobody(site, protocol, tmp_path):
    modules = {
        "broken_metric.py": "import not_installed_anywhere\n",
        "strange_metric.py": "THING = 3\n",
        "vague_metric.py": """
            from evaluation.metrics.spec import MetricSpec
            MINE = MetricSpec("vague", 1, "V", "Vague", frozenset({"smell"}), "up", per_clip=len)
            """,
    }
    names = {"broken": "broken_metric:SPEC", "strange": "strange_metric:THING", "vague": "vague_metric:MINE"}
    distribution(site, "bad-package", {"madance.metrics": names}, modules)
    errors = {entry.name: entry.error for entry in installed_metrics() if entry.error}
    assert "broken_metric:SPEC of bad-package 1.0" in errors["broken"]
    assert "not_installed_anywhere" in errors["broken"]
    assert "int, not a MetricSpec" in errors["strange"]
    assert "needs, direction, per_clip cannot be used" in errors["vague"]
    assert "broken: broken_metric:SPEC" in run("metrics")
    real = write_set(tmp_path / "real", range(5))
    run("score", real, "--reference", real)
    protocol.write_text(protocol.read_text().replace("travel = 3", "broken = 1"))
    with pytest.raises(ConfigError, match=r"metric broken: broken_metric:SPEC .* cannot be imported"):
        find_metric("broken")


@pytest.mark.parametrize("taken", ["fid_k", "travel"])
def test_a_name_taken_twice_is_an_error_that_names_both(site, taken):
    distribution(site, "one", {"madance.metrics": {taken: "one_metric:A"}}, {"one_metric.py": "A = 1\n"})
    distribution(site, "two", {"madance.metrics": {taken: "two_metric:B"}}, {"two_metric.py": "B = 1\n"})
    with pytest.raises(
        ConfigError, match=r"taken twice: .*one_metric:A of one 1.0 and by two_metric:B of two"
    ):
        find_metric(taken)


PICTURES = {
    "their_pictures.py": """
        import numpy as np

        from evaluation.metrics.spec import MetricSpec


        class Brightness:
            def __init__(self):
                self.sums, self.frames = 0.0, 0

            def update(self, frame):
                self.sums += frame.mean()
                self.frames += 1

            def compute(self):
                return self.sums / self.frames


        class Vandal:
            def update(self, frame):
                frame[:] = 0

            def compute(self):
                return 0.0


        class Still(Brightness):
            def compute(self):
                raise ValueError("nothing moves")


        def spec(name, made):
            return MetricSpec(
                name, 2, name.capitalize(), name, frozenset({"pictures"}), "none", bounds=(0.0, 255.0), per_video=made
            )


        BRIGHTNESS, VANDAL, STILL = (spec(*pair) for pair in (
            ("brightness", Brightness), ("vandal", Vandal), ("still", Still)))
        """,
}


def test_a_metric_of_the_pictures_of_others_sees_every_frame_and_spoils_none(site, tmp_path):
    names = ("brightness", "vandal", "still")
    points = {name: f"their_pictures:{name.upper()}" for name in names}
    distribution(site, "their-pictures", {"madance.metrics": points}, PICTURES)
    text = resources.files("evaluation").joinpath("protocols/vbench.toml").read_text("utf-8")
    asked = "temporal_flickering = 1\n" + "".join(f"{name} = 2\n" for name in names)
    path = tmp_path / "pictures.toml"
    path.write_text(
        re.sub(r"\[metrics\][^\[]*", f"[metrics]\n{asked}", text.replace('"vbench"', '"theirs"', 1))
    )
    for number in range(12):
        write(tmp_path / "films" / f"v{number}.mp4", frames(number, count=6))
    # two of the metrics have no value, so that the result is partial
    run("score", tmp_path / "films", "--protocol", path, "--out", tmp_path / "out", code=1)
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    found = {metric["name"]: metric for metric in result["metrics"]}
    expected = np.mean([decoded(tmp_path / "films" / f"v{number}.mp4").mean() for number in range(12)])
    assert found["brightness"]["value"] == pytest.approx(expected)
    assert found["brightness"]["ci95"][0] < expected < found["brightness"]["ci95"][1]
    assert (
        "vandal failed: ValueError" in found["vandal"]["reason"] or "read-only" in found["vandal"]["reason"]
    )
    assert found["still"]["reason"] == "nothing moves"
    assert found["temporal_flickering"]["value"] < 1
    assert "to the last bit" in run("score", tmp_path / "out" / "features.npz")
    assert "Brightness" in run("table", tmp_path / "out", "--task", "video", "--extra", "--partial")


def test_a_system_a_protocol_and_a_metric_of_others_go_together_from_music_to_the_table(site, tmp_path):
    install_example(site)
    distribution(site, "their-package", POINTS, METRICS)
    data, clips = tmp_path / "data", [f"m{number:03d}" for number in range(8)]
    data.mkdir()
    for clip in clips:
        with wave.open(str(data / f"{clip}.wav"), "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", "not compressed"))
            file.writeframes(bytes(2 * 2 * 8000))
    assert "stepdance" in run("systems")
    run("generate", "stepdance", "--data", data, "--out", tmp_path / "made")
    text = resources.files("evaluation").joinpath("protocols/finedance-motion3d.toml").read_text("utf-8")
    for old, new in (('"finedance-motion3d"', '"their-steps"'), ("duration_s = 5.0", "duration_s = 1.0")):
        assert old in text
        text = text.replace(old, new, 1)
    path = tmp_path / "steps.toml"
    path.write_text(re.sub(r"\[metrics\][^\[]*", "[metrics]\nfsr = 1\ntravel = 3\npose_gap = 1\n", text))
    real = write_motion_set(tmp_path / "real", range(8), frames=60)
    run("score", tmp_path / "made", "--reference", real, "--protocol", path, "--out", tmp_path / "scores")
    result = json.loads((tmp_path / "scores" / "result.json").read_text())
    assert result["system"]["name"] == "stepdance" and result["protocol"]["name"] == "their-steps"
    assert [metric["name"] for metric in result["metrics"]] == ["fsr", "travel", "pose_gap"]
    assert all(metric["value"] is not None for metric in result["metrics"][1:])
    table = run("table", tmp_path / "scores", "--task", "motion", "--extra")
    assert (
        f"their-steps v{result['protocol']['version']}" in table
        and "Travel" in table
        and "stepdance" in table
    )


def test_a_metric_of_others_that_fails_says_so_and_the_others_are_measured(site, protocol, tmp_path):
    modules = dict(METRICS)
    modules["their_metrics.py"] = METRICS["their_metrics.py"].replace(
        "return float(np.linalg.norm(prediction", "return 1 / 0 + float(np.linalg.norm(prediction"
    )
    distribution(site, "their-package", POINTS, modules)
    real = write_set(tmp_path / "real", range(6))
    document = json.loads(
        run("score", real, "--reference", real, "--protocol", protocol, "--json", "--out", tmp_path / "out")
    )
    found = {metric["name"]: metric for metric in document["metrics"]}
    assert found["pose_gap"]["value"] is None and "ZeroDivisionError" in found["pose_gap"]["reason"]
    assert found["fid_k"]["value"] == pytest.approx(0, abs=1e-9) and found["travel"]["value"] > 0


def test_what_a_protocol_cannot_measure_is_refused_by_name(site, protocol, tmp_path):
    for name, needs in (("fsr", "motion"), ("imaging_quality", "pictures"), ("lpips", "pairs")):
        text = re.sub(r"travel = 3", f"{name} = 1", protocol.read_text())
        path = tmp_path / f"{name}.toml"
        path.write_text(text.replace("pose_gap = 1\n", ""))
        with pytest.raises(ConfigError, match=f"asks for {name}, which needs {needs}"):
            from evaluation.metrics.registry import check_metrics

            check_metrics(load_protocol(str(path)))
