"""Every reader of a file that a stranger may have written, and a good file of its kind."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.media_builder import Recipe, build

ROOT = Path(__file__).resolve().parents[2]


def _sound() -> np.ndarray:
    return (0.3 * np.sin(np.arange(11_025) / 5)).astype(np.float32)


def mp4(path: Path) -> None:
    build(path, Recipe(num_frames=8, size=(64, 48)))


def gif(path: Path) -> None:
    from PIL import Image

    frames = [Image.fromarray(np.full((24, 32), level, np.uint8)) for level in (0, 90, 200)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=40)


def read_video(path: Path) -> None:
    from madata.video import Decoder, probe, read_audio

    if probe(path).audio is not None:
        read_audio(path, rate_hz=22_050, start_s=0.0)
    with Decoder(path) as decoder:
        for frame in itertools.islice(decoder, 8):
            if not frame.damaged:
                frame.scaled((32, 24))


def sound(path: Path) -> None:
    import soundfile

    soundfile.write(path, _sound(), 22_050)


def read_sound(path: Path) -> None:
    from madata.errors import MediaError
    from madata.music import load_audio, load_on_clock

    for load in (load_audio, lambda each: load_on_clock(each, 11_025)):
        try:
            load(path)
        except MediaError:
            continue


def keypoints(path: Path) -> None:
    from madata.keypoints.files import write_keypoints
    from madata.keypoints.sequence import PoseSequence

    joints, skeleton = (25, "coco-25") if path.suffix == ".json" else (17, "coco-17")
    xy = np.random.default_rng(0).uniform(10, 90, (6, joints, 2))
    write_keypoints(path, PoseSequence(xy, np.ones((6, joints)), skeleton, 30.0, (100, 100), "fuzz"))


def read_keypoints(path: Path) -> None:
    from madata.keypoints import read_pose_sequence

    read_pose_sequence(path)


def motion(path: Path) -> None:
    from madata.files import write_pickle

    rng = np.random.default_rng(0)
    poses, trans = rng.normal(0, 0.3, (6, 156)), np.zeros((6, 3))
    if path.suffix == ".pkl":
        write_pickle(path, {"smpl_poses": poses[:, :72], "smpl_trans": trans, "smpl_scaling": np.ones(1)})
    elif path.suffix == ".npy":
        np.save(path, rng.normal(0, 0.3, (6, 139)).astype(np.float32))
    else:
        np.savez(path, poses=poses, trans=trans, mocap_framerate=60.0, betas=np.zeros(16))


def bvh(path: Path) -> None:
    from madata.motion.formats import read_motion

    source = path.with_suffix(".npz")
    motion(source)
    from madata.motion.formats import write_motion

    write_motion(path, read_motion(source))
    source.unlink()


def read_motion_file(path: Path) -> None:
    from madata.formats import kind_of
    from madata.motion.formats import read_any_motion

    kind_of(path)
    read_any_motion(path)


def tensors(path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    state = {"a.weight": torch.ones(3, 4), "a.bias": torch.zeros(3)}
    save_file(state, path, {"made": "by a test"}) if path.suffix == ".safetensors" else torch.save(
        state, path
    )


def read_weights(path: Path) -> None:
    from evaluation.features.video.networks.checkpoints import read_state_dict
    from mace_dance.appearance.tensors import read_metadata, read_tensors
    from madata.errors import MadanceError
    from madata.files import read_torch

    for read in (read_tensors, read_metadata, read_state_dict, read_torch):
        try:
            read(path)
        except MadanceError:
            continue


def protocol(path: Path) -> None:
    shutil.copyfile(next(iter(sorted((ROOT / "evaluation").rglob("edge-pfc.toml")))), path)


def read_protocol(path: Path) -> None:
    from evaluation.protocol import load_protocol

    load_protocol(str(path))


def result(path: Path) -> None:
    shutil.copyfile(ROOT / "tests" / "fuzz" / "result.json", path)


def read_result(path: Path) -> None:
    from evaluation.result import read_result

    read_result(path)


def submission(path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(path, "w") as archive:
        archive.write(ROOT / "tests" / "fuzz" / "result.json", "result.json")
        archive.writestr("submission.json", '{"schema": 1, "result": "x", "files": {"result.json": "0"}}')
        archive.writestr("features.npz", b"PK\3\4")


def read_submission(path: Path) -> None:
    from leaderboard.submission import verify

    verify(path)


def table(path: Path) -> None:
    from madata.manifest import write_table

    rows = [{"clip_id": f"c{number}", "fps": 30.0, "frames": number} for number in range(4)]
    write_table(path, rows, {"clip_id": "string", "fps": "double", "frames": "int64"})


def read_parquet(path: Path) -> None:
    from madata.manifest import iterate_rows, read_table

    read_table(path)
    list(iterate_rows(path))


def png(path: Path) -> None:
    import cv2

    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8))


def read_png(path: Path) -> None:
    from evaluation.generate.pictures import own_size, write_picture

    own_size(path)
    write_picture(path, path.with_name("out.png"), (64, 64), "pad")


READERS: dict[str, tuple[Callable[[Path], None], Callable[[Path], object]]] = {
    "film.mp4": (mp4, read_video),
    "film.gif": (gif, read_video),
    "music.wav": (sound, read_sound),
    "music.mp3": (sound, read_sound),
    "music.flac": (sound, read_sound),
    "keypoints.npz": (keypoints, read_keypoints),
    "keypoints.json": (keypoints, read_keypoints),
    "motion.npz": (motion, read_motion_file),
    "motion.npy": (motion, read_motion_file),
    "motion.pkl": (motion, read_motion_file),
    "motion.bvh": (bvh, read_motion_file),
    "weights.pt": (tensors, read_weights),
    "weights.safetensors": (tensors, read_weights),
    "protocol.toml": (protocol, read_protocol),
    "result.json": (result, read_result),
    "submission.zip": (submission, read_submission),
    "table.parquet": (table, read_parquet),
    "picture.png": (png, read_png),
}
