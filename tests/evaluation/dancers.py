"""Small made-up dances in every file format the evaluation reads."""

import json

import numpy as np

from madata.files import write_npz
from madata.skeletons import skeleton

FPS = 16.0
JOINTS = skeleton("coco-25").joints
NAMES = {str(column): name for column, name in enumerate(JOINTS)}
_HEIGHTS = {
    "eye": 0.0,
    "nose": 2.0,
    "ear": 1.0,
    "neck": 20.0,
    "shoulder": 22.0,
    "elbow": 45.0,
    "wrist": 68.0,
    "hip": 70.0,
    "knee": 105.0,
    "ankle": 140.0,
    "toe": 145.0,
    "heel": 143.0,
}
_SWING = {"elbow": 8.0, "wrist": 18.0, "knee": 5.0, "ankle": 6.0, "toe": 6.0, "heel": 6.0}


def dance(seed, frames=64, movement=1.0, jitter=0.0):
    """(T, 25, 3) x px, y px, confidence of one clip; clips of other seeds move otherwise."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(frames)[:, None] / FPS
    rest = np.zeros((len(JOINTS), 2))
    swing = np.zeros(len(JOINTS))
    for column, name in enumerate(JOINTS):
        part = next(part for part in _HEIGHTS if part in name)
        side = 1 if name.startswith("left") else -1 if name.startswith("right") else 0
        rest[column] = 100 + 12 * side, 60 + _HEIGHTS[part]
        swing[column] = _SWING.get(part, 1.0)
    amount = swing * rng.uniform(0.5, 1.5, len(JOINTS)) * movement
    phase, rate = rng.uniform(0, 2 * np.pi, (2, len(JOINTS))), rng.uniform(0.5, 2.0, (2, len(JOINTS)))
    angle = 2 * np.pi * rate[:, None] * time_s[None] + phase[:, None]
    xy = rest + np.stack([amount * np.sin(angle[0]), 0.6 * amount * np.cos(angle[1])], axis=-1)
    xy += rng.normal(0, jitter, xy.shape) if jitter else 0
    return np.concatenate([np.round(xy, 3), np.full((*xy.shape[:2], 1), 0.9)], axis=-1)


def write_json(path, clip, **changes):
    """One clip as the official extractor writes it: y, x, confidence."""
    content = {
        "video_name": f"{path.stem}.mp4",
        "fps": FPS,
        "total_frames": len(clip),
        "skeleton": NAMES,
        "keypoints": clip[..., [1, 0, 2]].tolist(),
    }
    path.write_text(json.dumps(content | changes))


def write_set(folder, seeds, **how):
    """A folder of clips ``c000.json`` ... whose movement comes from ``seeds``."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds):
        write_json(folder / f"c{number:03d}.json", dance(seed, **how))
    return folder


def write_motion_set(folder, seeds, frames=330, fps=30.0):
    """A folder of 3D clips: joint positions of SMPL's 24 joints that sway above a floor."""
    folder.mkdir(parents=True, exist_ok=True)
    body = skeleton("smpl-24")
    rest = np.zeros((24, 3))
    for joint, parent in enumerate(body.parents):
        rest[joint] = body.offsets[joint] + (rest[parent] if parent >= 0 else 0)
    rest[:, 1] -= rest[:, 1].min()
    for number, seed in enumerate(seeds):
        rng = np.random.default_rng(seed)
        time_s = np.arange(frames)[:, None, None] / fps
        amount = 0.05 * rest[None, :, 1:2] * rng.uniform(0.2, 1.0, (1, 24, 3))
        sway = amount * np.sin(
            2 * np.pi * rng.uniform(0.5, 2, (1, 24, 3)) * time_s + rng.uniform(0, 6, (1, 24, 3))
        )
        positions = (rest + sway).astype(np.float32)
        write_npz(folder / f"m{number:03d}.npz", positions=positions, skeleton="smpl-24", fps=fps, up="y")
    return folder
