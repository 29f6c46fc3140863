"""A dry run says what there is, what cannot be used and how long it takes, and writes nothing."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from madata.commands.curate import curate
from madata.curation.journal import Entry, Journal
from madata.curation.plan import Cost, plan
from madata.curation.settings import load_config
from madata.engine import Outcome
from madata.errors import MadanceError
from tests.media_builder import Recipe, build

CONFIG = load_config()


@pytest.fixture(scope="module")
def crawl(tmp_path_factory):
    folder = tmp_path_factory.mktemp("crawl")
    for seconds in (1, 2, 3, 4):
        build(folder / f"{seconds}.mp4", Recipe(num_frames=24 * seconds, size=(64, 64)))
    (folder / "text.mp4").write_text("no video")
    (folder / "late.mp4.part").write_bytes(b"x")
    (folder / "cover.jpg").write_bytes(b"x")
    return folder


@pytest.fixture
def measured(monkeypatch):
    """Names of the sources whose beginnings are curated; each takes 0.5 CPU s per second, the first one more."""
    taken = []

    def run(work, items, *, jobs, device):
        for number, source in enumerate(items):
            taken.append(source.path.name)
            seconds = float(source.path.stem)
            yield Outcome(source, (0.5 * seconds + (9 if number == 0 else 0), seconds))

    monkeypatch.setattr("madata.curation.plan.run", run)
    return taken


def test_what_there_is_and_what_it_costs(crawl, tmp_path, measured):
    found = plan([crawl], tmp_path / "out", config=CONFIG, jobs=1)
    assert found.seconds == pytest.approx(10, abs=0.2)
    assert [name for name, _ in found.unreadable] == ["text.mp4"]
    assert measured == ["1.mp4", "1.mp4", "3.mp4", "4.mp4"], (
        "the first twice: a worker's start is not counted"
    )
    assert found.cost == Cost(0.5, 8.0, 3)
    assert found.cost.hours(7200, 1) == 1.0
    assert not (tmp_path / "out").exists()


def test_what_is_done_is_not_to_do(crawl, tmp_path, measured):
    first = plan([crawl], tmp_path, config=CONFIG)
    journal = Journal(tmp_path, CONFIG.hash)
    for source in first.sources:
        if source.path.name != "2.mp4":
            journal.write(source.source_id, Entry("done", {}))
    measured.clear()
    rest = plan([crawl], tmp_path, config=CONFIG)
    assert (rest.done, measured) == (4, ["2.mp4", "2.mp4"])
    assert rest.seconds == pytest.approx(2, abs=0.1)
    journal.write(rest.sources[1].source_id, Entry("done", {}))
    assert plan([crawl], tmp_path, config=CONFIG).cost is None


def test_what_every_run_needs_is_missed_before_it(crawl, tmp_path, monkeypatch):
    def run(work, items, *, jobs, device):
        return [replace(Outcome(items[0]), error="blazepose is not on this machine", fatal=True)]

    monkeypatch.setattr("madata.curation.plan.run", run)
    with pytest.raises(MadanceError, match="not on this machine"):
        plan([crawl], tmp_path / "out", config=CONFIG)


def test_the_command_shows_it(crawl, tmp_path, measured):
    command = [str(crawl), "--out", str(tmp_path / "out"), "--dry-run", "--jobs", "1"]
    said = CliRunner().invoke(curate, command)
    assert said.exit_code == 0
    for word in (
        "ignored: 'cover.jpg'",
        "'late.mp4.part'",
        "'text.mp4'",
        "4 sources",
        "0.50 CPU s",
        "static_below",
    ):
        assert word in said.stdout
    told = json.loads(CliRunner().invoke(curate, [*command, "--json"]).stdout)
    assert len(told["problems"]) == 2 and told["ignored_files"] == [
        {"file": "cover.jpg", "why": "no media by its name"}
    ]
    assert told["cost"]["cpu_s_per_s"] == 0.5 and told["settings"]["motion"]["static_below"] == 0.35
