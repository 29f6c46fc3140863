"""Pages of files that stand outside of ``docs``: those at the root, and sources that a page links to.

The site is whole without the repository: a link out of ``docs`` leads to a page that shows the file.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages at the root, and one for each file outside that is linked."""
    linked: set[str] = set()
    for file in list(files):
        if file.src_uri.endswith(".md") and file.abs_src_path is not None:
            text = Path(file.abs_src_path).read_text("utf-8")
            linked |= {place for target, _ in LINK.findall(text) if (place := outside(file.src_uri, target))}
    for name in PAGES:
        text = (ROOT / name).read_text("utf-8")
        linked |= {place for target, _ in LINK.findall(text) if (place := outside("../" + name, target))}
        files.append(File.generated(config, name, content=text))
    for place in sorted(linked - set(PAGES)):
        files.append(File.generated(config, f"files/{place}.md", content=shown(ROOT / place, place)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links out of ``docs`` into links to these pages."""
    source = page.file.src_uri
    if source in PAGES:
        source = "../" + source

    def turned(match: re.Match[str]) -> str:
        target, anchor = match.group(1), match.group(2) or ""
        if place := outside(source, target):
            to = place if place in PAGES else f"files/{place}.md"
        else:
            to = from_root(source, target).removeprefix("docs/")
        return f"]({posixpath.relpath(to, posixpath.dirname(page.file.src_uri) or '.')}{anchor})"

    return LINK.sub(turned, markdown)


def outside(page: str, target: str) -> str | None:
    """What a link of a page leads to, from the root of the repository; ``None`` where it stays in ``docs``.

    Args:
        page: its place, from ``docs``.
    """
    place = from_root(page, target)
    return place if not place.startswith("docs/") and (ROOT / place).exists() else None


def from_root(page: str, target: str) -> str:
    """Where a link of a page leads, from the root of the repository."""
    return posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), target))


def shown(path: Path, place: str) -> str:
    """A page of a source file, or of the names in a folder."""
    if path.is_dir():
        names = sorted(file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())
        return f"# {place}\n\n" + "\n".join(f"- `{name}`" for name in names if "__pycache__" not in name)
    if path.suffix == ".md":
        return path.read_text("utf-8")
    return f"# {place}\n\n````{path.suffix.lstrip('.')}\n{path.read_text('utf-8')}\n````\n"
