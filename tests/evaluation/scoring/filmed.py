"""Films of dancers that a made pose backend can follow: both halves of Table 1 in a second."""

import numpy as np

from evaluation.features import music as beat_finder
from madata import pose
from madata.pose.base import Poses
from tests.evaluation.dancers import dance
from tests.evaluation.scoring.makers import write

FPS, COUNT = 16, 66


def film(seed):
    """A clip whose colour tells the backend who dances; black: nobody."""
    clip = np.full((COUNT, 32, 48, 3), 0, np.uint8)
    if seed is not None:
        clip[:] = 20 + 10 * seed
        for number in range(COUNT):
            clip[number, 8:16, number % 40 : number % 40 + 8] = 255
    return clip


class Dancers:
    """A backend that knows each film by its colour."""

    skeleton = "coco-25"

    @property
    def identity(self):
        return {"name": "dancers"}

    def follow(self, images):
        for number, image in enumerate(images):
            seed = round((float(image[-4:].mean()) - 20) / 10)
            if seed < 0:
                yield Poses(*(np.zeros(shape, np.float32) for shape in ((0, 25, 2), (0, 25), (0,))))
                continue
            clip = dance(seed, COUNT)[number]
            yield Poses(
                clip[None, :, :2].astype(np.float32),
                clip[None, :, 2].astype(np.float32),
                np.ones(1, np.float32),
            )


def film_dancers(root, monkeypatch, *, clips=5, first=6):
    """Folders of ``clips`` made videos (of seeds ``first`` and on), real videos, and songs."""
    monkeypatch.setattr(pose, "load", lambda *names, **options: Dancers())
    monkeypatch.setattr(beat_finder, "beats_of_file", lambda path, method: (np.arange(0.1, 4.0, 0.5), 1.0))
    for number in range(clips):
        write(root / "real" / f"c{number}.mp4", film(number), FPS)
        write(root / "made" / f"c{number}.mp4", film(number + first), FPS)
        (root / "songs").mkdir(exist_ok=True)
        (root / "songs" / f"c{number}.wav").write_bytes(bytes([number]))
    return root / "made", root / "real", root / "songs"
