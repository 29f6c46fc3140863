"""What the pages say holds: paths exist, links lead somewhere, command lines parse, the filter shown is one."""

import re
import runpy
import shlex
from pathlib import Path
from types import SimpleNamespace

import click
import pytest

from madata.cli import madance
from madata.curation.filter import Filter
from madata.errors import MadanceError

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    ROOT / "CONTRIBUTING.md",
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent == ROOT], ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    """Those of ``docs`` are followed with their anchors in ``tests/test_documentation.py``."""
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_index_has_every_page():
    index = (ROOT / "docs/README.md").read_text("utf-8")
    docs = [page.relative_to(ROOT / "docs") for page in PAGES if page.is_relative_to(ROOT / "docs")]
    assert set(re.findall(r"\]\(([^)#]+)", index)) == {page.as_posix() for page in docs} - {"README.md"}


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_modules_and_tests_that_are_named_exist(page):
    """A path in backquotes stands in the tree; one with a placeholder does not have to."""
    text = (ROOT / page).read_text("utf-8")
    paths = set(re.findall(r"`([\w./-]+/[\w.-]*)`", text))
    rooms = [ROOT, ROOT / "evaluation", ROOT / "madata"]
    missing = {
        path
        for path in paths
        if not path.startswith(("runs/", "scores/", "/"))
        and not any((room / path).exists() for room in rooms)
    }
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_tests_that_are_named_exist(page):
    for path in re.findall(r"\btests/[\w/]+\.py", page.read_text("utf-8")):
        assert (ROOT / path).exists(), f"{page.name} names {path}"


def command_lines(page):
    """What stands after ``madance`` in the lines of its blocks; what has a placeholder is left out."""
    text = page.read_text("utf-8").replace("\\\n", " ")
    for line in re.findall(r"^(?:    )?madance (.*)$", text, re.M):
        if "..." not in line and "[--" not in line:
            yield shlex.split(re.split(r" [|>&] ", line)[0], comments=True)


def parse(arguments):
    """Take a command line apart as its verb does, without asking which files exist."""
    context, command = None, madance
    while True:
        context = click.Context(command, info_name=command.name, parent=context)
        command.parse_args(context, list(arguments))
        if not isinstance(command, click.Group):
            return
        _, command, arguments = command.resolve_command(context, arguments)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(command_lines(page))], ids=lambda page: page.name
)
def test_command_lines_that_are_shown_can_be_given(page, monkeypatch):
    monkeypatch.setattr(click.Path, "convert", lambda self, value, param, ctx: Path(value))
    for arguments in command_lines(page):
        try:
            parse(arguments)
        except click.exceptions.Exit:  # --help
            pass
        except (click.ClickException, MadanceError) as error:
            pytest.fail(f"{page.name}: madance {shlex.join(arguments)}: {error}")


def test_the_filter_shown_is_a_filter(tmp_path):
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    shown = re.search(r"```python\n(.*?)```", text, re.S).group(1)
    (tmp_path / "pace.py").write_text(shown)
    found = runpy.run_path(str(tmp_path / "pace.py"))["FILTER"]
    assert isinstance(found, Filter)
    for pace, reason in ((0.5, "slow"), (1.0, None), (2.0, None), (None, None)):
        piece = SimpleNamespace(motion=lambda boxes, pace=pace: SimpleNamespace(value=pace))
        rejection = found.examine(piece, found.settings())
        assert (rejection.reason if rejection else None) == reason
        assert rejection is None or rejection.reason in found.reasons
        assert set(found.measure(piece, found.settings())) == set(found.columns) == {found.charts[0].column}
