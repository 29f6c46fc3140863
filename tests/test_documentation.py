"""The pages hold together: links and their anchors, quoted messages, tables of extras; at night the site itself."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted((ROOT / "docs").rglob("*.md"))
PACKAGES = ("madata", "evaluation", "mace_dance", "baselines", "leaderboard")


def prose(page):
    """The page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.M | re.S)


def anchors(page):
    """Those of the headings of a page, as forges and the site make them."""
    heads = re.findall(r"^#+ (.*)$", prose(page), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_and_anchors_lead_somewhere(page):
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)", prose(page)):
        place = page.parent / target if target else page
        assert place.exists(), f"{page.name} links to {target}"
        assert not anchor or anchor in anchors(place), f"{page.name} links to {target}#{anchor}"


def test_every_page_is_in_the_navigation():
    """Lines of the file: the pages that are generated have no others."""
    listed = set(re.findall(r"^ +- ([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.M))
    missing = {page.relative_to(ROOT / "docs").as_posix() for page in PAGES} - listed
    assert not missing, f"{missing}: give each a line below nav in mkdocs.yml"


def texts():
    """Every text in the packages; what is filled in is ``…``."""
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    yield "".join(
                        part.value if isinstance(part, ast.Constant) else "…" for part in node.values
                    )
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value


def test_messages_that_are_explained_exist():
    """Each piece of a message between what changes; pieces of a few letters say nothing."""
    said = "\n".join(texts())
    quoted = re.findall(r"^> (.*)$", (ROOT / "docs/troubleshooting.md").read_text("utf-8"), re.M)
    assert len(quoted) > 15
    absent = [
        message
        for message in quoted
        if any(piece not in said for piece in re.split("…", message) if len(piece.strip(" ():;,.")) > 3)
    ]
    assert not absent


def test_the_table_of_extras_has_them_all():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    rows = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/installation.md").read_text("utf-8"), re.M)
    assert sorted(rows) == sorted(extras)


class _Links(HTMLParser):
    """What a page links to or loads, and the names within it."""

    def __init__(self):
        super().__init__()
        self.links, self.loaded, self.names = [], [], set()

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.names |= {given[key] for key in ("id", "name") if given.get(key)}
        target = given.get("href") or given.get("src")
        if target and (tag in ("script", "img", "link", "source") or given.get("src")):
            self.loaded.append(target)
        if target:
            self.links.append(target)


@pytest.mark.nightly
@pytest.mark.skipif(find_spec("material") is None, reason="pip install 'madance[docs]'")
def test_the_site_is_whole_and_fetches_nothing(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    pages = {}
    for path in tmp_path.rglob("*.html"):
        pages[path] = _Links()
        pages[path].feed(path.read_text("utf-8"))
    assert len(pages) > 50
    for path, page in pages.items():
        assert not [target for target in page.loaded if target.startswith(("http:", "https:", "//"))], path
        if path.name == "404.html":
            continue
        for target in page.links:
            place, _, anchor = target.partition("#")
            if re.match(r"[a-z]+:", target):
                continue
            found = (path.parent / unquote(place)).resolve() if place else path
            assert found.exists(), f"{path.name}: {target}"
            assert not anchor or found not in pages or unquote(anchor) in pages[found].names, (
                f"{path}: {target}"
            )
