"""What the pages for developers say holds: paths exist, links lead somewhere, the filter shown is one."""

import re
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

from madata.curate.filter import Filter

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    ROOT / "CONTRIBUTING.md",
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").glob("*.md")),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


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
