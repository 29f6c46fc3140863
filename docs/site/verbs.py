"""A page for every verb, from the command line itself."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from madata.cli import madance

EXIT_CODES = """
## Exit codes

| code | means |
|---|---|
| 0 | done |
| 1 | done with items missing; each is named |
| 2 | something you can mend; one line says what |
| 3 | a verification failed |
| 70 | a fault of madance |
| 130, 143 | interrupted, terminated; the same command goes on where it stopped |
"""


def verbs() -> dict[str, click.Command]:
    """Name -> command, in order."""
    context = click.Context(madance, info_name="madance")
    found = {name: madance.get_command(context, name) for name in madance.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """List the pages in the navigation."""
    pages = ["verbs/index.md", *(f"verbs/{name}.md" for name in verbs())]
    (section,) = (entry for entry in config.nav or [] if "Verbs" in entry)
    section["Verbs"] = pages
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    files.append(File.generated(config, "verbs/index.md", content=overview()))
    for name, command in verbs().items():
        parent = click.Context(madance, info_name="madance")
        text = "\n".join(page(command, name, parent, level=1)) + EXIT_CODES
        files.append(File.generated(config, f"verbs/{name}.md", content=text))
    return files


def overview() -> str:
    """One line for each verb."""
    rows = [
        f"| [{name}]({name}.md) | {plain(one.get_short_help_str(200))} |" for name, one in verbs().items()
    ]
    return "\n".join(["# All verbs", "", "| `madance ...` | |", "|---|---|", *rows, EXIT_CODES])


def page(command: click.Command, name: str, parent: click.Context, level: int) -> Iterator[str]:
    """Title, usage, help and options of a command, and of those below it."""
    context = click.Context(command, info_name=name, parent=parent)
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"{'#' * level} {context.command_path}\n\n```text\n{context.command_path} {usage}\n```\n"
    yield from prose(command.help or command.short_help or "")
    rows = [row(parameter, context) for parameter in command.params if isinstance(parameter, click.Option)]
    if rows:
        yield "| option | what | default |\n|---|---|---|\n" + "\n".join(rows) + "\n"
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            child = command.get_command(context, below)
            if child is not None:
                yield from page(child, below, context, level + 1)


def prose(text: str) -> Iterator[str]:
    """Paragraphs of a help text; click's mark for "keep these lines" begins a block."""
    for paragraph in text.split("\n\n"):
        if paragraph.startswith("\b"):
            yield f"```text\n{paragraph.removeprefix(chr(8)).strip(chr(10))}\n```\n"
        else:
            yield plain(" ".join(paragraph.split())) + "\n"


def row(option: click.Option, context: click.Context) -> str:
    """An option, what it does, and its default."""
    names, said = option.get_help_record(context) or (", ".join(option.opts), "")
    said, _, facts = said.partition("  [")
    known = facts.removesuffix("]").split("; ") if facts else []
    default = next((fact.removeprefix("default: ") for fact in known if fact.startswith("default: ")), "")
    rest = "; ".join(fact for fact in known if not fact.startswith("default: "))
    said += f" [{rest}]" if rest else ""
    return f"| `{names.replace('|', '/')}` | {plain(said)} | {plain(default)} |"


def plain(text: str) -> str:
    """A text that Markdown shows as it is."""
    return re.sub(r"([\\*_|`\[\]])", r"\\\1", html.escape(text, quote=False))
