"""The same table in six formats; whatever a result says stays text."""

import csv
import html.parser
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

import leaderboard
from evaluation.result import read_result
from leaderboard.board import build_board
from leaderboard.commands.table import table as command
from leaderboard.entries import read_entries
from leaderboard.layout import columns_of
from leaderboard.render import (
    FORMATS,
    escape_latex,
    escape_markdown,
    to_csv,
    to_html,
    to_json,
    to_latex,
    to_markdown,
    to_text,
)
from leaderboard.render.web import interval_mark
from leaderboard.tables import Cell, Row, Section
from madata.errors import MadanceError
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
        "path",
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


FORMULAS = ["=1+1", "＝cmd()", "a;=1+1", "a; @SUM(1)", "\t=1", "\x07=1"]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("text", FORMULAS)
def test_a_sheet_that_splits_elsewhere_runs_nothing(runs, separator, text):
    """Excel splits at the separator of its country, whatever the file is."""
    system = read_result(runs / "good" / "result.json").system
    change(runs / "good", system=system.model_copy(update={"name": text}))
    table = to_csv(build_board("video", read_entries([runs / "good"])).table)
    cells = [cell.strip() for row in csv.reader(io.StringIO(table), delimiter=separator) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "@", "＝"))]


TURNED = "a\u202egnp.exe\x1b[2J\x1b]0;t\x07\x9b31m\u2066b\x00\r\nc\u2028\ud800"


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_obeys_a_name(plain, name):
    section = plain.sections[1]
    row = replace(section.rows[0], name=TURNED, venue=TURNED)
    section = replace(
        section, title=TURNED, rows=(row, *section.rows[1:]), conditions=(TURNED,), notes=(TURNED,)
    )
    text = FORMATS[name](replace(plain, sections=(section,)))
    assert "gnp.exe" in text
    assert all(sign.isprintable() or sign == "\n" for sign in text)
    if name == "text":
        assert all("gnp.exe" in line for line in text.splitlines() if "c ?" in line)


def test_only_a_table_is_written_over(runs):
    for suffix in (".md", ".tex", ".csv", ".json", ".html", ".txt"):
        arguments = [
            str(runs / "good"),
            "--task",
            "video",
            "--no-notes",
            "--out",
            str(runs / f"table{suffix}"),
        ]
        for _ in range(2):
            assert CliRunner().invoke(command, arguments).exit_code == 0, suffix
        for other in (
            "# My paper\n",
            "\\documentclass{article}\n",
            '{"schema": "madance.result/1"}',
            "a,b\n",
        ):
            file = runs / f"own{suffix}"
            file.write_text(other)
            ran = CliRunner().invoke(command, [*arguments[:-1], str(file)])
            assert isinstance(ran.exception, MadanceError), suffix
            assert file.read_text() == other


def test_escapes():
    assert escape_latex(r"a_b\c{%") == r"a\_b\textbackslash{}c\{\%"
    assert escape_markdown("a|b<c>\n*d*") == r"a\|b&lt;c&gt; \*d\*"


@pytest.mark.parametrize("name", ["[5cm]star", "*star"])
def test_a_name_is_no_argument_of_the_row_before(runs, name):
    system = read_result(runs / "good" / "result.json").system
    change(runs / "good", system=system.model_copy(update={"name": name}))
    text = to_latex(build_board("video", read_entries([runs / "good", runs / "stiff"])).table)
    assert name in text
    assert not re.search(r"\\\\\s*[\[*]", text)


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
    assert set(FORMATS) == {"text", "md", "latex", "csv", "json", "html"}


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


def text_rows(text):
    """System -> its cells, by the columns of the last header."""
    rows, heads = {}, []
    for line in text.splitlines():
        parts = re.split(r"  +", line.strip())
        heads = parts if parts[0] == "system" else heads
        rows[parts[0]] = dict(zip(heads, parts, strict=False))
    return rows


def test_text_stands_in_columns_with_marks_and_units(plain):
    text = to_text(plain)
    rows = text_rows(text)
    assert rows["MACE-Dance"]["TF ↑ %"] == "97.10*" and rows["MACE-Dance"]["FID_k ↓"] == "16.46* (3)"
    assert rows["alike"]["FID_k ↓"].split()[0][-1] in "*≈" and "[" in rows["alike"]["FID_k ↓"]
    measured = text.split("\nMeasured\n")[1].split("\n\n")[0]
    assert "DIV_k →" in measured and "TF" not in measured.splitlines()[0]
    assert (
        len({line.index(parts[3]) for line in measured.splitlines()[:4] if (parts := re.split(r"  +", line))})
        == 1
    )
    narrow = text_rows(to_text(plain, width=100))
    assert "[" not in "".join(narrow["alike"].values())
    assert "(3)" not in to_text(plain, notes=False) and "protocol" not in to_text(plain, notes=False)


def test_a_direction_all_sections_share_stands_in_the_head(runs):
    entries = read_entries([runs / "good", runs / "stiff"])
    alone = build_board("video", entries, reported=False).table
    assert alone.column("div_k").arrow == "→" and alone.column("fid_k").arrow == "↓"
    assert build_board("video", entries).table.column("div_k").arrow == "↑"


def test_a_column_without_a_value_is_not_printed(runs):
    table = build_board("video", read_entries([runs / "good", runs / "stiff"]), reported=False).table
    for text in (to_latex(table), to_markdown(table), to_text(table)):
        assert "TF" not in text and "FID" in text
    assert r"\begin{tabular}{lccccc}" in to_latex(table) and r"\begin{table}[t]" in to_latex(table)


def test_latex_for_a_paper(runs):
    out = runs / "t.tex"
    how = ("--columns", "BAS,fid_k", "--no-notes", "--caption", "Ours, $n=16$.", "--label", "tab:ours")
    assert invoke(runs / "good", "--task", "video", "--out", out, *how).exit_code == 0
    text = out.read_text()
    assert r"\caption{Ours, $n=16$.}\label{tab:ours}" in text
    heads = next(line for line in text.splitlines() if line.startswith(" & BAS"))
    assert heads == r" & BAS$\uparrow$ & FID$_{\mathrm{k}}$$\downarrow$ \\"
    assert "textsuperscript" not in text and "protocol" not in text
    assert "did you mean 'fid_k'" in str(
        invoke(runs / "good", "--task", "video", "--columns", "fid_kk").exception
    )
    assert "label" in str(
        invoke(runs / "good", "--task", "video", "--format", "latex", "--label", "a}b").exception
    )
    assert invoke(runs / "good", "--task", "video", "--format", "md", "--label", "x").exit_code == 2


def test_data_formats_hold_numbers_as_results_do(plain):
    rows = {row["system"]: row for row in csv.DictReader(io.StringIO(to_csv(plain)))}
    assert float(rows["MACE-Dance"]["temporal_flickering"]) == 0.971
    document = json.loads(to_json(plain))
    column = next(one for one in document["columns"] if one["metric"] == "temporal_flickering")
    assert (column["printed_scale"], column["printed_unit"]) == (100.0, "%")
    cells = next(row for row in document["sections"][0]["rows"] if row["name"] == "MACE-Dance")["cells"]
    assert (cells["temporal_flickering"]["value"], cells["temporal_flickering"]["printed"]) == (
        0.971,
        "97.10",
    )
    assert document["sections"][1]["directions"]["div_k"] == "reference"


def test_interval_marks_are_on_the_scale_of_the_rows_shown():
    column = next(column for column in columns_of("video") if column.metric == "fid_k")
    cells = {"a": Cell(700.0, low=600.0, high=800.0), "b": Cell(1000.0, low=900.0, high=1100.0)}

    def drawn(kind):
        rows = tuple(Row(key, key, kind, {"fid_k": cell}) for key, cell in cells.items())
        section = Section("s", (), rows)
        return [interval_mark(cell, column, section) for cell in cells.values()]

    for marks in (drawn("sanity"), drawn("system")):
        assert [round(mark.value) for mark in marks] == [14, 46]
        assert marks[0].low == 3 and marks[1].high == 57
