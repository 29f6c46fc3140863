import json
import re
import shutil

import pytest

from madata.dataset.card import CardSettings, write_card
from madata.dataset.statistics import describe_dataset, write_statistics
from madata.errors import MadanceError
from madata.manifest import CLIP_COLUMNS, DROPPED_COLUMNS, SOURCE_COLUMNS, Column, write_table


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """60 clips of 6 s and 40 of 9 s from 25 sources in 20 groups; no media."""
    folder = tmp_path_factory.mktemp("tables") / "toy"
    folder.mkdir()
    clips = [
        {
            "clip_id": f"c{number:03d}",
            "source_id": f"s{number // 4:02d}",
            "group_id": f"g{number // 5:02d}",
            "start_s": 0.0,
            "end_s": 6.0,
            "fps": 30.0,
            "num_frames": 180,
            "duration_s": 6.0 if number < 60 else 9.0,
            "width": 720,
            "height": 1280 if number % 2 else 720,
            "split": "test" if number >= 95 else "train",
            "subset": "rendered" if number < 30 else "wild",
            "genre": "house" if number < 60 else "<b>waack|" if number < 90 else None,
            "has_audio": number != 7,
            "keypoints": f"keypoints/c{number:03d}.npz",
            "path": f"clips/c{number:03d}.mp4",
            "flow": number / 10,
            "tempo_bpm": 120.0 if number % 3 else None,
        }
        for number in range(100)
    ]
    write_table(folder / "clips.parquet", clips, {**CLIP_COLUMNS, "flow": Column("float64", "motion")})
    sources = [
        {
            "source_id": f"s{number:02d}",
            "status": "done",
            "duration_s": 360.0,
            "upload_date": f"20{number:02d}-05-01",
        }
        for number in range(25)
    ]
    sources.append({"source_id": "gone", "status": "removed", "duration_s": 0.0, "licence": "CC BY"})
    write_table(folder / "sources.parquet", sources, SOURCE_COLUMNS)
    dropped = [
        {"source_id": "s00", "start_s": 0.0, "end_s": 36.0, "stage": "people", "reason": "multi_person"}
    ] * 3
    write_table(folder / "dropped.parquet", dropped, DROPPED_COLUMNS)
    return folder


def test_everything_is_counted(folder):
    of = describe_dataset(folder)
    assert (of.whole.clips, of.whole.sources, of.whole.groups) == (100, 25, 20)
    assert of.whole.hours == pytest.approx((60 * 6 + 40 * 9) / 3600)
    assert {name: share.clips for name, share in of.genres.items()} == {
        "house": 60, "<b>waack|": 30, "unknown": 10,
    }  # fmt: skip
    assert [(name, share.clips) for name, share in of.splits.items()] == [("train", 95), ("test", 5)]
    assert (of.with_sound, of.with_keypoints, of.with_music) == (99, 100, 0)
    assert of.sources == {"done": 25, "removed": 1}
    assert of.source_hours == pytest.approx(2.5)
    assert of.dropped == (("people", "multi_person", 3, pytest.approx(0.03)),)
    assert of.sizes == {"720x720": 50, "720x1280": 50}
    assert of.years == ("2000", "2024")
    flow = next(one for one in of.distributions if one.column == "flow")
    assert (flow.known, sum(flow.counts)) == (100, 100)
    assert flow.median == pytest.approx(4.95)
    tempo = next(one for one in of.distributions if one.column == "tempo_bpm")
    assert (tempo.known, tempo.median) == (66, 120.0)


def test_a_page_shows_it_and_runs_nothing(folder, tmp_path):
    write_statistics(tmp_path / "page.html", "toy", describe_dataset(folder))
    page = (tmp_path / "page.html").read_text()
    assert "&lt;b&gt;waack" in page
    assert "<script" not in page
    assert page.count("<figure>") == 4


def test_every_count_of_the_card_follows_the_tables(folder):
    """The card of half the clips holds other numbers in every place, and no number of the whole."""
    write_card(folder, CardSettings(licence="cc-by-nc-4.0", contact="a@b.c"))
    text = (folder / "README.md").read_text()
    assert "100 clips of one dancer with music, 0.20 hours, cut from 25 sources in 20 groups" in text
    assert "| house | 60 | 0.10 | 15 | 12 |" in text
    assert "| &lt;b>waack\\| | 30 | 0.07 |" in text
    assert "1 of 26 sources were removed so far" in text
    assert "The genre house has 50% of the hours; 2 genres are named" in text
    assert re.search(
        r"Of 100 clips 1 have no sound, 0 no keypoints, 100 no music features, 10 no genre", text
    )


def test_croissant_is_valid_and_yields_records(folder):
    write_card(folder, CardSettings(licence="cc-by-nc-4.0", cite_as="Toy", published="2026-01-01"))
    described = json.loads((folder / "croissant.json").read_text())
    assert described["conformsTo"][0].endswith("/1.1")
    columns = {field["name"]: field for field in described["recordSet"][1]["field"]}
    assert columns["tempo_bpm"]["description"] == CLIP_COLUMNS["tempo_bpm"].meaning
    assert {name for name in described if name.startswith("rai:")} >= {
        "rai:dataCollection", "rai:dataBiases", "rai:dataLimitations", "rai:personalSensitiveInformation",
        "rai:dataReleaseMaintenancePlan",
    }  # fmt: skip
    croissant = pytest.importorskip("mlcroissant")
    loaded = croissant.Dataset(str(folder / "croissant.json"))
    assert not loaded.metadata.ctx.issues.errors
    assert not loaded.metadata.ctx.issues.warnings
    first = next(iter(loaded.records("clips")))
    assert first["clips/clip_id"] == b"c000"
    assert first["clips/duration_s"] == 6.0


def test_a_readme_of_others_is_not_lost(folder, tmp_path):
    for name in ("clips", "sources", "dropped"):
        shutil.copy(folder / f"{name}.parquet", tmp_path)
    write_card(tmp_path, CardSettings())
    write_card(tmp_path, CardSettings(version="1.1.0"))
    (tmp_path / "README.md").write_text("by hand")
    with pytest.raises(MadanceError, match="not written by this command"):
        write_card(tmp_path, CardSettings())
    assert (tmp_path / "README.md").read_text() == "by hand"
