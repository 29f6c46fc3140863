"""Are copies found? Clips with known copies are made, and found pairs are held against what is known.

    python -m benchmarks.duplicates --motions MOCAP --out /tmp/copies                    # 1,600 dances, 400 copies
    python -m benchmarks.duplicates --footage VIDEOS --out /tmp/real --dances 60 --copies 60

A copy is re-encoded (smaller, coarser), and besides cropped, mirrored, shifted, re-timed, darker or given other sound,
each by a toss. Dances are pieces of captured motion in new orders, at other speeds, some in a mirror; places, outfits
and songs are shared, so that a dance is not known by them. Real footage is cut into windows instead.
"""

import argparse
import json
from functools import cache, partial
from pathlib import Path

import numpy as np

from madata.engine import run
from madata.files import read_json, write_json
from madata.motion import mirror, read_motion, resample, with_skeleton
from madata.skeletons import skeleton
from madata.types import Motion3D, Music
from madata.video import EncodeSettings

FPS = 12.5
LENGTH_S = 6.0
SIZE = (96, 160)
RATE_HZ = 16000
_UPPER = (3, 6, 9, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23)
_SONGS, _SONG_S = 60, 30.0
PLAIN = EncodeSettings(audio_rate_hz=RATE_HZ, audio_bit_rate=32_000, preset="ultrafast")
OUTFITS = [((40, 40, 60), (220, 220, 225)), ((90, 60, 40), (180, 30, 40)), ((200, 200, 190), (30, 90, 160)),
           ((30, 30, 30), (40, 40, 45)), ((70, 90, 120), (230, 200, 60)), ((120, 30, 90), (120, 30, 90))]  # fmt: skip


@cache
def captured(folder):
    """The captured motions at :data:`FPS`, and each in a mirror."""
    motions = [
        with_skeleton(resample(read_motion(path), FPS), "smpl-24") for path in sorted(folder.glob("*.bvh*"))
    ]
    return [one for motion in motions for one in (motion, mirror(motion))]


def a_dance(folder, rng):
    """A dance that nobody danced: pieces of about a second of captured ones, at other speeds, joined."""
    rotations, steps = [], []
    for _ in range(int(LENGTH_S / 0.8) + 1):
        motion = captured(folder)[int(rng.integers(len(captured(folder))))]
        speed, frames = rng.uniform(0.8, 1.25), round(rng.uniform(0.8, 1.4) * FPS)
        start = int(rng.integers(len(motion.rotation) - int(frames * speed) - 2))
        at = np.minimum(start + np.round(np.arange(frames) * speed).astype(int), len(motion.rotation) - 1)
        rotations.append(motion.rotation[at])
        steps.append(np.diff(motion.translation[at], axis=0, prepend=motion.translation[at[:1]]))
    rotation = _joined(rotations)
    where = np.concatenate(steps).cumsum(axis=0)[: len(rotation)]
    where[:, [0, 2]] -= where[:, [0, 2]].mean(axis=0)
    where[:, 1] = 0.92
    return Motion3D(rotation, where.astype(np.float32), FPS, "y", "smpl-24")


def _joined(pieces):
    """Pieces that go over into each other within three frames; the dancer faces the camera throughout."""
    whole = np.concatenate(pieces)[: round(LENGTH_S * FPS)].astype(np.float32)
    whole[:, 0] *= 0.3
    padded = np.pad(whole, ((1, 1), (0, 0), (0, 0)), mode="edge")
    return (padded[:-2] + padded[1:-1] + padded[2:]) / 3


@cache
def song(number):
    """One of the songs that the dances share."""
    from madata.synthetic.music import make_music

    tempo = np.random.default_rng([number, 5]).uniform(80, 160)
    return make_music(_SONG_S, tempo_bpm=tempo, seed=number, rate_hz=RATE_HZ).music


def some_sound(rng, seconds):
    """A part of a song, half of the time from its beginning."""
    whole = song(int(rng.integers(_SONGS))).waveform
    start = 0 if rng.random() < 0.5 else int(rng.integers(len(whole) - round(seconds * RATE_HZ)))
    return Music(whole[start : start + round(seconds * RATE_HZ)], RATE_HZ)


def make_original(number, report, *, out, motions, count):
    """Render dance ``number``, or take a window of real footage that lies there already."""
    from madata.render.backdrop import BACKDROPS, make_stage
    from madata.render.camera import front_camera
    from madata.render.pose import body_joints
    from madata.video import write_video

    path = out / "clips" / f"dance-{number:04d}.mp4"
    if path.exists():
        return path.stem
    rng = np.random.default_rng([number, 1])
    joints = body_joints(a_dance(motions, rng))
    camera = front_camera([joints], SIZE)
    place = sorted(BACKDROPS)[int(rng.integers(len(BACKDROPS)))]
    stage = make_stage(place, camera, [joints], float(joints[..., 1].min()), seed=int(rng.integers(3)))
    outfit = OUTFITS[int(rng.integers(len(OUTFITS)))]
    pictures = (drawn(stage.image.copy(), camera.project(pose), outfit) for pose in joints)
    write_video(path, pictures, FPS, audio=some_sound(rng, len(joints) / FPS), settings=PLAIN)
    return path.stem


def drawn(image, points, outfit):
    """A figure of thick lines: what is left of any figure at the size that signatures look at, drawn quickly."""
    import cv2

    height = np.ptp(points[:, 1])
    for joint, parent in enumerate(skeleton("smpl-24").parents):
        if parent >= 0:
            colour, width = outfit[joint in _UPPER], 0.1 if joint in (3, 6, 9, 13, 14) else 0.055
            ends = [tuple(np.round(points[one] * 16).astype(int).tolist()) for one in (joint, parent)]
            cv2.line(image, *ends, colour, max(2, round(width * height)), cv2.LINE_AA, 4)
    head = tuple(np.round(points[15] * 16).astype(int).tolist())
    cv2.circle(image, head, round(0.07 * height * 16), (205, 160, 130), -1, cv2.LINE_AA, 4)
    return image


def make_copy(job, report, *, out, sounds):
    """A copy of a clip, and how it was made."""
    from madata.video import Decoder, EncodeSettings, write_video

    number, original = job
    rng = np.random.default_rng([number, 2])
    path = out / "clips" / f"copy-{number:04d}.mp4"
    with Decoder(original) as decoder:
        fps, size = decoder.info.fps, decoder.info.size
        has_sound = decoder.info.audio is not None
        pictures = [frame.scaled(size, "rgb24") for frame in decoder]
    length_s = len(pictures) / fps
    room_s = max(0.0, length_s - 3.6)
    how = {
        "original": original.stem,
        "start_s": round(rng.uniform(0, min(1.5, room_s)), 3) if rng.random() < 0.7 else 0.0,
        "rate": round(rng.uniform(0.95, 1.05), 4) if rng.random() < 0.6 else 1.0,
        "mirrored": bool(rng.random() < 0.4),
        "crop": np.round(rng.uniform(0, 0.12, 4), 3).tolist() if rng.random() < 0.6 else [0.0] * 4,
        "gain": round(rng.uniform(0.75, 1.2), 3) if rng.random() < 0.5 else 1.0,
        "other_sound": bool(rng.random() < 0.5) and sounds,
        "crf": int(rng.integers(24, 34)),
    }
    if not path.exists():
        shown = _altered(pictures, fps, how, rng.uniform(15, 31) if rng.random() < 0.5 else fps)
        scale = float(rng.uniform(0.7, 1.0))
        height, width = shown[0][0].shape[:2]
        side = max(48, round(scale * max(height, width) / 2) * 2)
        seconds = len(shown[0]) / shown[1]
        sound = _sound_of(original, how, seconds, rng) if has_sound or how["other_sound"] else None
        coarse = EncodeSettings(long_side=side, crf=how["crf"], audio_rate_hz=RATE_HZ, audio_bit_rate=24_000)
        write_video(path, shown[0], shown[1], audio=sound, settings=coarse)
    return path.stem, how


def _altered(pictures, fps, how, new_fps):
    """Pictures of a copy at another frame rate: frame k shows what was seen at start_s + k / new_fps * rate."""
    height, width = pictures[0].shape[:2]
    top, bottom, left, right = (round(share * side) for share, side in
                                zip(how["crop"], (height, height, width, width), strict=True))  # fmt: skip
    count = int((len(pictures) / fps - how["start_s"]) / how["rate"] * new_fps)
    shown = []
    for k in range(count):
        at = min(len(pictures) - 1, int((how["start_s"] + k / new_fps * how["rate"]) * fps + 1e-6))
        picture = pictures[at][top : height - bottom, left : width - right]
        picture = picture[:, ::-1] if how["mirrored"] else picture
        shown.append(np.clip(picture * how["gain"], 0, 255).astype(np.uint8))
    return shown, round(new_fps, 3)


def _sound_of(original, how, seconds, rng):
    from madata.video import read_audio
    from madata.video.audio import resample_sound

    if how["other_sound"]:
        return some_sound(rng, seconds)
    heard = read_audio(original, start_s=how["start_s"], rate_hz=RATE_HZ)
    faster = resample_sound(heard.waveform[None], round(RATE_HZ * how["rate"]), RATE_HZ)[0]
    return Music(faster[: round(seconds * RATE_HZ)], RATE_HZ)


def cut_footage(videos, out, seconds=5.2):
    """Windows of real videos as originals, side by side."""
    from madata.errors import MediaError
    from madata.video import Decoder, write_video

    names = []
    for path in sorted(videos.iterdir()):
        try:
            with Decoder(path) as decoder:
                fps = decoder.info.fps
                scale = 320 / max(decoder.info.size)
                size = tuple(max(2, round(side * scale / 2) * 2) for side in decoder.info.size)
                pictures = [frame.scaled(size, "rgb24") for frame in decoder]
        except MediaError:
            continue
        step = round(min(seconds, len(pictures) / fps) * fps)
        for number, start in enumerate(range(0, len(pictures) - step + 1, step)):
            if step / fps < 2.5:
                continue
            name = f"{path.stem}-{number:02d}"
            if not (out / "clips" / f"{name}.mp4").exists():
                write_video(out / "clips" / f"{name}.mp4", pictures[start : start + step], fps)
            names.append(name)
    return names


def make(out, *, dances, copies, motions, footage, jobs):
    """Make the clips; ``truth.json`` says which are copies."""
    if (out / "truth.json").exists():
        return read_json(out / "truth.json")
    if footage:
        originals = cut_footage(footage, out)
    else:
        work = partial(make_original, out=out, motions=motions, count=dances)
        originals = sorted(_value(outcome) for outcome in run(work, range(dances), jobs=jobs))
    rng = np.random.default_rng(3)
    chosen = (
        rng.permutation(originals)[:copies] if copies <= len(originals) else rng.choice(originals, copies)
    )
    pairs = [(number, out / "clips" / f"{name}.mp4") for number, name in enumerate(chosen)]
    work = partial(make_copy, out=out, sounds=not footage)
    made = dict(sorted(_value(outcome) for outcome in run(work, pairs, jobs=jobs)))
    truth = {"originals": originals, "copies": made}
    write_json(out / "truth.json", truth)
    return truth


def _value(outcome):
    if outcome.value is None:
        raise SystemExit(f"{outcome.item}: {outcome.error}")
    return outcome.value


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--motions", type=Path)
    parser.add_argument("--footage", type=Path)
    parser.add_argument("--dances", type=int, default=1600)
    parser.add_argument("--copies", type=int, default=400)
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    truth = make(given.out, dances=given.dances, copies=given.copies, motions=given.motions,
                 footage=given.footage, jobs=given.jobs)  # fmt: skip
    print(json.dumps({"originals": len(truth["originals"]), "copies": len(truth["copies"])}))


if __name__ == "__main__":
    main()
