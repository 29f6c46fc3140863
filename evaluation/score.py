"""Scoring: two folders and a protocol in, one result out.

Motion is the matter of :mod:`evaluation.motion`, pictures of :mod:`evaluation.videos`. The features are kept beside
the result (:mod:`evaluation.report.artifacts`); :func:`rescore` makes the same numbers of them again.

Example:
    scored = score(Path("pred"), Path("gt"), load_protocol("ma-data-motion2d"), music=Path("music"))
    print(scored.result.metric("fid_k"))
"""

from __future__ import annotations

from pathlib import Path

from evaluation.features.table import read_features
from evaluation.metrics.measure import Measurement, measure
from evaluation.metrics.tables import Tables
from evaluation.motion import score_motion
from evaluation.options import Options
from evaluation.protocol import Protocol
from evaluation.report.artifacts import FEATURES_FILE, RESULT_FILE, SAMPLES_FILE, Scored, write_scored
from evaluation.videos.scoring import rescore_videos, score_videos
from madata.errors import MadanceError, MediaError

__all__ = [
    "FEATURES_FILE",
    "RESULT_FILE",
    "SAMPLES_FILE",
    "Scored",
    "rescore",
    "score",
    "write_scored",
]


def score(
    predictions: Path,
    reference: Path | None,
    protocol: Protocol,
    *,
    music: Path | None = None,
    options: Options | None = None,
) -> Scored:
    """Score a folder of predictions by what the protocol asks for: motion, pictures, or both.

    Args:
        reference: see :func:`evaluation.motion.score_motion`; protocols that only look at the predictions need none.

    Raises:
        Refused: files are missing or unusable, and neither the protocol nor ``options`` lets them pass.
        MadanceError: a folder is absent or empty, a reference is needed, a package is missing.
    """
    options = options or Options()
    if protocol.watches:
        return score_videos(predictions, reference, protocol, music=music, options=options)
    if reference is None:
        raise MadanceError(f"protocol {protocol.name} compares with real clips: give --reference")
    return score_motion(predictions, reference, protocol, music=music, options=options)


def rescore(features: Path) -> tuple[Measurement, Protocol]:
    """Compute every number again from a features file alone; equal files give equal bits.

    Raises:
        MediaError: the file holds no features of two sides, or no protocol.
    """
    sides, facts = read_features(features)
    protocol = Protocol.model_validate_json(facts["protocol"]) if "protocol" in facts else None
    if protocol is not None and protocol.watches:
        return rescore_videos(features, sides, facts, protocol), protocol
    if protocol is None or set(sides) != {"prediction", "reference"}:
        raise MediaError(f"{features}: holds {', '.join(sides)}, not a scored run", reason="no_features")
    return measure(Tables(protocol, sides["prediction"], sides["reference"])), protocol
