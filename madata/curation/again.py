"""Decide again, by what was measured: other thresholds, filters or windows without a decode of what is known.

Every source is judged anew from its observations. Clips that come out as before are taken over, only new ones are cut.
A source is looked at again only where a filter asks for what was not measured in it, as when the threshold of an
earlier filter lets more through.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from madata.bars import crop_of
from madata.config import differences, to_toml
from madata.curation.batch import CurationSummary, work_through
from madata.curation.decide import PieceJudge
from madata.curation.journal import FOUND, Entry, Journal, shard_note
from madata.curation.observations import NotMeasuredError, observations_path, read_pieces, source_path
from madata.curation.publish import Publisher
from madata.curation.settings import CurationConfig, load_config, override
from madata.curation.source import DESCRIBED, curate_source, curation_step, cut_clips
from madata.curation.sources import Collection
from madata.curation.target import Target, threshold_for
from madata.dataset.folder import refuse_repeated
from madata.dataset.removed import read_removed, write_removed
from madata.engine import SILENT, Engine, Step, Watch, run_steps
from madata.errors import ConfigError, MadanceError
from madata.files import hold_folder, link_or_copy, read_toml, write_json, write_text
from madata.manifest import PROVENANCE_COLUMNS, iterate_rows
from madata.shard import WHOLE, Shard
from madata.types import Source
from madata.video.geometry import Crop

__all__ = ["decide_again"]

_MEASURING = {
    "shots": ("cut_threshold", "transition_threshold", "jump_above", "sweep_below", "whip_above", "max_s"),
    "motion": ("pairs_per_s", "long_side"),
    "people": ("backend", "samples_per_s", "long_side", "min_hips", "options"),
}
"""Settings that say how something is measured: another value asks for another look at every source."""
_FILES = ("path", "keypoints", "thumbnail")


def decide_again(
    folder: Path,
    out: Path,
    *,
    overrides: Sequence[str],
    target: Target | None = None,
    jobs: int = 1,
    weights: Path | None = None,
    device: str = "cpu",
    shard: Shard = WHOLE,
    engine: Engine = run_steps,
    watch: Watch = SILENT,
) -> CurationSummary:
    """Decide about every source of the data set ``folder`` under other settings; ``out`` may be the same folder.

    Args:
        overrides: ``section.key=value``, laid over the settings of ``folder``.
        target: what is to be left when one threshold has moved besides.
        jobs: worker processes.
        weights: folder of model weights, for sources that have to be looked at again.
        shard: take only this part of the sources; its folder is joined with the others by ``madance dataset merge``.
            ``target`` is that of the whole.
        engine: where sources are worked on (:mod:`madata.engine`); the bytes are the same.
        watch: is told how far it is.

    Raises:
        MadanceError: ``folder`` is no data set, a setting says how it is measured, or a part would take its place.
    """
    if shard != WHOLE and out.resolve() == folder.resolve():
        raise ConfigError("--shard needs --out: a part would take the place of the whole data set")
    _refuse_what_is_not_curated(folder)
    before = load_config(folder / "settings.toml")
    config = override(before, overrides)
    _refuse_other_measurements(before, config)
    old = Journal(folder, before.hash)
    found, sources, seconds, unfinished = _sources(folder, old)
    _name_unfinished(folder, unfinished, watch)
    with hold_folder(out):
        if target is not None:
            chosen = threshold_for(target, folder, sources, config, jobs=jobs, say=watch.say)
            config = override(config, [chosen])
        if out.resolve() != folder.resolve():
            _begin(folder, out, shard)
        sources = [source for source in sources if shard.has(source.source_id)]
        journal = Journal(out, config.hash)
        done = {*journal.done(), *read_removed(folder)}
        pending = [source for source in sources if source.source_id not in done]
        watch.start(sum(seconds[source.source_id] for source in pending))
        step = _deciding(folder.absolute(), out.absolute(), old, config, weights, device)
        publisher = Publisher(out, sources, found, config)
        outcomes = engine([step], pending, jobs=jobs, on_progress=watch.advance)
        work_through(outcomes, len(pending), found, publisher, watch)
        # last of all: until here the folder is one of the old settings, and the same command goes on
        write_text(out / "settings.toml", to_toml(config))
        summary = publisher.finish(jobs=jobs, watch=watch)
        journal.remove_others()
        return summary


def _name_unfinished(folder: Path, unfinished: int, watch: Watch) -> None:
    if unfinished:
        watch.warn(
            f"{folder}: was interrupted before {unfinished} of its sources were finished; nothing is decided about "
            "those: finish them with madance curate before, or with the new settings afterwards"
        )


def _refuse_what_is_not_curated(folder: Path) -> None:
    """Without the settings of one curation there is nothing to decide by."""
    if (folder / "merged.json").exists() and not (folder / "settings.toml").exists():
        raise MadanceError(
            f"{folder}: its parts were made under different settings: decide about each into a folder of its own, and "
            "join them again with madance dataset merge"
        )
    if not (folder / "settings.toml").exists():
        raise MadanceError(f"{folder}: no data set that madance curate made (it holds no settings.toml)")
    if "renderer" in read_toml(folder / "settings.toml"):
        raise MadanceError(
            f"{folder}: madance render made it, and no filter decided there; render again with other settings"
        )


def _begin(folder: Path, out: Path, shard: Shard) -> None:
    """Note in another folder which part it holds, and what was removed."""
    write_json(*shard_note(out, shard))
    if read_removed(folder):
        write_removed(out, [folder])


def _refuse_other_measurements(before: CurationConfig, now: CurationConfig) -> None:
    old, new = before.model_dump(mode="json"), now.model_dump(mode="json")
    for section, keys in _MEASURING.items():
        for key in keys:
            changed = differences(old[section].get(key), new[section].get(key), f"{section}.{key}")
            if changed:
                raise ConfigError(
                    f"{'; '.join(changed)}: this says how something is measured, and asks for another look at every "
                    "source: run madance curate with it and another --out"
                )


def _sources(folder: Path, journal: Journal) -> tuple[Collection, list[Source], dict[str, float], int]:
    """The sources of a data set, what else is named there, how long each is, s, and how many are not finished."""
    rows, unfinished = _rows(folder, journal)
    names: dict[str, str] = {}
    sources: list[Source] = []
    duplicates: list[tuple[str, str]] = []
    unusable: list[tuple[str, str, str]] = []
    provenance: dict[str, dict[str, Any]] = {}
    seconds: dict[str, float] = {}
    for row in rows:
        source_id, name = row["source_id"], row["file"]
        if source_id is None:
            unusable.append((name, row["reason"], row["message"]))
        elif row["status"] == "duplicate":
            duplicates.append((name, source_id))
        else:
            names[source_id] = name
            seconds[source_id] = row.get("duration_s") or 0.0  # not known of a file that did not open
            path = source_path(folder, source_id) or Path(name)
            sources.append(Source(source_id, path, row["sha256"]))
            about = {key: row[key] for key in PROVENANCE_COLUMNS if row.get(key) is not None}
            provenance[source_id] = about
    found = Collection(tuple(sources), names, tuple(duplicates), (), tuple(unusable), provenance)
    return found, sources, seconds, unfinished


def _rows(folder: Path, journal: Journal) -> tuple[list[dict[str, Any]], int]:
    """Rows of the table of sources, and of what has been finished since it was written; how many are not finished."""
    table = folder / "sources.parquet"
    rows = list(iterate_rows(table)) if table.exists() or not (folder / FOUND).exists() else []
    refuse_repeated(table, "file", (row["file"] for row in rows))
    known, unfinished = {row["file"] for row in rows}, 0
    for row in iterate_rows(folder / FOUND) if (folder / FOUND).exists() else ():
        if row["file"] in known:
            continue
        entry = journal.read(row["source_id"]) if row["source_id"] and row["status"] is None else None
        if row["status"] is None and (entry is None or entry.state != "done"):
            unfinished += 1
        else:
            rows.append(row if entry is None else {**entry.source, **_given(row)})
    return rows, unfinished


def _given(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if value is not None}


def _deciding(
    folder: Path,
    out: Path,
    old: Journal,
    config: CurationConfig,
    weights: Path | None,
    device: str,
) -> Step[Source, Entry]:
    """What is done with each source. A GPU is for those that must be looked at again."""
    work = partial(
        _decide_source,
        folder=folder,
        out=out,
        old=old,
        config=config,
        weights=None if weights is None else weights.absolute(),
        device=device,
    )
    return curation_step("decide", work, device)


def _decide_source(
    source: Source,
    report: Callable[[float], None],
    *,
    folder: Path,
    out: Path,
    old: Journal,
    config: CurationConfig,
    weights: Path | None,
    device: str,
) -> Entry:
    known = old.read(source.source_id)
    try:
        if known is None:
            raise NotMeasuredError(f"{source.source_id}: the journal does not hold it")
        entry = known if known.source["status"] == "failed" else _judge(source, known, folder, out, config)
    except NotMeasuredError:
        if folder == out:
            _refuse_without_source(source)
            _remove_files(out, known.clips if known is not None else [])
        return curate_source(source, report, out=out, config=config, weights=weights, device=device)
    if known is not None:
        _take_over(source, known, entry, folder, out, config)
    report(entry.source.get("duration_s") or 0.0)
    journal = Journal(out, config.hash)
    done = cut_clips(source, entry, out=out, config=config, weights=weights, device=device)
    journal.write(source.source_id, done)
    return done


def _judge(source: Source, known: Entry, folder: Path, out: Path, config: CurationConfig) -> Entry:
    judge = PieceJudge(source.source_id, out=out, config=config, framing=config.clip.encoding.framing)
    for piece in read_pieces(folder, source.source_id):
        judge(piece)
    damaged = [row for row in known.dropped if row["stage"] == "decode"]
    dropped = sorted([*judge.decisions.dropped, *damaged], key=lambda row: row["start_frame"])
    row = {**known.source, "segments": judge.pieces}
    return Entry("analysed", row, judge.decisions.clips, dropped, known.shots, known.transitions)


def _take_over(
    source: Source, known: Entry, entry: Entry, folder: Path, out: Path, config: CurationConfig
) -> None:
    """Take over the files of clips that are as before, and thumbnails; remove what is no more."""
    same_look = load_config(folder / "settings.toml").clip == config.clip
    kept_before = {_shown(row) for row in known.clips} if same_look else set()
    same = {row["path"] for row in entry.clips if _shown(row) in kept_before}
    described = {row["path"]: {key: row[key] for key in DESCRIBED} for row in known.clips}
    for row in entry.clips:
        if row["path"] in same and (folder / row["path"]).exists():
            row |= described[row["path"]]
    if folder == out and len(same) < len(entry.clips):
        _refuse_without_source(source)
    pictures = {_shown(row): row.get("thumbnail") for row in [*known.dropped, *known.clips]}
    rows = [*entry.clips, *entry.dropped]
    for row in rows:
        thumbnail = pictures.get(_shown(row))
        row["thumbnail"] = thumbnail if thumbnail and (folder / thumbnail).exists() else None
    files = {row[key] for row in rows for key in ("keypoints", "thumbnail") if row.get(key)}
    if config.output.keypoints == "full":
        files |= {row["keypoints"] for row in known.clips if row["path"] in same}
    if folder == out:
        # a clip of the same name that shows other frames goes too, and is cut again
        _remove_files(out, [*known.clips, *known.dropped], keep=same | files)
        return
    for file in sorted(same | files):
        _copy(folder / file, out / file)
    _copy(observations_path(folder, source.source_id), observations_path(out, source.source_id))


def _refuse_without_source(source: Source) -> None:
    """Where a folder is changed in place, its clips are not given up for others that cannot be cut."""
    if not source.path.exists():
        raise MadanceError(
            f"{source.path}: the source is gone, and clips of it would have to be cut anew: put it back, or decide "
            "into another folder (--out)"
        )


def _shown(row: dict[str, Any]) -> tuple[int, int, Crop | None]:
    """The frames that a row is about, and what of them."""
    return row["start_frame"], row["end_frame"], crop_of(row)


def _remove_files(out: Path, rows: Sequence[dict[str, Any]], keep: Container[str] = ()) -> None:
    for row in rows:
        for key in _FILES:
            if row.get(key) and row[key] not in keep:
                (out / row[key]).unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    if source.exists():
        link_or_copy(source, target)
