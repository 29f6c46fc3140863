"""Are copies found? Dances are made, some are copied, and the pairs that are found are held against what is known.

    python -m benchmarks.duplicates --motions MOCAP --out /tmp/copies                    # 1,600 dances, 400 copies
    python -m benchmarks.duplicates --footage VIDEOS --out /tmp/real --copies 120
    python -m benchmarks.duplicates --motions MOCAP --out /tmp/copies --others 18000     # among many more

A copy is encoded (smaller, coarser), and besides cropped, mirrored, shifted, re-timed, darker or given other sound,
each by a toss. Dances are pieces of captured motion in new orders, at other speeds, some in a mirror; places, outfits
and songs are shared, so that a dance is not known by them. Real footage is cut into windows instead. How the search
fares in a large data set is seen among signatures put together from pieces of those of the set, at other speeds.
"""

import argparse
import json
import resource
import time
from functools import cache, partial
from pathlib import Path

import numpy as np

from madata.dataset.duplicates import Recognised, find_duplicates
from madata.dataset.signatures import MIRROR, PICTURE_SIZE, MotionMeter, Signature, signature_of, sound_levels
from madata.engine import run
from madata.files import read_npz, write_npz
from madata.motion import mirror, read_motion, resample, with_skeleton
from madata.skeletons import skeleton
from madata.types import Motion3D, Music
from madata.video import EncodeSettings

FPS = 12.5
LENGTH_S = 6.0
SIZE = (64, 108)
RATE_HZ = 16000
_UPPER = (3, 6, 9, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23)
_SONGS, _SONG_S = 60, 30.0
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


def a_performance(folder, rng):
    """Pictures of a dance in some place, in some clothes, and where its joints are in them (N, 24, 2)."""
    from madata.render.backdrop import BACKDROPS, make_stage
    from madata.render.camera import front_camera
    from madata.render.pose import body_joints

    joints = body_joints(a_dance(folder, rng))
    camera = front_camera([joints], SIZE)
    place = sorted(BACKDROPS)[int(rng.integers(len(BACKDROPS)))]
    stage = make_stage(place, camera, [joints], float(joints[..., 1].min()), seed=int(rng.integers(3)))
    outfit = OUTFITS[int(rng.integers(len(OUTFITS)))]
    points = camera.project(joints)
    return [drawn(stage.image.copy(), pose, outfit) for pose in points], points


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


def look_at(pictures, fps, sound):
    """The signature of pictures that were never encoded."""
    import cv2

    meter = MotionMeter()
    for number, picture in enumerate(pictures):
        grey = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY)
        meter.feed(cv2.resize(grey, PICTURE_SIZE, interpolation=cv2.INTER_AREA), number / fps)
    levels = np.zeros((0, 12), np.float32) if sound is None else sound_levels(sound.waveform, RATE_HZ)
    return Signature(meter.rows(0.0, len(pictures) / fps), levels)


def copy_of(pictures, fps, sound, number, path):
    """The signature of a copy, which is encoded and decoded, and how it was made."""
    from madata.video import write_video

    rng = np.random.default_rng([number, 2])
    how = {
        "start_s": round(rng.uniform(0, min(1.5, len(pictures) / fps - 3.3)), 3)
        if rng.random() < 0.7
        else 0.0,
        "rate": round(rng.uniform(0.95, 1.05), 4) if rng.random() < 0.6 else 1.0,
        "mirrored": bool(rng.random() < 0.4),
        "crop": np.round(rng.uniform(0, 0.12, 4), 3).tolist() if rng.random() < 0.6 else [0.0] * 4,
        "gain": round(rng.uniform(0.75, 1.2), 3) if rng.random() < 0.5 else 1.0,
        "other_sound": bool(rng.random() < 0.5),
        "crf": int(rng.integers(24, 34)),
    }
    how["fps"] = round(rng.uniform(12, 30), 3)
    shown = _altered(pictures, fps, how), how["fps"]
    side = max(48, round(rng.uniform(0.7, 1.0) * max(shown[0][0].shape) / 2) * 2)
    coarse = EncodeSettings(long_side=side, crf=how["crf"], audio_rate_hz=RATE_HZ, audio_bit_rate=24_000)
    heard = None if sound is None else _sound_of(sound, how, len(shown[0]) / shown[1], rng)
    write_video(path, shown[0], shown[1], audio=heard, settings=coarse)
    return signature_of(path), how


def _altered(pictures, fps, how):
    """Pictures of a copy at another frame rate: frame k shows what was seen at start_s + k / new_fps * rate."""
    height, width = pictures[0].shape[:2]
    top, bottom, left, right = _borders(how, (height, width))
    shown = []
    for at in _shown_at(len(pictures), fps, how):
        picture = pictures[at][top : height - bottom, left : width - right]
        picture = picture[:, ::-1] if how["mirrored"] else picture
        shown.append(np.clip(picture * how["gain"], 0, 255).astype(np.uint8))
    return shown


def _borders(how, size):
    """What is cropped from top, bottom, left and right, px."""
    height, width = size
    return [
        round(share * side) for share, side in zip(how["crop"], (height, height, width, width), strict=True)
    ]


def _shown_at(count, fps, how):
    """Which of ``count`` pictures each picture of a copy shows."""
    shown = int((count / fps - how["start_s"]) / how["rate"] * how["fps"])
    at = (how["start_s"] + np.arange(shown) / how["fps"] * how["rate"]) * fps
    return np.minimum(count - 1, (at + 1e-6).astype(int))


def _sound_of(sound, how, seconds, rng):
    from madata.video.audio import resample_sound

    if how["other_sound"]:
        return some_sound(rng, seconds)
    heard = sound.waveform[round(how["start_s"] * RATE_HZ) :]
    faster = resample_sound(heard[None], round(RATE_HZ * how["rate"]), RATE_HZ)[0]
    return Music(faster[: round(seconds * RATE_HZ)], RATE_HZ)


def make(number, report, *, out, motions, copied):
    """Dance ``number``, and a copy of it if it is one of ``copied``; what is there already is not made again."""
    path = out / f"{number:04d}.npz"
    if path.exists():
        return path
    rng = np.random.default_rng([number, 1])
    pictures, points = a_performance(motions, rng)
    sound = some_sound(rng, len(pictures) / FPS)
    _keep(path, pictures, FPS, sound, number if number in copied else None, points)
    return path


def _keep(path, pictures, fps, sound, number, points=None):
    own = look_at(pictures, fps, sound)
    arrays = {"motion": own.motion, "sound": own.sound}
    if points is not None:
        arrays |= as_keypoints("", points, fps, pictures[0].shape)
    if number is not None:
        again, how = copy_of(pictures, fps, sound, number, path.with_suffix(".mp4"))
        path.with_suffix(".mp4").unlink()
        arrays |= {"copy_motion": again.motion, "copy_sound": again.sound, "how": np.array(json.dumps(how))}
        if points is not None:
            arrays |= as_keypoints("copy_", *joints_of_copy(points, fps, pictures[0].shape, how))
    write_npz(path, **arrays)


def as_keypoints(prefix, points, fps, shape):
    """Arrays of a keypoint file: where the joints are, of every picture."""
    return {f"{prefix}xy": points, f"{prefix}fps": np.float64(fps), f"{prefix}size": np.array(shape[1::-1])}


def joints_of_copy(points, fps, shape, how):
    """Where the joints are in the pictures of a copy: what a perfect detector would find there."""
    top, bottom, left, right = _borders(how, shape[:2])
    shown = points[_shown_at(len(points), fps, how)] - np.array([left, top], np.float32)
    size = (shape[0] - top - bottom, shape[1] - left - right)
    if how["mirrored"]:
        shown = shown[:, skeleton("smpl-24").mirrored]
        shown[..., 0] = size[1] - shown[..., 0]
    return shown, how["fps"], size


def cut_footage(videos, out, copies, seconds=5.2):
    """Windows of real videos, and copies of each in turn."""
    from madata.errors import MediaError
    from madata.video import Decoder

    windows = []
    for path in sorted(videos.iterdir()):
        try:
            with Decoder(path) as decoder:
                fps, scale = decoder.info.fps, 320 / max(decoder.info.size)
                size = tuple(max(2, round(side * scale / 2) * 2) for side in decoder.info.size)
                pictures = [frame.scaled(size, "rgb24") for frame in decoder]
        except MediaError:
            continue
        step = round(min(seconds, len(pictures) / fps) * fps)
        starts = range(0, len(pictures) - step + 1, step) if step / fps >= 3.3 else ()
        windows += [(f"{path.stem}-{start:04d}", pictures[start : start + step], fps) for start in starts]
    for number in range(max(copies, len(windows))):
        name, pictures, fps = windows[number % len(windows)]
        path = out / f"{name}.{number // len(windows)}.npz"
        if not path.exists():
            _keep(path, pictures, fps, None, number if number < copies else None)


def strangers(motions, count):
    """Signatures of clips that show none of the dances: pieces of theirs, a fifth faster or slower at least."""
    rng = np.random.default_rng(3)
    for number in range(count):
        pieces = []
        for rows in (motions[int(rng.integers(len(motions)))] for _ in range(3)):
            rate, length = (
                rng.choice([rng.uniform(0.65, 0.82), rng.uniform(1.2, 1.45)]),
                int(rng.integers(15, 30)),
            )
            begin = rng.uniform(0, max(0.0, len(rows) - 1 - length * rate))
            at = np.minimum(np.round(begin + np.arange(length) * rate).astype(int), len(rows) - 1)
            pieces.append(rows[at] @ MIRROR if rng.random() < 0.5 else rows[at])
        name = f"stranger {number:06d}"
        yield Recognised(name, name, Signature(np.concatenate(pieces), np.zeros((0, 12), np.float32)))


def measure(out, others=0):
    """Precision and recall of pairs, over a range of thresholds; among ``others`` clips besides."""
    clips, copies = [], {}
    for path in sorted(out.glob("*.npz")):
        arrays, name = read_npz(path), path.stem.partition(".")[0]
        if not any(clip.clip_id == name for clip in clips):
            clips.append(Recognised(name, name, Signature(arrays["motion"], arrays["sound"])))
        if "how" in arrays:
            again = f"copy of {path.stem}"
            clips.append(Recognised(again, again, Signature(arrays["copy_motion"], arrays["copy_sound"])))
            copies[again] = (name, json.loads(str(arrays["how"])))
    clips += list(strangers([clip.signature.motion for clip in clips], others))
    began = time.process_time()
    rows = find_duplicates(clips, least_score=0.6)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{len(clips)} clips, {len(copies)} of them copies; {time.process_time() - began:.0f} CPU s, {peak:.2f} GB"
    )
    rows = [row for row in rows if not row["clip_b"].startswith("stranger")]
    original = {name: copies.get(name, (name,))[0] for name in (clip.clip_id for clip in clips)}
    right = [row for row in rows if original[row["clip_a"]] == original[row["clip_b"]]]
    for least in (0.8, 0.9, 1.0, 1.1, 1.2, 1.25, 1.3, 1.35, 1.4):
        wrong = sum(row["score"] >= least for row in rows) - sum(row["score"] >= least for row in right)
        hit = {
            name for row in right if row["score"] >= least for name in (row["clip_a"], row["clip_b"])
        } & set(copies)
        print(
            f"score {least}: recall {len(hit)}/{len(copies)}, precision {len(hit) / max(1, len(hit) + wrong):.4f}"
        )
    known = {row["clip_a"] for row in right} | {row["clip_b"] for row in right}
    for name in sorted(set(copies) - known):
        print("missed", name, copies[name][1])
    told = [row["same_sound"] != copies[max(row["clip_a"], row["clip_b"])][1]["other_sound"] for row in right
            if max(row["clip_a"], row["clip_b"]) in copies and row["same_sound"] is not None]  # fmt: skip
    if told:
        print(f"whether the sound is the same: right for {sum(told)} of {len(told)}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--motions", type=Path)
    parser.add_argument("--footage", type=Path)
    parser.add_argument("--dances", type=int, default=1600)
    parser.add_argument("--copies", type=int, default=400)
    parser.add_argument(
        "--first", type=int, default=0, help="number of the first dance: others are a fresh set"
    )
    parser.add_argument("--others", type=int, default=0, help="clips to search among besides")
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    if given.footage:
        cut_footage(given.footage, given.out, given.copies)
    else:
        copied = range(given.first, given.first + given.copies)
        work = partial(make, out=given.out, motions=given.motions, copied=copied)
        for outcome in run(work, range(given.first, given.first + given.dances), jobs=given.jobs):
            if outcome.value is None:
                raise SystemExit(f"dance {outcome.item}: {outcome.error}")
    measure(given.out, given.others)


if __name__ == "__main__":
    main()
