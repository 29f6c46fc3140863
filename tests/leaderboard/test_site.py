"""The page: everything is there, everything foreign is text, and it works in a real browser from a file."""

import csv
import html.parser
import json
import re
import shutil

import pytest
from click.testing import CliRunner

from evaluation.result import Generation, read_result
from leaderboard.board import build_board
from leaderboard.commands.site import site as command
from leaderboard.dances import pack_dances
from leaderboard.entries import read_entries
from leaderboard.figures import axis, pareto_front, pareto_plot, points_of
from leaderboard.layout import columns_of
from leaderboard.site import SiteOptions, build_site, safe_link
from leaderboard.tables import Cell, Row
from leaderboard.ties import clip_scores
from madata.errors import MadanceError
from madata.motion.formats import write_motion
from madata.synthetic.dance import make_dance
from tests.leaderboard.browser import Browser, find_chromium
from tests.leaderboard.runs import change, change_metric

HOSTILE = '\u202e\x1b[2J\x00</script><script>window.hacked=1</script><img src=x onerror="window.hacked=1">\' {{ 7*7 }}'
NAMES = ("ground-truth", "good", "alike", "stiff", "official", "part")


def make(runs, *names, **options):
    page = build_site(
        read_entries([runs / name for name in names or NAMES]), runs / "site", SiteOptions(**options)
    )
    return page.read_text("utf-8")


class Found(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.elements = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def of(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def test_the_page_holds_tables_figures_protocols_and_links(runs):
    text = make(runs)
    found = Found(text)
    assert [one["data-task"] for one in found.of("table") if "data-task" in one] == [
        "video",
        "motion",
        "animation",
    ]
    assert "mace2d-official" in text
    assert read_entries([runs / "good"])[0].result.protocol.sha256 in text
    links = {attributes["href"] for attributes in found.of("a") if attributes["href"].startswith("results/")}
    assert len(links) == 18
    assert all((runs / "site" / link).is_file() for link in links)
    table = json.loads((runs / "site" / "data" / "video.json").read_text())
    assert table["schema"] == "madance.table/1"
    levels = [row["level"] for section in table["sections"][1:] for row in section["rows"]]
    assert levels == [1] * 6


def test_the_page_asks_for_nothing(runs):
    found = Found(make(runs))
    assert not [tag for tag, attributes in found.elements if "src" in attributes]
    assert {tag for tag, _ in found.elements}.isdisjoint(
        {"link", "iframe", "object", "embed", "base", "form", "img"}
    )
    assert not [
        attributes for _, attributes in found.elements if any(name.startswith("on") for name in attributes)
    ]
    assert not [attributes for _, attributes in found.elements if "style" in attributes]


@pytest.fixture
def hostile(runs):
    result = read_result(runs / "good" / "result.json")
    card = {
        "paper": "javascript:alert(1)",
        "url": 'https://example.org/a?b="><script>',
        "notes": HOSTILE,
        "licence": [HOSTILE],
        "training_data": [HOSTILE],
    }
    system = result.system.model_copy(
        update={
            "name": HOSTILE,
            "version": HOSTILE,
            "card": card,
            "code": {"url": "https://example.org/code"},
        }
    )
    change(runs / "good", system=system, warnings=[HOSTILE])
    for name in ("good", "stiff", "ground-truth"):
        result = read_result(runs / name / "result.json")
        dataset = result.dataset.model_copy(update={"split": HOSTILE, "name": HOSTILE})
        pose = result.pose.model_copy(update={"prediction": HOSTILE, "reference": HOSTILE})
        change(runs / name, dataset=dataset, pose=pose)
    change_metric(runs / "good", "fid_k", caution=HOSTILE)
    return runs


def test_foreign_text_is_text(hostile):
    text = make(hostile, "good", "stiff", title=HOSTILE)
    found = Found(text)
    assert [one for one in found.of("script") if one.get("type") != "application/json"] == [{}]
    assert not found.of("img")
    assert "49" not in text.split("<main")[0]
    assert all(sign.isprintable() or sign == "\n" for sign in text)
    addresses = {
        attributes["href"]
        for attributes in found.of("a")
        if not attributes["href"].startswith(("#", "results/", "data/"))
    }
    assert addresses == {"https://example.org/code"}


@pytest.mark.parametrize(
    "text",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:1",
        "data:text/html,x",
        "file:///etc/passwd",
        "//example.org",
        "http://",
        "https://a@b.org",
        "https://a b",
        " https://a.org",
        "https://a.org\n",
        "https://[",
        "vbscript:x",
        7,
        None,
    ],
)
def test_only_plain_addresses_are_links(text):
    assert safe_link(text) is None
    assert safe_link("https://example.org/a?b=c#d") == "https://example.org/a?b=c#d"


def test_a_number_that_does_not_come_out_of_the_features_loses_its_badge(runs):
    change_metric(runs / "good", "fid_k", value=0.5)
    result = read_result(runs / "stiff" / "result.json")
    change(runs / "stiff", verification=result.verification.model_copy(update={"level": 3, "by": "me"}))
    text = make(runs, "good", "stiff")
    assert "the result says value 0.5" in text
    assert "states level 3, by me" in text
    rows = json.loads((runs / "site" / "data" / "video.json").read_text())["sections"][1]["rows"]
    assert {row["name"]: row["level"] for row in rows} == {"good": 0, "stiff": 1}


def test_changed_features_are_not_linked_and_said(runs):
    (runs / "good" / "features.npz").write_bytes(b"x")
    run = CliRunner().invoke(command, [str(runs / "good"), "--out", str(runs / "site"), "--json"])
    assert run.exit_code == 1
    text = (runs / "site" / "index.html").read_text()
    assert "changed_features" in text
    assert not list((runs / "site").rglob("features.npz"))


@pytest.mark.parametrize("other", [{"device": "b"}, {"batch": 8}], ids=["device", "clips at once"])
def test_frames_per_second_are_compared_among_their_like_only(runs, other):
    for name, differs in (("good", {}), ("stiff", {}), ("alike", other)):
        how = {"run_seed": 0, "device": "a", "dtype": "float32", "wall_s": 1, "frames_per_s": len(name)}
        change(runs / name, generation=Generation(**how | differs))
    board = build_board(
        "video", read_entries([runs / name for name in ("good", "stiff", "alike")]), extra=True
    )
    cells = {row.name: row.cells["fps"] for row in board.table.sections[1].rows}
    assert cells["stiff"].mark == "best"
    assert "not ranked" in cells["alike"].unranked
    assert ("8 clips at once" in cells["alike"].notes[0]) is ("batch" in other)


def test_a_folder_of_somebody_else_is_left_alone(runs):
    make(runs, "good")
    make(runs, "good")
    (runs / "site" / "index.html").write_text("<h1>my page</h1>")
    (runs / "paper").mkdir()
    (runs / "paper" / "index.tex").write_text("mine")
    entries = read_entries([runs / "good"])
    for folder in ("site", "paper"):
        with pytest.raises(MadanceError, match="no page of `madance site`"):
            build_site(entries, runs / folder)
    assert (runs / "site" / "index.html").read_text() == "<h1>my page</h1>"
    assert [path.name for path in (runs / "paper").iterdir()] == ["index.tex"]


def test_videos_of_nobody_are_an_error(runs):
    with pytest.raises(MadanceError, match="nobody"):
        make(runs, "good", media={"nobody": runs})
    with pytest.raises(MadanceError, match="no video"):
        make(runs, "good", media={"good": runs / "music"})


def test_axes_are_round_and_hold_their_values():
    for values in ([0.0, 1.0], [15.6, 1583.0], [0.526, 0.498], [3.0, 3.0], [-2.0, 5.0]):
        found = axis(values)
        assert found.low <= min(values) <= max(values) <= found.high
        assert 2 <= len(found.ticks) <= 12


def test_the_pareto_front_is_what_nothing_beats(runs):
    across, up = columns_of("video")[6], columns_of("video")[-1]
    values = {"a": (1, 0.2), "b": (2, 0.5), "c": (3, 0.4), "d": (9, 0.9)}
    rows = tuple(
        Row(name, name, "system", {"fid_k": Cell(float(x)), "bas": Cell(y)})
        for name, (x, y) in values.items()
    )
    section = build_board("video", []).table.sections[0]
    section = section.__class__("s", (), rows)
    front = pareto_front(points_of(section, across, up), across, up)
    assert [point.row.name for point in front] == ["a", "b", "d"]
    assert pareto_plot(section, across, up).count("<circle") == 4


needs_browser = pytest.mark.skipif(find_chromium() is None, reason="no chromium")


@pytest.fixture
def browser(tmp_path):
    found = Browser(tmp_path / "profile")
    found.size(1360, 900)
    yield found
    found.close()


BODIES = "[...document.querySelectorAll('#video tbody')].map(body => [...body.querySelectorAll('tr:not(.section)')]"
COLUMN = BODIES + ".map(row => row.cells[{}].dataset.v ?? null))"
PLAYS = "document.querySelector('#play').getAttribute('aria-label')"
NAMES_OF = BODIES + ".map(row => row.dataset.row))"
CHANGE = "{{ const it = document.querySelector('{}'); it.value = '{}'; it.dispatchEvent(new Event('{}')); }}"


@needs_browser
@pytest.mark.slow
def test_sorting_in_a_browser(runs, browser):
    make(runs)
    browser.open(runs / "site" / "index.html")
    head = "document.querySelector('#video thead button[data-sort=\"{}\"]')"
    place = head + ".parentElement.cellIndex"
    for column, first_up in (("fid_k", True), ("bas", False)):
        for up in (first_up, not first_up):
            browser.run(head.format(column) + ".click()")
            state = browser.run(head.format(column) + ".parentElement.getAttribute('aria-sort')")
            assert state == ("ascending" if up else "descending")
            for values in browser.run(COLUMN.format(browser.run(place.format(column)))):
                there = [float(value) for value in values if value is not None]
                assert there == sorted(there, reverse=not up)
                assert values[: len(there)] == [value for value in values if value is not None]
    before = browser.run(NAMES_OF)
    browser.run(head.format("name") + ".focus()")
    browser.press("Enter", "Enter", 13)
    browser.run(head.format("name") + ".click()")
    after = browser.run(NAMES_OF)
    assert [sorted(rows) for rows in before] == [sorted(rows) for rows in after]
    assert browser.errors == []
    assert [url for url in browser.requests if not url.startswith("file://")] == []
    assert len(browser.requests) == 1


@needs_browser
@pytest.mark.slow
def test_controls_in_a_browser(runs, browser):
    make(runs)
    browser.open(runs / "site" / "index.html")
    visible = "[...document.querySelectorAll('#video {}')].filter(e => e.offsetParent !== null).length"
    assert browser.run(visible.format(".board .extra")) == 0
    browser.run("document.querySelector('#video [data-show=extra]').click()")
    assert browser.run(visible.format(".board .extra")) > 0
    browser.run("document.querySelector('#video [data-show=reported]').click()")
    assert browser.run(visible.format("tbody.reported tr")) == 0
    browser.run(CHANGE.format("#find", "sti", "input"))
    assert browser.run(visible.format("tbody.measured tr:not(.section)")) == 1
    browser.run("document.querySelector('#video tbody.measured .note').click()")
    assert browser.run("!document.querySelector('#pop').hidden")
    browser.press("Escape", "Escape", 27)
    assert browser.run("document.querySelector('#pop').hidden")
    before = browser.run("document.querySelector('.draw').textContent")
    browser.run(CHANGE.format("[data-axis=up]", "div_g", "change"))
    after = browser.run("document.querySelector('.draw').textContent")
    assert "DIV g" in after
    assert before != after
    for theme in ("light", "dark"):
        browser.run("document.querySelector('#theme').click()")
        assert browser.run("document.documentElement.dataset.theme") == theme
    for width in (360, 390, 820):
        browser.size(width, 800, phone=True)
        browser.wait(0.2)
        assert browser.run("document.documentElement.scrollWidth - innerWidth") <= 0
    assert browser.errors == []


@needs_browser
@pytest.mark.slow
def test_the_script_draws_what_python_draws(runs, browser):
    make(runs)
    browser.open(runs / "site" / "index.html")
    place = "['cx', 'cy'].map(name => Number(dot.getAttribute(name)))"
    dots = f"[...document.querySelectorAll('.draw circle')].map(dot => {place})"
    ours = browser.run(dots)
    browser.run("document.querySelector('[data-axis=up]').dispatchEvent(new Event('change'))")
    theirs = browser.run(dots)
    assert len(ours) == len(theirs) > 1
    for first, second in zip(sorted(ours), sorted(theirs), strict=True):
        assert first == pytest.approx(second, abs=0.06)


@needs_browser
@pytest.mark.slow
def test_hostile_results_run_nothing_in_a_browser(hostile, browser):
    make(hostile, "good", "stiff", "ground-truth", title=HOSTILE)
    browser.open(hostile / "site" / "index.html")
    browser.run("document.querySelectorAll('.note').forEach(note => note.click())")
    browser.run("document.querySelector('[data-axis=up]').dispatchEvent(new Event('change'))")
    browser.wait(0.3)
    assert browser.run("window.hacked === undefined")
    assert browser.run("document.querySelectorAll('img').length") == 0
    assert browser.run("document.querySelector('.draw').textContent.includes('</script>')")
    assert browser.errors == []
    assert len(browser.requests) == 1


def write_videos(folder, clips, shade):
    av = pytest.importorskip("av")
    np = pytest.importorskip("numpy")
    folder.mkdir(parents=True)
    for clip in clips:
        with av.open(str(folder / f"{clip}.mp4"), "w") as container:
            stream = container.add_stream("libx264", rate=16)
            stream.width = stream.height = 64
            stream.pix_fmt = "yuv420p"
            for number in range(24):
                image = np.full((64, 64, 3), shade, np.uint8)
                image[:, : number * 2] = 255
                for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
                    container.mux(packet)
            for packet in stream.encode():
                container.mux(packet)


@needs_browser
@pytest.mark.slow
def test_playing_side_by_side_in_a_browser(runs, browser):
    for name, shade in (("ground-truth", 30), ("good", 90), ("stiff", 150)):
        write_videos(runs / name / "videos", ("c000", "c001"), shade)
    shutil.move(runs / "stiff" / "videos", runs / "elsewhere")
    make(runs, "ground-truth", "good", "stiff", "alike", media={"stiff": runs / "elsewhere"})
    browser.open(runs / "site" / "index.html")
    lanes = browser.run(
        "[...document.querySelectorAll('.lane')].map(lane => lane.querySelector('h4 span').textContent)"
    )
    assert lanes[0] == "ground-truth"
    assert set(lanes) == {"ground-truth", "good", "stiff"}
    assert browser.run("document.querySelectorAll('.lane dd').length") >= 9
    browser.run("document.querySelector('#loop').click()")
    browser.run("document.querySelector('#play').click()")
    times = "[...document.querySelectorAll('video')].map(video => video.currentTime)"
    assert len(browser.run(times)) == 3
    together = "Math.min(...times) > 0.2 && Math.max(...times) - Math.min(...times) < 0.1"
    assert browser.until(f"{{ const times = {times}; {together} }}")
    assert browser.until(f"{PLAYS} === 'Play'"), "it stops at the end"
    browser.run("document.querySelector('#viewer').focus()")
    browser.press("]", "BracketRight", 221)
    assert browser.run("document.querySelector('#clip').selectedOptions[0].textContent") == "c001"
    browser.press(" ", "Space", 32)
    playing = "[...document.querySelectorAll('video')].every(video => !video.paused)"
    assert browser.until(f"{PLAYS} === 'Pause' && {playing}")
    assert browser.errors == []
    assert [url for url in browser.requests if not url.startswith("file://")] == []


def test_each_table_is_there_to_take_away(runs):
    links = {attributes["href"] for attributes in Found(make(runs)).of("a")}
    for task in ("video", "motion", "animation"):
        for kind in ("csv", "json", "tex"):
            assert f"data/{task}.{kind}" in links
            assert (runs / "site" / "data" / f"{task}.{kind}").read_text()
    rows = list(csv.DictReader((runs / "site" / "data" / "video.csv").open()))
    (good,) = [row for row in rows if row["system"] == "good" and "motion2d" in row["conditions"]]
    assert float(good["fid_k"]) == read_result(runs / "good" / "result.json").metric("fid_k").value
    assert good["date"] == read_result(runs / "good" / "result.json").created[:10]


def test_ranks_and_dates_stand_in_columns_of_their_own(runs):
    text = make(runs, "ground-truth", "good", "stiff", "alike")
    row = re.search(r'<tr class="system" data-row="r\w+"><th[^>]*><div><a[^>]*>stiff<.*?</tr>', text, re.S)[0]
    assert '<td class="place">3</td>' in row and 'data-rank="3"' in row
    assert f">{read_result(runs / 'stiff' / 'result.json').created[:10]}</td>" in row
    truth = re.search(r'<tr class="ground-truth" data-row="r.*?</tr>', text, re.S)[0]
    assert '<td class="place"></td>' in truth and "data-rank" not in truth


def test_a_date_somebody_made_up_is_no_date(runs):
    change(runs / "good", created="<b>soon</b>")
    assert "soon" not in make(runs, "good", "stiff")


def test_tables_without_a_measured_row_are_folded(runs):
    folds = [one for one in Found(make(runs)).of("details") if one.get("class") == "fold"]
    assert ["open" in one for one in folds] == [True, False, False]


def test_notes_are_no_stops_of_the_tab_key_and_stand_below(runs):
    change_metric(runs / "good", "fid_k", caution="mind the gap")
    text = make(runs, "good", "stiff")
    notes = [one for one in Found(text).of("button") if one.get("class") == "note"]
    assert notes and all(one["tabindex"] == "-1" for one in notes)
    assert "<b>good FID k</b>: mind the gap" in text


def write_motions(folder, clips, *, seed=0):
    for number, clip in enumerate(clips):
        folder.mkdir(parents=True, exist_ok=True)
        write_motion(folder / f"{clip}.npz", make_dance(2.0, seed=seed + number).motion)


def dances_of(text):
    return [json.loads(one) for one in re.findall(r'id="dance-\d+">(.*?)</script>', text)]


def test_dances_beside_results_go_into_the_page(runs):
    write_motions(runs / "ground-truth" / "motions", ("c000", "c001"))
    write_motions(runs / "good" / "predictions", ("c001",), seed=5)
    write_motions(runs / "elsewhere", ("c001",), seed=9)
    (runs / "good" / "predictions" / "c000.npz").write_bytes(b"no motion")
    told = []
    names = ("ground-truth", "good", "stiff")
    text = make(runs, *names, media={"stiff": runs / "elsewhere"}, on_step=told.append)
    data = json.loads(re.search(r'id="clips-data">(.*?)</script>', text)[1])
    lanes = {lane["key"]: lane["name"] for lane in data["lanes"]}
    assert data["clips"][:2] == ["c001", "c000"] and data["dances"] == [0, 1]
    assert [{lanes[one["name"]] for one in dance} for dance in dances_of(text)] == [
        set(names),
        {"ground-truth"},
    ]
    assert "c000.npz" in " ".join(line for line in told if "not shown in 3D" in line)
    assert data["beats"]["0"] == sorted(data["beats"]["0"]) and len(data["beats"]["0"]) > 3


def test_dances_beyond_the_bound_are_left_out_and_said(runs):
    write_motions(runs / "motions", ("a", "b", "c"))
    files = {"x": {clip: runs / "motions" / f"{clip}.npz" for clip in "abc"}}
    one = pack_dances(files, ["a"])
    size = sum(len(dancer["positions"]) + len(dancer["standing"]) for dancer in one["a"])
    told = []
    packed = pack_dances(files, ["a", "b", "c"], most_bytes=2 * size + 10, on_step=told.append)
    assert list(packed) == ["a", "b"] and "2 clips" in told[0]
    assert packed["a"][0]["fps"] <= 30 and packed["a"] == one["a"]


ADDRESS = "decodeURIComponent(location.hash)"


@needs_browser
@pytest.mark.slow
def test_an_address_brings_back_what_was_chosen(runs, browser):
    write_motions(runs / "good" / "motions", ("c000", "c001"))
    make(runs)
    page = (runs / "site" / "index.html").resolve()
    browser.open(page)
    browser.run("document.querySelector('#video thead button[data-sort=bas]').click()")
    browser.run(CHANGE.format("#find", "stiff, EDGE", "input"))
    browser.run("document.querySelector('#video [data-show=extra]').click()")
    browser.run("document.querySelector('[data-step=\"1\"]').click()")
    browser.run("document.querySelector('#swap').click()")
    first, second = (browser.run(f"document.querySelectorAll('#versus select')[{at}].value") for at in (0, 1))
    address = browser.run(ADDRESS)
    assert "video=-bas" in address and "clip=c001" in address and f"versus={first},{second}" in address
    rows = browser.run(NAMES_OF)
    browser.send("Page.navigate", url="about:blank")
    browser.wait(0.2)
    browser.send("Page.navigate", url=page.as_uri() + "#video" + address[1:].replace(" ", "+"))
    browser.wait(1.5)
    assert browser.run(NAMES_OF) == rows
    assert browser.run("document.querySelector('#find').value") == "stiff, EDGE"
    assert browser.run("document.querySelector('#clip').selectedOptions[0].textContent") == "c001"
    assert browser.run("document.querySelectorAll('#versus select')[0].value") == first
    assert browser.run("document.querySelector('#video').classList.contains('show-extra')")
    browser.run(CHANGE.format("#find", "nobody", "input"))
    assert browser.run("document.querySelector('#found').textContent") == "Nothing found for “nobody”"
    assert browser.run("document.querySelector('#stage canvas').width") > 100
    assert browser.errors == []


@needs_browser
@pytest.mark.slow
def test_where_one_beat_another_is_what_the_samples_say(runs, browser):
    make(runs, "good", "stiff")
    browser.open(runs / "site" / "index.html")
    pick = "document.querySelectorAll('#versus select')[{}]"
    names = [browser.run(pick.format(at) + ".selectedOptions[0].textContent") for at in (0, 1)]
    scores = [clip_scores(runs / name / "samples.parquet")["bas"] for name in names]
    browser.run(CHANGE.format("#versus select:nth-of-type(3)", "bas", "change"))
    shown = browser.run(
        "[...document.querySelectorAll('#versus tbody tr')].map(row => row.cells[0].textContent)"
    )
    gaps = {clip: scores[0][clip] - scores[1][clip] for clip in scores[0]}
    won = sorted((clip for clip in gaps if gaps[clip] > 1e-5), key=lambda clip: -gaps[clip])
    assert shown == won[:10]
    assert f"better in {len(won)} of {len(gaps)}" in browser.run(
        "document.querySelector('#verdict').textContent"
    )
