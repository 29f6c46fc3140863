"""Judging a motion network on held-out music while it trains: corrected FID_k, FID_g, DIV and BAS.

Generated and real windows are cut into pieces of five seconds at most and measured as the protocol
``finedance-motion3d`` does: 22 body joints, torso lengths and seconds, scaled by the real side alone. The numbers
belong to the way of a run, not into a table: windows are few, and they are not matched with a published split.

Legend: T frames, F motion features, K music features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evaluation.features.motion.beats import motion_beat_times
from evaluation.features.motion.body import Body, body_track
from evaluation.features.motion.geometric import limb_angles
from evaluation.features.motion.kinetic import log_energies
from evaluation.metrics.beats import beat_alignment
from evaluation.metrics.distances import diversity, frechet_distance
from evaluation.metrics.scaling import fit_scale
from madata.errors import MediaError
from madata.motion import decode, joint_positions, with_skeleton
from madata.skeletons import skeleton
from madata.types import FloatArray

__all__ = ["JUDGED", "DancePiece", "judge_dances", "pieces_of"]

JUDGED = (
    "fid_k",
    "fid_g",
    "div_k",
    "div_g",
    "div_k_real",
    "div_g_real",
    "bas",
    "bas_z",
    "pieces",
    "unusable",
)
"""Names of the numbers of :func:`judge`, in their order."""

_BODY = "smplx-22"
_PIECE_S = 5.0
_LEAST_FRAMES = 8
_LEAST_DEVIATION = 1e-6


@dataclass(frozen=True, eq=False)
class DancePiece:
    """What is measured of up to five seconds of dance.

    Attributes:
        kinetic, geometric: features.
        beats_s: times of the motion's beats.
        music_beats_s: times of the music's beats.
    """

    kinetic: npt.NDArray[np.float64]
    geometric: npt.NDArray[np.float64]
    beats_s: npt.NDArray[np.float64]
    music_beats_s: npt.NDArray[np.float64]


def pieces_of(
    motion: FloatArray, music: FloatArray, layout_name: str, beat_column: int = -1
) -> list[DancePiece]:
    """Measure a window.

    Args:
        motion: (T, F) motion vectors, unnormalised.
        music: (T, K) features of the same frames.
        layout_name: layout of the vectors.
        beat_column: of the music features; a beat that is held for frames counts once.

    Raises:
        MediaError: it is no proper motion.
    """
    decoded = with_skeleton(decode(motion, layout_name, source="a window"), _BODY)
    joints = joint_positions(decoded, up="y")
    length = round(_PIECE_S * decoded.fps)
    count = max(1, round(len(joints) / length))
    found = []
    for part in np.array_split(np.arange(len(joints)), count):
        if len(part) < _LEAST_FRAMES:
            continue
        body = body_track(joints[part], skeleton(_BODY).joints, decoded.fps, up="y")
        on_beat = music[part, beat_column] > 0.5
        heard = np.flatnonzero(np.diff(on_beat, prepend=False) & on_beat) / decoded.fps
        found.append(_measured(body, heard))
    return found


def _measured(body: Body, music_beats_s: npt.NDArray[np.float64]) -> DancePiece:
    return DancePiece(log_energies(body), limb_angles(body), motion_beat_times(body), music_beats_s)


def judge_dances(
    generated: Sequence[FloatArray],
    real: Sequence[FloatArray],
    music: Sequence[FloatArray],
    layout_name: str,
    seed: int = 0,
    beat_column: int = -1,
) -> dict[str, float | None]:
    """Numbers of :data:`JUDGED`; ``None`` where there is too little to say one.

    Args:
        generated: (T, F) motion vectors of windows, unnormalised.
        real: those of the data, for the same music.
        music: (T, K) features.
        layout_name: layout of the vectors.
        seed: of the shuffles of ``bas_z``.
        beat_column: of the music features.
    """
    theirs = [
        piece
        for motion, heard in zip(real, music, strict=True)
        for piece in pieces_of(motion, heard, layout_name, beat_column)
    ]
    ours: list[DancePiece] = []
    unusable = 0
    for motion, heard in zip(generated, music, strict=True):
        try:
            ours += pieces_of(motion, heard, layout_name, beat_column)
        except (MediaError, ValueError):
            # An untrained network may give what is no motion; that is a finding, not an end of the training.
            unusable += 1
    values: dict[str, float | None] = dict.fromkeys(JUDGED)
    values["pieces"], values["unusable"] = float(len(ours)), float(unusable)
    if min(len(ours), len(theirs)) < 2:
        return values
    for name, field in (("k", "kinetic"), ("g", "geometric")):
        reference = np.stack([getattr(piece, field) for piece in theirs])
        scale = fit_scale(reference)
        scaled, scaled_real = (
            scale.apply(side) for side in (np.stack([getattr(piece, field) for piece in ours]), reference)
        )
        values[f"fid_{name}"] = frechet_distance(scaled, scaled_real)
        values[f"div_{name}"], values[f"div_{name}_real"] = diversity(scaled), diversity(scaled_real)
    rng = np.random.default_rng(seed)
    aligned = beat_alignment([piece.beats_s for piece in ours], [piece.music_beats_s for piece in ours], rng)
    values["bas"] = aligned.score if np.isfinite(aligned.score) else None
    if aligned.chance_deviation > _LEAST_DEVIATION:
        values["bas_z"] = aligned.z
    return values
