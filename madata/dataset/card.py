"""The card of a data set: ``README.md`` for people and hubs, ``croissant.json`` for machines. Every count is counted.

Croissant 1.1 describes files and columns; the RAI vocabulary 1.0 says how the data came about, what is missing and
what is biased. What a table cannot know (a licence, an address) is a setting, and absent where it is not given.
Source: github.com/mlcommons/croissant, docs of 1.1 and of the RAI extension.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from madata.config import ClosedModel
from madata.dataset.croissant import croissant
from madata.dataset.statistics import UNKNOWN, Share, Statistics, describe_dataset
from madata.errors import MadanceError
from madata.files import write_json, write_text
from madata.text import visible_lines

__all__ = ["CardSettings", "rai", "write_card"]

_MARK = "<!-- written by madance dataset card: a change here is lost when it is written anew -->"
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


class CardSettings(ClosedModel):
    """What no table knows.

    Attributes:
        name: the folder's by default.
        licence: identifier of the hub, e.g. ``cc-by-nc-4.0``; ``other`` where sources keep their own.
        url, contact, cite_as, published: where it is published, who answers requests, how to cite it, YYYY-MM-DD.
        creators: of the data set.
    """

    name: str = ""
    version: str = Field(default="1.0.0", pattern=r"^\d+\.\d+\.\d+$")
    licence: str = "other"
    url: str = ""
    contact: str = ""
    cite_as: str = ""
    published: str = Field(default="", pattern=r"^(\d{4}-\d{2}-\d{2})?$")
    creators: tuple[str, ...] = ()


def write_card(folder: Path, settings: CardSettings) -> Statistics:
    """Write ``README.md`` and ``croissant.json`` into a data set folder.

    Returns:
        The numbers they hold.

    Raises:
        MadanceError: a table is absent or damaged, or there is a README.md of somebody else's.
    """
    readme = folder / "README.md"
    if readme.exists() and _MARK not in readme.read_text("utf-8", "replace"):
        raise MadanceError(f"{readme}: was not written by this command; move it away, or it would be lost")
    of = describe_dataset(folder)
    named = settings.model_copy(update={"name": settings.name or folder.resolve().name})
    write_text(readme, visible_lines(_readme(named, of)))
    write_json(folder / "croissant.json", _described(folder, named, of))
    return of


def _described(folder: Path, settings: CardSettings, of: Statistics) -> dict[str, Any]:
    about: dict[str, Any] = {
        "name": settings.name,
        "description": _summary(settings.name, of),
        "version": settings.version,
        "license": settings.licence,
        "keywords": ["dance", "music", "video generation", *sorted(set(of.genres) - {UNKNOWN})],
    }
    optional = {"url": settings.url, "citeAs": settings.cite_as, "datePublished": settings.published}
    about |= {key: value for key, value in optional.items() if value}
    if settings.creators:
        about["creator"] = [{"@type": "sc:Person", "name": name} for name in settings.creators]
    if of.years:
        about["temporalCoverage"] = "/".join(of.years)
    return croissant(folder, about, rai(settings, of))


def _summary(name: str, of: Statistics) -> str:
    whole = of.whole
    return (
        f"{name}: {whole.clips} clips of one dancer with music, {whole.hours:.2f} hours, cut from {whole.sources} "
        f"sources in {whole.groups} groups."
    )


def rai(settings: CardSettings, of: Statistics) -> dict[str, Any]:
    """The fields of the RAI vocabulary, from the numbers."""
    dropped = sum(count for *_, count, _ in of.dropped)
    stages = "; ".join(f"{stage}: {reason} {count}" for stage, reason, count, _ in of.dropped)
    unlabelled = of.genres.get(UNKNOWN, Share(0, 0.0, 0, 0)).clips
    largest = next((name for name in of.genres if name != UNKNOWN), None)
    lengths = next((one for one in of.distributions if one.column == "duration_s"), None)
    several = next((one for one in of.distributions if one.column == "share_two_or_more"), None)
    subsets = _listing(
        {name: f"{share.clips} clips, {share.hours:.2f} h" for name, share in of.subsets.items()}
    )
    fields: dict[str, Any] = {
        "rai:dataCollection": f"{sum(of.sources.values())} sources ({of.source_hours:.2f} h) by status: "
        f"{_listing(of.sources)}. Subsets: {subsets}."
        + (f" Platforms: {_listing(of.platforms)}." if of.platforms else ""),
        "rai:dataCollectionType": ["Web Scraping", "Software Collection"]
        if len(of.subsets) > 1
        else ["Software Collection" if "rendered" in of.subsets else "Web Scraping"],
        "rai:dataCollectionMissingData": f"Of {of.whole.clips} clips {of.whole.clips - of.with_sound} have no sound, "
        f"{of.whole.clips - of.with_keypoints} no keypoints, {of.whole.clips - of.with_music} no music features, "
        f"{unlabelled} no genre.",
        "rai:dataPreprocessingProtocol": [
            f"{dropped} stretches were dropped ({stages}); the settings are in settings.toml or curation.toml."
            if dropped
            else "No stretch was dropped."
        ],
        "rai:machineAnnotationTools": ["madance"],
        "rai:dataBiases": _biases(of, largest),
        "rai:dataLimitations": _limitations(of, lengths, several),
        "rai:dataUseCases": [
            "Training and scoring of systems that make dance video from music; the split test is for scoring alone."
        ],
        "rai:personalSensitiveInformation": [
            "Clips show people who dance. Tables hold no names; accounts are salted hashes."
        ],
        "rai:dataReleaseMaintenancePlan": "A source is removed on request: madance dataset remove takes out its clips "
        "and all that was derived from them, and leaves a tombstone. "
        f"{of.sources.get('removed', 0)} of {sum(of.sources.values())} sources were removed so far."
        + (f" Requests: {settings.contact}." if settings.contact else ""),
    }
    if of.years:
        fields["rai:dataCollectionTimeFrame"] = [f"{year}-01-01" for year in of.years]
    return fields


def _biases(of: Statistics, largest: str | None) -> list[str]:
    told = []
    if largest is not None:
        share = of.genres[largest].hours / of.whole.hours if of.whole.hours else 0.0
        named = len([name for name in of.genres if name != UNKNOWN])
        told.append(f"The genre {largest} has {share:.0%} of the hours; {named} genres are named.")
    told.append(
        f"{of.whole.clips / max(1, of.whole.sources):.1f} clips come from a source on average: clips of one source "
        "show one dancer and one place."
    )
    if of.licences:
        told.append(f"Sources by licence: {_listing(of.licences)}.")
    return told


def _limitations(of: Statistics, lengths: Any, several: Any) -> list[str]:
    told = []
    if lengths is not None:
        told.append(
            f"90 % of the clips last {lengths.p5:.2f} to {lengths.p95:.2f} s (median {lengths.median:.2f} s)."
        )
    if several is not None:
        told.append(
            f"In 5 % of the clips two or more people are seen in at least {several.p95:.0%} of the samples."
        )
    told.append("Keypoints and genres that a network found are estimates.")
    return told


def _listing(counts: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"


def _readme(settings: CardSettings, of: Statistics) -> str:
    parts = [
        _front_matter(settings, of),
        f"# {settings.name}\n\n{_summary(settings.name, of)}\n",
        _table("Splits", "split", of.splits),
        _table("Subsets", "subset", of.subsets),
        _table("Genres", "genre", of.genres),
        _measured(of),
        _dropped(of),
        "## How it came about\n",
    ]
    for key, value in rai(settings, of).items():
        title = "".join(f" {sign.lower()}" if sign.isupper() else sign for sign in key.removeprefix("rai:"))
        text = value if isinstance(value, str) else " ".join(map(str, value))
        parts.append(f"**{title.capitalize()}.** {text}\n")
    parts.append(
        "## To verify and to use it\n\n"
        "    madance dataset verify .\n\n"
        '```python\nfrom madata.dataset import DanceClips\n\nclips = DanceClips(".", fps=16, size=(480, 832))\n```\n'
    )
    if settings.cite_as:
        parts.append(f"## Citation\n\n{settings.cite_as}\n")
    return "\n".join([*parts, f"{_MARK}\n"])


def _front_matter(settings: CardSettings, of: Statistics) -> str:
    size = next((name for most, name in _SIZES if of.whole.clips < most), "n>1M")
    lines = [
        "---",
        f"license: {_plain(settings.licence)}",
        f"pretty_name: {_plain(settings.name)}",
        "task_categories:",
        "- text-to-video",
        "- image-to-video",
        "tags:",
        "- dance",
        "- music",
        "size_categories:",
        f"- {size}",
        "configs:",
        "- config_name: clips",
        "  data_files:",
        "  - split: all",
        "    path: clips.parquet",
        "---",
    ]
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """A text that YAML takes as such."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'"{escaped}"'


def _table(title: str, what: str, shares: Mapping[str, Share]) -> str:
    if not shares:
        return ""
    rows = [
        f"| {_cell(name)} | {share.clips} | {share.hours:.2f} | {share.sources} | {share.groups} |"
        for name, share in shares.items()
    ]
    return "\n".join(
        [
            f"## {title}\n",
            f"| {what} | clips | hours | sources | groups |",
            "|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _measured(of: Statistics) -> str:
    rows = [
        f"| {one.title}, {one.unit} | {one.p5:.4g} | {one.median:.4g} | {one.p95:.4g} | {one.known} |"
        for one in of.distributions
    ]
    head = ["## Measured\n", "| | 5 % | median | 95 % | clips |", "|---|---|---|---|---|"]
    return "\n".join([*head, *rows, ""])


def _dropped(of: Statistics) -> str:
    if not of.dropped:
        return ""
    rows = [
        f"| {_cell(stage)} | {_cell(reason)} | {count} | {hours:.2f} |"
        for stage, reason, count, hours in of.dropped
    ]
    head: Sequence[str] = ["## Dropped\n", "| stage | reason | stretches | hours |", "|---|---|---|---|"]
    return "\n".join([*head, *rows, ""])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
