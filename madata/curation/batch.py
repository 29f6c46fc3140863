"""A folder of videos becomes a data set: sources in worker processes, tables while they run and at the end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from pathlib import Path

from madata.config import refuse_differences, to_toml
from madata.curation.journal import Entry, Journal, shard_note
from madata.curation.publish import CurationSummary, Publisher
from madata.curation.settings import CurationConfig, load_config
from madata.curation.source import curation_steps
from madata.curation.sources import Collection, collect, probe_all
from madata.dataset.removed import read_removed
from madata.engine import SILENT, Engine, Outcome, Watch, run_steps
from madata.errors import MadanceError, MediaError
from madata.files import hold_folder, write_json, write_text
from madata.shard import WHOLE, Shard
from madata.types import Source

__all__ = ["CurationSummary", "curate", "work_through"]

_MOST_NAMED = 10


def curate(
    paths: Sequence[Path | str],
    out: Path | str,
    *,
    config: CurationConfig | None = None,
    jobs: int = 1,
    limit: int | None = None,
    shard: Shard = WHOLE,
    weights: Path | None = None,
    device: str = "cpu",
    engine: Engine = run_steps,
    watch: Watch = SILENT,
) -> CurationSummary:
    """Curate every video of ``paths`` into the data set folder ``out``; finished work is never done twice.

    Args:
        paths: videos, and folders that are searched for them.
        config: settings; those of ``madata/configs/ma-data.toml`` by default, others from
            :func:`~madata.curation.settings.load_config`.
        jobs: worker processes.
        limit: take only the first sources.
        shard: take only this part of them; its folder is joined with the others by ``madance dataset merge``.
        weights: folder of model weights, searched first.
        engine: where sources are worked on (:mod:`madata.engine`); the bytes are the same.
        watch: is told how far it is: files, seconds of video as they are decoded, a line for each source.

    Raises:
        MadanceError: nothing to do, other settings than those ``out`` was made with, a full disk, missing weights.
    """
    out, config = Path(out), config or load_config()
    with hold_folder(out):
        _refuse_other_settings(out, config)
        note = shard_note(out, shard)
        found = collect([Path(path) for path in paths], out=out, jobs=jobs, shard=shard, watch=watch)
        write_text(out / "settings.toml", to_toml(config))
        write_json(*note)
        sources = found.sources[:limit]
        finished, removed = Journal(out, config.hash).done(), read_removed(out)
        _name_absent(finished - found.names.keys() - removed.keys(), watch)
        done = {*finished, *removed}
        pending = [source for source in sources if source.source_id not in done]
        described = probe_all(pending, jobs=jobs, watch=watch).values()
        watch.start(sum(info.duration_s or 0.0 for info in described if not isinstance(info, MediaError)))
        steps = curation_steps(out=out, config=config, weights=weights, device=device)
        publisher = Publisher(out, sources, found, config)
        publisher.note_found()
        outcomes = engine(steps, pending, jobs=jobs, on_progress=watch.advance)
        work_through(outcomes, len(pending), found, publisher, watch)
        return publisher.finish(jobs=jobs, watch=watch)


def _name_absent(absent: Set[str], watch: Watch) -> None:
    """Name sources of earlier runs of which no file was given this time: they leave the tables."""
    if absent:
        shown = sorted(absent)
        more = f" and {len(shown) - _MOST_NAMED} more" if len(shown) > _MOST_NAMED else ""
        watch.warn(
            f"of earlier runs, and not among the files given now (changed, renamed, deleted or elsewhere): "
            f"{', '.join(shown[:_MOST_NAMED])}{more}; their clips leave the tables and come back with the files"
        )


def work_through(
    outcomes: Iterable[Outcome[Source, Entry]],
    pending: int,
    found: Collection,
    publisher: Publisher,
    watch: Watch,
) -> None:
    """Say what became of each of ``pending`` sources, and refresh the tables now and then.

    Raises:
        MadanceError: what no other source would escape: a full disk, missing weights.
    """
    for number, outcome in enumerate(outcomes, start=1):
        if outcome.fatal:
            raise MadanceError(outcome.error or "a worker failed")
        source_id, entry = outcome.item.source_id, outcome.value
        if entry is None:
            publisher.crashed[source_id] = outcome.error or "no result"
        became = publisher.crashed[source_id] if entry is None else _outcome(entry)
        watch.say(f"{number}/{pending}  {found.names[source_id]!r}: {became}")
        if number < pending:
            publisher.refresh()


def _outcome(entry: Entry) -> str:
    if entry.source["status"] == "failed":
        return str(entry.source["message"])
    problem = f" ({entry.source['message']})" if entry.source["message"] else ""
    return f"{len(entry.clips)} clips, {len(entry.dropped)} dropped{problem}"


def _refuse_other_settings(out: Path, config: CurationConfig) -> None:
    """A folder is made under one set of settings: mixing two would make its numbers mean nothing.

    While nothing is finished in it, a folder may be begun anew.
    """
    path = out / "settings.toml"
    if path.exists() and any(out.glob("journal/*/*.json")):
        refuse_differences(out, load_config(path).model_dump(mode="json"), config.model_dump(mode="json"))
