"""The same table in five formats; whatever a result says stays text."""

import csv
import html.parser
import io
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

import leaderboard
from evaluation.result import read_result
from leaderboard.board import build_board
from leaderboard.commands.table import table as command
from leaderboard.entries import read_entries
from leaderboard.render import (
    FORMATS,
    escape_latex,
    escape_markdown,
    to_csv,
    to_html,
    to_json,
    to_latex,
    to_markdown,
)
from tests.leaderboard.runs import change, change_metric

HOSTILE = "=cmd|' /C calc'!A0 <script>alert(1)</script> | **x** \\input{/etc/passwd} $x$ \"'> 王"


@pytest.fixture
def hostile(runs):
    system = read_result(runs / "good" / "result.json").system
    change(runs / "good", system=system.model_copy(update={"name": HOSTILE, "version": HOSTILE}))
    change_metric(runs / "good", "fid_k", caution=HOSTILE)
    return build_board("video", read_entries([runs / "good", runs / "stiff"])).table


@pytest.fixture
def plain(runs):
    return build_board("video", read_entries([runs / "good", runs / "stiff", runs / "alike"])).table


def test_markdown_marks_and_counts(plain):
    text = to_markdown(plain)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {13}
    assert "**16.46**" in text
    assert "<u>16.55</u>" in text
    assert "\\[" in text
    assert "\\[" not in to_markdown(plain, intervals=False).split("bold:")[0]


def test_hostile_text_stays_text_in_markdown(hostile):
    text = to_markdown(hostile)
    assert "<script" not in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {13}


def test_a_spreadsheet_runs_nothing(hostile):
    rows = list(csv.reader(io.StringIO(to_csv(hostile))))
    assert {len(row) for row in rows} == {len(rows[0])}
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "@"))]
    assert any(cell.startswith("'=cmd") for row in rows for cell in row)


def test_numbers_of_csv_and_json_are_not_rounded(plain, runs):
    value = read_result(runs / "good" / "result.json").metric("fid_k").value
    rows = list(csv.DictReader(io.StringIO(to_csv(plain))))
    assert float(next(row for row in rows if row["system"] == "good")["fid_k"]) == value
    sections = json.loads(to_json(plain))["sections"]
    assert (
        next(row for row in sections[1]["rows"] if row["name"] == "good")["cells"]["fid_k"]["value"] == value
    )


class Tags(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.values = [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [name for name, _ in attributes]
        self.values += [float(value) for name, value in attributes if name == "data-v"]


def test_html_holds_values_to_sort_by_and_no_foreign_element(hostile):
    found = Tags()
    found.feed(to_html(hostile))
    assert set(found.tags) <= {
        "table",
        "caption",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "button",
        "i",
        "sub",
        "sup",
        "small",
        "span",
        "div",
        "b",
        "u",
        "a",
        "svg",
        "line",
        "circle",
    }
    assert not [name for name in found.attributes if name.startswith("on")]
    assert 16.46 in found.values


def test_latex_has_balanced_braces_and_one_cell_a_column(hostile):
    text = to_latex(hostile, intervals=True)
    lines = [line for line in text.splitlines() if line.endswith(r"\\") and "multicolumn" not in line]
    assert {line.replace(r"\&", "").count("&") for line in lines} == {11}
    depth = text.replace(r"\{", "").replace(r"\}", "")
    assert depth.count("{") == depth.count("}")
    assert "\\input" not in text
    assert r"\begin{tabular}{lccccccccccc}" in text
    assert r"\cmidrule(lr){2-7}\cmidrule(lr){8-12}" in text


def test_escapes():
    assert escape_latex(r"a_b\c{%") == r"a\_b\textbackslash{}c\{\%"
    assert escape_markdown("a|b<c>\n*d*") == r"a\|b&lt;c&gt; \*d\*"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX")
@pytest.mark.slow
def test_latex_compiles(hostile, tmp_path):
    tables = [
        to_latex(hostile, intervals=True),
        *(to_latex(build_board(task, []).table) for task in ("video", "motion", "animation")),
    ]
    packages = r"\usepackage[T1]{fontenc}\usepackage{booktabs,graphicx,xcolor}"
    (tmp_path / "t.tex").write_text(
        "\\documentclass{article}" + packages + "\\begin{document}" + "\n".join(tables) + "\\end{document}"
    )
    run = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"],
        cwd=tmp_path,
        capture_output=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stdout[-2000:]
    assert (tmp_path / "t.pdf").stat().st_size > 10_000


def invoke(*arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_the_verb_writes_each_format_by_its_suffix(runs):
    for suffix, start in (
        (".md", "### "),
        (".tex", "% needs"),
        (".csv", "section,"),
        (".json", "{"),
        (".html", "<table"),
    ):
        out = runs / f"t{suffix}"
        assert invoke(runs / "good", "--task", "video", "--out", out).exit_code == 0
        assert out.read_text().startswith(start)
    assert set(FORMATS) == {"md", "latex", "csv", "json", "html"}


def test_the_verb_says_what_it_leaves_out(runs):
    run = invoke(runs / "good", runs / "part", "--task", "video")
    assert run.exit_code == 1
    assert "left out, partial" in run.stderr
    assert "half" not in run.stdout
    assert "half" in invoke(runs / "part", "--task", "video", "--partial").stdout


def test_without_results_the_verb_shows_the_paper():
    assert "1044" in invoke("--task", "motion").stdout


def test_markup_stands_in_templates_alone():
    modules = {path.name: path for path in Path(leaderboard.__file__).parent.rglob("*.py")}
    modules.pop("markdown.py")  # Markdown itself knows no other way to say these two
    markup = re.compile(r"</[a-z]+>|<svg|<t[dhr]\b")
    assert not [name for name, path in modules.items() if markup.search(path.read_text("utf-8"))]
