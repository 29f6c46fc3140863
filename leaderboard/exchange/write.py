"""Writing results for others: a folder that is laid out as the repository it goes into."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from leaderboard.entries import BoardEntry
from leaderboard.exchange.every_eval_ever import document_path, to_every_eval_ever
from leaderboard.exchange.hub import benchmark_card, to_eval_results, to_yaml
from madata.errors import MadanceError
from madata.files import write_json, write_text

__all__ = ["export_results"]

_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")


def export_results(
    entries: Sequence[BoardEntry],
    out: Path,
    layout: Literal["every-eval-ever", "hub"],
    *,
    organization: str,
    relationship: str = "other",
    dataset: str | None = None,
    source: str | None = None,
    title: str = "MA-Data",
) -> list[Path]:
    """Write every result into ``out``; return the files.

    Systems are called ``<organization>/<name>``. ``every-eval-ever`` writes
    ``data/<benchmark>/<owner>/<system>/<uuid>.json``, ``hub`` writes ``eval.yaml`` for the benchmark and
    ``<system>/.eval_results/<protocol>.yaml`` for each model.

    Raises:
        MadanceError: a name is none a repository can have, ``hub`` has no ``dataset``, or two results would be one
            file.
    """
    if dataset is not None and not _REPOSITORY.fullmatch(dataset):
        raise MadanceError(f"--dataset {dataset}: give it as owner/name")
    owner = _slug(organization)
    files: dict[Path, BoardEntry] = {}
    for entry in entries:
        name = _slug(entry.result.system.name)
        if layout == "hub":
            path = Path(name, ".eval_results", f"{entry.result.protocol.name}.yaml")
        else:
            path = document_path(entry.result, f"{owner}/{name}")
        if path in files:
            raise MadanceError(
                f"{files[path].file} and {entry.file} would both be {path}; export one of them"
            )
        files[path] = entry
    if layout == "hub":
        if dataset is None:
            raise MadanceError("a hub's files name the benchmark's data set: give --dataset owner/name")
        for path, entry in files.items():
            write_text(out / path, to_yaml(to_eval_results(entry.result, dataset=dataset, source=source)))
        card = benchmark_card(title, [(entry.result, entry.protocol) for entry in entries])
        write_text(out / "eval.yaml", to_yaml(card))
        return [out / "eval.yaml", *(out / path for path in files)]
    for path, entry in files.items():
        model = f"{owner}/{path.parent.name}"
        document = to_every_eval_ever(
            entry.result, organization=organization, model=model, relationship=relationship, dataset=dataset
        )
        write_json(out / path, document)
    return [out / path for path in files]


def _slug(name: str) -> str:
    """A name a repository can have.

    Example:
        >>> _slug("Our Lab / EDGE (v2)")
        'our-lab-edge-v2'
    """
    plain = re.sub(r"[^a-z0-9._]+", "-", name.lower()).strip("-._")[:90]
    if not plain or plain == "data":
        raise MadanceError(f"{name!r} has no letter or digit to call a repository by")
    return plain
