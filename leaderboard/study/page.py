"""A study as a folder: one page that opens from a file, and the blinded copies of the videos it shows.

Copies have one size, length and loudness, lose what a file says of itself, and are named by numbers. What is published
is the folder ``page``; the key stays beside it.
"""

from __future__ import annotations

import hashlib
import json
import math
import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt

from leaderboard.render.web import template_text, templates
from leaderboard.study.design import FROZEN, PRESETS, SCHEMA, Study, StudySystem, Trial, make_booklets
from madata.errors import MadanceError, did_you_mean
from madata.files import sha256_file, write_json, write_text
from madata.page_policy import page_policy
from madata.types import Music
from madata.video.audio import read_audio
from madata.video.encode import EncodeSettings
from madata.video.frames import read_frames
from madata.video.probe import probe
from madata.video.write import write_video

__all__ = ["CONSENT", "StudyOptions", "make_study", "page_data"]

CONSENT = (
    "Your answers are used to compare ways of making dance videos and may be published. Nothing about you is recorded: "
    "no name, no address, no account. You can stop at any time."
)
_LOUDNESS_DB = -20.0
_RATE_HZ = 44100
_LONGEST_SIDE = 640
_MOST_FPS = 60.0
_LEAST_S = 1.0
_SILENCE = 1e-6
_NO_SOUND = "has no sound, and a study is of dance to music"


@dataclass(frozen=True)
class StudyOptions:
    """How a study is made.

    Attributes:
        preset: which questions are asked.
        clips: most clips.
        seconds: longest part of a clip that is shown.
        booklets, votes, catches: see :func:`~leaderboard.study.design.make_booklets`.
        seed: of pairs, sides, order and names; drawn where it is ``None``.
        consent: text a rater agrees to.
        post_url: where the page sends answers too, ``https`` alone.
        on_step: told after every video.
    """

    title: str = "Dance videos: which is better?"
    preset: str = "default"
    clips: int = 20
    seconds: float = 8.0
    booklets: int = 10
    votes: int = 12
    catches: int = 4
    seed: int | None = None
    consent: str = CONSENT
    post_url: str = ""
    on_step: Callable[[int, int], None] = lambda done, total: None


def make_study(
    videos: Mapping[str, Mapping[str, Path]],
    out: Path,
    options: StudyOptions | None = None,
    *,
    results: Mapping[str, str] | None = None,
) -> Path:
    """Write a study into ``out`` and return its page.

    Args:
        videos: system -> clip -> video with sound.
        results: system -> id of the result its clips were scored in.

    Raises:
        MadanceError: fewer than two systems, no clip that all have, a video without sound or that cannot be read, an
            unknown preset, or ``out`` is not empty.
    """
    options = options or StudyOptions()
    _check(videos, out, options)
    seed = secrets.randbits(63) if options.seed is None else options.seed
    rng = np.random.default_rng(seed)
    systems = sorted(videos)
    shared = sorted(set.intersection(*(set(clips) for clips in videos.values())))
    if not shared:
        raise MadanceError(
            f"no clip is there of all systems ({', '.join(systems)}): the stems of their videos must meet"
        )
    chosen = sorted(shared[place] for place in rng.permutation(len(shared))[: options.clips])
    made = make_booklets(
        len(systems),
        len(chosen),
        booklets=options.booklets,
        votes=options.votes,
        catches=options.catches,
        rng=rng,
    )
    trials, booklets = _trials(made, systems, chosen, seed)
    shape = _Shape.of([videos[name][clip] for name in systems for clip in chosen], options.seconds)
    media = _write_media(trials, videos, out / "page" / "media", shape, options.on_step)
    study = Study(
        schema=SCHEMA,
        title=options.title,
        preset=options.preset,
        questions=PRESETS[options.preset],
        systems=tuple(StudySystem(name=name, result_id=(results or {}).get(name)) for name in systems),
        clips=tuple(chosen),
        seconds=shape.seconds,
        size=shape.size,
        seed=seed,
        trials=tuple(trials),
        booklets=tuple(booklets),
        media=media,
        consent=options.consent,
        post_url=options.post_url,
    )
    key = out / "study.json"
    write_json(key, study.model_dump(mode="json", by_alias=True))
    page = out / "page" / "index.html"
    write_text(page, _page(study, sha256_file(key)))
    return page


def _check(videos: Mapping[str, Mapping[str, Path]], out: Path, options: StudyOptions) -> None:
    if len(videos) < 2:
        raise MadanceError(
            "a study compares two systems at least: give results, or --media SYSTEM=FOLDER, of more"
        )
    if options.preset not in PRESETS:
        raise MadanceError(f"there is no preset {options.preset!r}{did_you_mean(options.preset, PRESETS)}")
    if FROZEN in videos:
        raise MadanceError(f"a system cannot be called {FROZEN!r} here: catch trials are")
    address = urlsplit(options.post_url)
    if options.post_url and (
        address.scheme != "https" or not address.hostname or set(options.post_url) & set(" ;,'\"")
    ):
        raise MadanceError(f"--post {options.post_url}: expected an address that begins with https://")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise MadanceError(f"{out} is not empty: votes would be lost with an old key; give another --out")


def _trials(
    made: Sequence[Sequence[tuple[str, int, int, int]]],
    systems: Sequence[str],
    clips: Sequence[str],
    seed: int,
) -> tuple[list[Trial], list[tuple[str, ...]]]:
    """Trials of all booklets, and the ids of each booklet in order."""
    trials: list[Trial] = []
    booklets: list[tuple[str, ...]] = []
    for booklet in made:
        ids = []
        for kind, clip, left, right in booklet:
            shown = [FROZEN if side < 0 else systems[side] for side in (left, right)]
            moving = next(name for name in shown if name != FROZEN)
            names = [_name(seed, clips[clip], moving if name == FROZEN else name, name) for name in shown]
            number = f"t{len(trials):05d}"
            trials.append(
                Trial(
                    id=number,
                    kind=kind,  # type: ignore[arg-type]
                    clip=clips[clip],
                    left=names[0],
                    right=names[1],
                    left_system=shown[0],
                    right_system=shown[1],
                )
            )
            ids.append(number)
        booklets.append(tuple(ids))
    return trials, booklets


def _name(seed: int, clip: str, system: str, shown: str) -> str:
    """A file name that says nothing: no system, no clip, no order; one video has one name in all trials.

    Args:
        shown: the system again, or ``frozen`` for its held picture.
    """
    return hashlib.sha256(json.dumps([seed, clip, system, shown]).encode()).hexdigest()[:20] + ".mp4"


@dataclass(frozen=True)
class _Shape:
    """What all copies have in common."""

    size: tuple[int, int]
    seconds: float

    @classmethod
    def of(cls, paths: Sequence[Path], most_s: float) -> _Shape:
        """The commonest shape of the videos, no larger than needed, and the length of the shortest."""
        found = [probe(path) for path in paths]
        for one in found:
            if one.audio is None:
                raise MadanceError(f"{one.path}: {_NO_SOUND}")
            if one.duration_s is not None and one.duration_s < _LEAST_S:
                raise MadanceError(
                    f"{one.path}: lasts {one.duration_s:.2f} s, and all clips are cut to the length of the shortest: "
                    f"a study wants {_LEAST_S:g} s at least, leave this clip out"
                )
        ratios = sorted(one.size[0] / one.size[1] for one in found)
        ratio = ratios[len(ratios) // 2]
        long = min(_LONGEST_SIDE, max(max(one.size) for one in found))
        width, height = (long, long / ratio) if ratio >= 1 else (long * ratio, long)
        lengths = [one.duration_s for one in found if one.duration_s is not None]
        return cls((2 * max(8, round(width / 2)), 2 * max(8, round(height / 2))), min([most_s, *lengths]))


def _write_media(
    trials: Sequence[Trial],
    videos: Mapping[str, Mapping[str, Path]],
    folder: Path,
    shape: _Shape,
    on_step: Callable[[int, int], None],
) -> dict[str, str]:
    """Copies of all that is shown -> SHA-256 by file name."""
    wanted: dict[str, tuple[Path, bool]] = {}
    for trial in trials:
        sides = ((trial.left, trial.left_system), (trial.right, trial.right_system))
        moving = next(name for _, name in sides if name != FROZEN)
        for name, system in sides:
            source = videos[moving if system == FROZEN else system][trial.clip]
            wanted[name] = (source, system == FROZEN)
    try:
        for done, (name, (source, frozen)) in enumerate(sorted(wanted.items()), 1):
            _copy(source, folder / name, shape, frozen)
            on_step(done, len(wanted))
    except BaseException:  # a study without its key is none, and would be in the way of the next
        shutil.rmtree(folder.parent, ignore_errors=True)
        raise
    return {name: sha256_file(folder / name) for name in sorted(wanted)}


def _copy(source: Path, target: Path, shape: _Shape, frozen: bool) -> None:
    info = probe(source)
    fps = min(info.fps, _MOST_FPS)
    frames = read_frames(source, fps, max(1, math.floor(shape.seconds * fps)), size=shape.size, fit="pad")
    sound = read_audio(source, rate_hz=_RATE_HZ, start_s=info.start_s, end_s=info.start_s + shape.seconds)
    shown = repeat(frames[0], len(frames)) if frozen else frames
    try:
        louder = _equally_loud(sound)
    except ValueError as error:
        raise MadanceError(f"{source}: {error}") from None
    write_video(target, iter(shown), fps, audio=louder, settings=EncodeSettings())


def _equally_loud(sound: Music) -> Music:
    """At one level where it sounds (loudest half of the tenths of seconds), never clipped.

    Raises:
        ValueError: it is silent, and would tell its system from the others.
    """
    wave = np.asarray(sound.waveform, np.float64)
    length = max(1, sound.rate_hz // 10)
    power = np.array(
        [np.mean(part**2) for part in np.array_split(wave, max(1, len(wave) // length)) if len(part)]
    )
    level = float(np.sqrt(np.sort(power)[len(power) // 2 :].mean())) if len(power) else 0.0
    if level <= _SILENCE:
        raise ValueError(_NO_SOUND)
    gain = min(10 ** (_LOUDNESS_DB / 20) / level, 0.98 / float(np.abs(wave).max()))
    louder: npt.NDArray[np.float32] = (wave * gain).astype(np.float32)
    return Music(louder, sound.rate_hz)


def page_data(study: Study, key_sha256: str) -> str:
    """What the page knows of its study, as it stands in it; which system is which it does not know."""
    data = {
        "study": key_sha256,
        "questions": [question.model_dump() for question in study.questions],
        "trials": {trial.id: [trial.left, trial.right] for trial in study.trials},
        "booklets": study.booklets,
        "post": study.post_url,
    }
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")


def _page(study: Study, key_sha256: str) -> str:
    from markupsafe import Markup

    texts = {name: template_text(name) for name in ("study.css", "study.js")}
    count = len(study.booklets[0])
    sources = {"media_src": "'self' file:"} | ({"connect_src": study.post_url} if study.post_url else {})
    return (
        templates()
        .get_template("study.html")
        .render(
            title=study.title,
            css=Markup(texts["study.css"]),
            js=Markup(texts["study.js"]),
            data=Markup(page_data(study, key_sha256)),
            policy=page_policy(texts["study.js"], texts["study.css"], **sources),
            consent=study.consent,
            questions=study.questions,
            trials=count,
            seconds=round(study.seconds),
            minutes=max(1, round(count * (2 * study.seconds + 4 * len(study.questions)) / 60)),
        )
    )
