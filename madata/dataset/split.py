"""Splits without leaks: groups never part, the test list is frozen, and growth moves nothing.

Test clips come from as many groups as there are clips, so that they are independent of each other: every test group
gives exactly one clip, cut to exactly ``seconds``, and its other clips are ``held``. Groups are chosen by a hash of
their names, in proportion to the genres. Where a data set is small, at most a fifth of its groups is given to the test.

Until :func:`freeze` has been called splits are provisional: :func:`provisional` gives whole groups to the test, so that
a small data set can be tried at once. Afterwards ``splits/groups.json`` says where every source stays. A source that
comes later goes where the groups it is tied to are; where those are in several splits, it is held, and neither moves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from madata.config import ClosedModel, validated
from madata.dataset.folder import Row
from madata.dataset.groups import DEFAULT_TIES, Tie, group_of_sources, hashed_place
from madata.errors import MadanceError
from madata.files import read_json, sha256_bytes, write_json, write_text

__all__ = [
    "TEST_LIST",
    "Assignment",
    "SplitRule",
    "assign_new",
    "choose_test",
    "provisional",
    "read_assignment",
    "read_test_list",
    "write_assignment",
]

TEST_LIST = Path("splits") / "test-v1.txt"
GROUPS = Path("splits") / "groups.json"
_LEAST_SHARE = 5
"""At most one group in so many is given to the test."""
_TOLERANCE_S = 1e-6


class SplitRule(ClosedModel):
    """How the test was chosen, kept beside it.

    ``clips`` wanted, of ``seconds`` each; sources joined ``by`` ties; ``val_share`` of the groups that are left.
    """

    clips: int = 500
    seconds: float = 5.0
    by: tuple[Tie, ...] = DEFAULT_TIES
    val_share: float = 0.05
    salt: str = "madance"


class _Groups(ClosedModel):
    version: int
    rule: SplitRule
    test_sha256: str
    sources: dict[str, tuple[str, str]]
    clips: dict[str, dict[str, str | int | float | None]]


@dataclass
class Assignment:
    """Where every source is, and what is different about the frozen test clips.

    Attributes:
        sources: source id -> (group id, split).
        test: the frozen clip ids, sorted; ``None`` while splits are provisional.
        clips: columns of the test clips that their cut to the exact length changed.
    """

    rule: SplitRule
    sources: dict[str, tuple[str, str]]
    test: tuple[str, ...] | None = None
    clips: dict[str, Row] = field(default_factory=dict)

    @property
    def is_frozen(self) -> bool:
        """Whether the test list is fixed."""
        return self.test is not None

    def source_row(self, row: Mapping[str, Any]) -> Row:
        """A row of the sources with its group."""
        known = self.sources.get(str(row.get("source_id")))
        return {**row, "group_id": known[0] if known else None}

    def clip_row(self, row: Mapping[str, Any]) -> Row:
        """A row of the clips with its group and split; a frozen test clip as it was cut for the test."""
        group, split = self.sources[str(row["source_id"])]
        if self.test is None:
            return {**row, "group_id": group, "split": split}
        clip_id = str(row["clip_id"])
        if split == "test":
            split = "test" if clip_id in self.clips else "held"
        return {**row, "group_id": group, "split": split, **self.clips.get(clip_id, {})}


def provisional(
    groups: Mapping[str, str],
    with_clips: Iterable[str],
    *,
    val_share: float,
    test_share: float,
    salt: str = "madance",
) -> dict[str, tuple[str, str]]:
    """A split by whole groups, in shares, with at least one test group wherever there are two groups with clips.

    Args:
        groups: source -> group.
        with_clips: sources that clips come from; the others count for nothing.
    """
    known = set(with_clips)
    names = sorted({groups[source] for source in known})
    wanted = round(test_share * len(names))
    if test_share and len(names) > 1:
        wanted = max(1, wanted)
    in_order = sorted(names, key=lambda name: (hashed_place(name, salt), name))
    test = set(in_order[:wanted])
    return {source: (group, _split(group, test, val_share, salt)) for source, group in sorted(groups.items())}


def _split(group: str, test: set[str], val_share: float, salt: str) -> str:
    if group in test:
        return "test"
    return "val" if hashed_place(group, f"{salt} val") < val_share else "train"


def choose_test(
    clips: Sequence[Mapping[str, Any]], groups: Mapping[str, str], rule: SplitRule
) -> dict[str, str]:
    """Group -> the one clip of it that is tested, of as many groups as wanted, or of a fifth of those there are.

    Wild clips are chosen from where there are any; genres get places in proportion to their groups.

    Raises:
        MadanceError: there are fewer than two groups, or no clip is long enough.
    """
    names = {groups[row["source_id"]] for row in clips}
    if len(names) < 2:
        raise MadanceError(
            "all clips belong to one group (a source, performance or uploader): there is nothing to test that was not "
            "trained on; add sources of others, or join by less (--by)"
        )
    wild = [row for row in clips if row["subset"] == "wild"]
    best: dict[str, Mapping[str, Any]] = {}
    for row in sorted(
        wild or clips, key=lambda row: (hashed_place(row["clip_id"], rule.salt), row["clip_id"])
    ):
        if row["duration_s"] is not None and row["duration_s"] >= rule.seconds - _TOLERANCE_S:
            best.setdefault(groups[row["source_id"]], row)
    if not best:
        raise MadanceError(f"no clip is as long as {rule.seconds:g} s; choose shorter test clips (--seconds)")
    wanted = min(rule.clips, max(1, len(names) // _LEAST_SHARE), len(best))
    strata: dict[str, list[str]] = defaultdict(list)
    for group in sorted(best, key=lambda name: (hashed_place(name, rule.salt), name)):
        strata[str(best[group].get("genre") or "")].append(group)
    places = _in_proportion({genre: len(members) for genre, members in strata.items()}, wanted)
    return {
        group: str(best[group]["clip_id"])
        for genre in sorted(strata)
        for group in strata[genre][: places[genre]]
    }


def _in_proportion(sizes: Mapping[str, int], wanted: int) -> dict[str, int]:
    """Places by largest remainder."""
    total = sum(sizes.values())
    exact = {name: wanted * size / total for name, size in sizes.items()}
    given = {name: int(share) for name, share in exact.items()}
    rest = sorted(sizes, key=lambda name: (given[name] - exact[name], name))
    for name in rest[: wanted - sum(given.values())]:
        given[name] += 1
    return given


def assign_new(
    before: Assignment, source_ids: Iterable[str], ties: Sequence[tuple[str, str, Tie]]
) -> dict[str, tuple[str, str]]:
    """Where all sources are after growth: those known stay, a new one goes where what it is tied to is.

    New sources that are tied to groups of several splits are held. A tie between two known sources moves neither:
    :mod:`madata.dataset.verify` tells where that is a leak.
    """
    known = before.sources
    fresh = sorted(set(source_ids) - set(known))
    new = set(fresh)
    among = group_of_sources(fresh, [tie for tie in ties if tie[0] in new and tie[1] in new])
    reached: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for one, other, _ in ties:
        for here, there in ((one, other), (other, one)):
            if here in new and there in known:
                reached[among[here]].add(known[there])
    result = dict(known)
    for source in fresh:
        group = among[source]
        places = sorted(reached[group])
        splits = {"held" if split == "test" else split for _, split in places}
        if not places:
            result[source] = (group, _split(group, set(), before.rule.val_share, before.rule.salt))
        elif len(splits) == 1:
            result[source] = (places[0][0], next(iter(splits)))
        else:
            result[source] = (
                (next(name for name, split in places if split in ("test", "held")), "held")
                if (splits & {"held"})
                else (places[0][0], "held")
            )
    return result


def read_assignment(folder: Path) -> Assignment | None:
    """The frozen splits of a data set, ``None`` where there are none yet.

    Raises:
        MadanceError: the files are damaged, or the test list is not the one that was frozen.
    """
    path = folder / GROUPS
    if not path.exists():
        return None
    content = validated(_Groups, read_json(path), where=str(path), noun="entry", error=MadanceError)
    if content.version != 1:
        raise MadanceError(f"{path}: version {content.version}; this madance reads version 1")
    test = read_test_list(folder)
    if _hash_of(test) != content.test_sha256:
        raise MadanceError(
            f"{folder / TEST_LIST}: not the list that was frozen (its SHA-256 stands in {GROUPS}): bring the file back"
        )
    return Assignment(
        content.rule, dict(content.sources), test, {name: dict(row) for name, row in content.clips.items()}
    )


def read_test_list(folder: Path) -> tuple[str, ...]:
    """The frozen test clips.

    Raises:
        MadanceError: there is no such list.
    """
    path = folder / TEST_LIST
    try:
        return tuple(path.read_text("utf-8").split("\n")[:-1])
    except FileNotFoundError:
        raise MadanceError(
            f"{path}: no such file, although {GROUPS} says that it was frozen: bring it back"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise MadanceError(f"{path}: not readable ({error})") from error


def write_assignment(folder: Path, assignment: Assignment) -> None:
    """Freeze: write the test list and where every source is."""
    test = assignment.test or ()
    write_text(folder / TEST_LIST, "".join(f"{name}\n" for name in test))
    content = _Groups(
        version=1,
        rule=assignment.rule,
        test_sha256=_hash_of(test),
        sources=assignment.sources,
        clips=assignment.clips,
    )
    write_json(folder / GROUPS, content.model_dump(mode="json"))


def _hash_of(test: Sequence[str]) -> str:
    return sha256_bytes("".join(f"{name}\n" for name in test).encode())
