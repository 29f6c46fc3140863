"""Tables, summary and report are made from the journal, entry by entry, also while a run goes on."""

import json
import weakref
from pathlib import Path

import pytest

from madata.curation.batch import curate, work_through
from madata.curation.journal import Entry, Journal
from madata.curation.publish import Publisher
from madata.curation.settings import load_config
from madata.curation.sources import Collection
from madata.engine import SILENT, Outcome, Watch
from madata.errors import MadanceError
from madata.manifest import read_table
from madata.types import Source

CONFIG = load_config()


def span(number):
    seconds = {"start_s": number * 5.0, "end_s": number * 5.0 + 5, "segment_s": 5.0}
    frames = {"start_frame": number * 150, "end_frame": number * 150 + 150}
    return {**frames, **seconds, "segment_start_frame": number * 150, "segment_end_frame": number * 150 + 150}


def entry(source_id, clips=2):
    kept = [
        {
            "clip_id": f"{source_id}-{number}",
            "source_id": source_id,
            **span(number),
            "duration_s": 5.0,
            "path": f"clips/{source_id}-{number}.mp4",
            "thumbnail": "thumbnails/gone.jpg",
            "flow": 1.0 + number,
        }
        for number in range(clips)
    ]
    dropped = [
        {
            "source_id": source_id,
            **span(9),
            "stage": "motion",
            "reason": "static",
            "message": "</script>",
            "flow": 0.1,
        }
    ]
    row = {
        "status": "done",
        "reason": None,
        "message": None,
        "duration_s": 50.0,
        "segments": 3,
        "clips": clips,
    }
    return Entry("done", row, kept, dropped)


def publisher(out, count, done, **options):
    sources = [
        Source(f"s{number:04d}", Path(f"/in/{number}.mp4"), f"{number:064d}") for number in range(count)
    ]
    journal = Journal(out, CONFIG.hash)
    for source in sources[:done]:
        journal.write(source.source_id, entry(source.source_id))
    names = {source.source_id: f"sub/{source.path.name}" for source in sources}
    found = Collection(
        tuple(sources), names, (("copy.mp4", "s0000"),), (("notes.txt", "no media"),), **options
    )
    return Publisher(out, sources, found, CONFIG), sources, found


def test_what_is_finished_is_published_and_the_rest_counted(tmp_path):
    about = {"s0001": {"url": "https://example.org/1"}}
    bad = (("bad.mp4.part", "unfinished", "a download that was not finished"),)
    made, _, _ = publisher(tmp_path, 5, 3, provenance=about, unusable=bad)
    made.crashed["s0003"] = "the worker process was ended by SIGSEGV"
    summary = made.publish()
    assert (summary.sources, summary.pending, summary.clips, summary.dropped, summary.failed) == (
        6,
        1,
        6,
        3,
        2,
    )
    assert summary.clips_s == 30.0 and summary.source_s == 150.0
    assert summary.ignored_files == ({"file": "notes.txt", "why": "no media"},)
    sources = read_table(tmp_path / "sources.parquet")
    assert sources["status"].tolist() == ["done", "done", "done", "failed", "duplicate", "failed"]
    assert sources["url"][1] == "https://example.org/1"
    assert read_table(tmp_path / "clips.parquet")["clip_id"].tolist()[:3] == ["s0000-0", "s0000-1", "s0001-0"]
    page = (tmp_path / "report.html").read_text()
    assert "1 source is still to be done" in page and "notes.txt" in page
    assert tmp_path.name not in page, "a page has the same bytes in a folder of any name"
    data = page.split('id="data">')[1].split("</script>")[0]
    rows = json.loads(data)
    assert len(rows["rows"]) == 9 and len(rows["sources"]) == 6
    assert rows["sources"][1][rows["sourceColumns"].index("file")] == "sub/1.mp4"


def test_tables_are_refreshed_while_a_run_goes_on(tmp_path, monkeypatch):
    made, sources, found = publisher(tmp_path, 3, 0)
    seen = []

    def publish(self):
        seen.append(len(Journal(tmp_path, CONFIG.hash).done()))

    monkeypatch.setattr(Publisher, "publish", publish)
    monkeypatch.setattr("time.monotonic", lambda: 1e9)
    journal = Journal(tmp_path, CONFIG.hash)

    def outcomes():
        for source in sources:
            journal.write(source.source_id, entry(source.source_id))
            yield Outcome(source, entry(source.source_id))

    work_through(outcomes(), len(sources), found, made, SILENT)
    assert seen == [1, 2], "the last one is published by the caller"


def test_entries_pass_by_one_at_a_time(tmp_path, monkeypatch):
    made, _, _ = publisher(tmp_path, 6, 6)
    alive, most = weakref.WeakSet(), []
    read = Journal.read

    def watched(journal, source_id):
        found = read(journal, source_id)
        alive.add(found)
        most.append(len(alive))
        return found

    monkeypatch.setattr(Entry, "__hash__", object.__hash__)
    monkeypatch.setattr(Journal, "read", watched)
    made.publish()
    assert len(most) == 6 and max(most) <= 2


def test_a_state_stands_in_the_name(tmp_path):
    journal = Journal(tmp_path, CONFIG.hash)
    journal.write("a", Entry("analysed", {"status": "done"}))
    assert journal.done() == set() and journal.read("a").state == "analysed"
    journal.write("a", entry("a"))
    assert journal.done() == {"a"} and journal.read("a") == entry("a")
    other = Journal(tmp_path, "other settings")
    assert other.done() == set() and other.read("a") is None
    other.write("a", entry("a", clips=0))
    other.remove_others()
    assert journal.read("a") is None and other.done() == {"a"}


@pytest.mark.parametrize(
    "text", ["{}", "[]", '{"version": 1}', '{"version": 2, "state": "done", "colour": 1}', "{"]
)
def test_a_journal_of_another_version_is_named(tmp_path, text):
    journal = Journal(tmp_path, CONFIG.hash)
    journal.write("a", entry("a"))
    (path,) = tmp_path.glob("journal/*/a.json")
    path.write_text(text)
    with pytest.raises(MadanceError, match=r"a\.json"):
        journal.read("a")


def test_sources_that_changed_or_went_are_named_and_leave_the_tables(tmp_path):
    """Their clips are not passed off as those of the files that lie there now; back with the file, they are back."""
    folder, out, said = tmp_path / "in", tmp_path / "out", []

    class Listener(Watch):
        def warn(self, line):
            said.append(line)

    def engine(steps, items, *, jobs, on_progress):
        for item in items:
            made = entry(item.source_id, clips=0)
            Journal(out, CONFIG.hash).write(item.source_id, made)
            yield Outcome(item, made)

    def curated():
        said.clear()
        curate([folder], out, config=CONFIG, engine=engine, watch=Listener())
        rows = read_table(out / "sources.parquet")
        return dict(zip(rows["file"], rows["source_id"], strict=True)), [
            line for line in said if "earlier" in line
        ]

    folder.mkdir()
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        (folder / name).write_text(f"made up: {name}")
    first, named = curated()
    assert sorted(first) == ["a.mp4", "b.mp4", "c.mp4"] and named == []
    assert curated() == (first, [])
    (folder / "a.mp4").write_text("made up: Z.mp4")
    (folder / "b.mp4").unlink()
    second, (line,) = curated()
    assert second.keys() == {"a.mp4", "c.mp4"} and second["a.mp4"] != first["a.mp4"]
    assert first["c.mp4"] not in line
    assert first["a.mp4"] in line and first["b.mp4"] in line
    (folder / "a.mp4").write_text("made up: a.mp4")
    (folder / "b.mp4").write_text("made up: b.mp4")
    third, (line,) = curated()
    assert third == first and second["a.mp4"] in line and first["a.mp4"] not in line
