"""The networks a protocol needs, loaded once, and why those that are missing are missing.

Nothing is downloaded, and nothing stands in for a network: a metric without its weights has no value and names
the command that gets them. Temporal flickering, SSIM and PSNR need none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from evaluation.definitions import PairProtocol
from evaluation.features.video.likeness import LOOK_WEIGHTS, Likeness, Look, LookNetwork
from evaluation.features.video.one_pass import WEIGHTS, FrameWise, Panel, load_panel
from evaluation.features.video.scores import DIMENSIONS
from evaluation.features.wanted import WantedFeatures
from evaluation.protocol import IdentityRule, Protocol
from evaluation.result import Network
from madata.errors import ConfigError, MissingDependencyError, WeightsError
from madata.extras import require
from madata.files import sha256_bytes

if TYPE_CHECKING:
    from evaluation.features.video.networks.i3d import I3d
    from evaluation.features.video.pairs import Perceptual

__all__ = ["Extractors", "load_extractors"]

_LPIPS_WEIGHTS = {"alex": "lpips-alexnet", "vgg": "lpips-vgg16"}
_VERSION = 1

_T = TypeVar("_T")


@dataclass(frozen=True)
class Extractors:
    """Everything that looks at pictures.

    Attributes:
        panel: the appearance dimensions asked for.
        pairs: how pairs are compared, with LPIPS and I3D where their weights are here.
        missing: metric -> why it cannot be measured.
        networks: those in use.
        fingerprint: of all that the scores of a video depend on besides the video.
        look: how people are held against a picture, where they are.
    """

    device: str
    panel: Panel
    pairs: PairProtocol | None
    lpips: Perceptual | None
    i3d: I3d | None
    missing: Mapping[str, str] = field(default_factory=dict)
    networks: tuple[Network, ...] = ()
    fingerprint: str = ""
    look: Look | None = None


class _Finder:
    """Finds weights, remembers them, and keeps folders out of what it says."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._found: dict[str, Path] = {}

    def __call__(self, name: str) -> Path:
        from madata.weights import find_weights, known, locate

        (entry,) = known([name])
        path = locate(entry, self._folder)
        if path is None:
            digest = f", SHA-256 {entry.sha256}" if entry.sha256 else ""
            raise WeightsError(f"the weights {name} ({entry.file}{digest}) are missing; run: {entry.command}")
        self._found[name] = path
        return find_weights(name, self._folder)

    def plain(self, message: str) -> str:
        """``message`` with names of files instead of their paths."""
        for path in self._found.values():
            message = message.replace(str(path), path.name)
        return message

    def network(self, name: str) -> Network:
        from madata.cache import remembered_sha256
        from madata.weights import known

        (entry,) = known([name])
        return Network(
            name=name,
            sha256=remembered_sha256(self._found[name]),
            licence=entry.licence,
            noncommercial=entry.noncommercial,
        )


def load_extractors(
    protocol: Protocol,
    wanted: WantedFeatures,
    weights: Path | None = None,
    device: str = "cpu",
    backend: str = "blazepose",
) -> Extractors:
    """Load what ``wanted`` needs, to be used as ``protocol`` says.

    Args:
        weights: folder searched before the usual ones.
        backend: that finds people, where they are held against a picture.

    Raises:
        ConfigError: the device is not there.
    """
    require("score of videos", "av", "cv2", "torch")
    _check_device(device)
    find = _Finder(weights)
    scores = wanted.scores
    dimensions = [name for name in DIMENSIONS if name in scores] if protocol.appearance else []
    panel = Panel({})
    if protocol.appearance is not None:
        precision = protocol.appearance.clip_precision
        panel = load_panel(find, dimensions=dimensions, device=device, clip_precision=precision)
        others = {name: partial(FrameWise, name, start) for name, start in wanted.per_video.items()}
        panel = Panel({**panel.start, **others}, panel.missing)
    missing = {name: find.plain(reason) for name, reason in panel.missing.items()}
    used = [name for dimension in panel.start for name in WEIGHTS.get(dimension, ())]
    lpips, i3d, rule = None, None, protocol.pairs
    if rule is not None and "lpips" in scores:
        lpips = _tried("lpips", lambda: _load_lpips(rule, find, device), missing, find)
        used += [_LPIPS_WEIGHTS[rule.lpips.net]] if lpips else []
    if rule is not None and "fvd" in scores:
        i3d = _tried("fvd", lambda: _load_i3d(rule, find, device), missing, find)
        used += ["i3d-kinetics-400"] if i3d else []
    look = None
    if protocol.identity is not None:
        look = _load_look(protocol.identity, scores, find, missing, backend, weights, device)
        used += [LOOK_WEIGHTS[name] for name in look.networks] if look else []
        start = {name: partial(Likeness, name, look) for name in look.networks} if look else {}
        panel = Panel({**panel.start, **start}, panel.missing)
    networks = tuple(find.network(name) for name in dict.fromkeys(used))
    unmeasured = {name: reason for name, reason in missing.items() if name in (*DIMENSIONS, *LOOK_WEIGHTS)}
    return Extractors(
        device=device,
        panel=Panel(panel.start, unmeasured),
        pairs=rule,
        lpips=lpips,
        i3d=i3d,
        missing=missing,
        networks=networks,
        fingerprint=_fingerprint(protocol, wanted, missing, networks, device, look),
        look=look,
    )


def _check_device(device: str) -> None:
    if device == "cpu":
        return
    import torch

    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        first = str(error).splitlines()[0]
        raise ConfigError(
            f"--device {device} cannot be used here: {first}; --device cpu always works"
        ) from error


def _tried(name: str, load: Callable[[], _T], missing: dict[str, str], find: _Finder) -> _T | None:
    try:
        return load()
    except (WeightsError, MissingDependencyError) as error:
        missing[name] = find.plain(str(error))
        return None


def _load_lpips(rule: PairProtocol, find: _Finder, device: str) -> Perceptual:
    backbone = find(_LPIPS_WEIGHTS[rule.lpips.net])
    from evaluation.features.video.networks.lpips import load_lpips

    return load_lpips(backbone, rule.lpips.net, spatial=rule.lpips.spatial, device=device)


def _load_i3d(rule: PairProtocol, find: _Finder, device: str) -> I3d:
    path = find("i3d-kinetics-400")
    from evaluation.features.video.networks.i3d import load_i3d

    return load_i3d(path, rule.fvd.epsilon, device)


def _load_look(
    rule: IdentityRule,
    scores: Mapping[str, int],
    find: _Finder,
    missing: dict[str, str],
    backend: str,
    weights: Path | None,
    device: str,
) -> Look | None:
    """The networks of the user's that are there, and the backend that finds people for them."""
    networks = {
        name: network
        for name, entry in LOOK_WEIGHTS.items()
        if name in scores
        and (network := _tried(name, partial(_load_look_network, entry, find, device), missing, find))
    }
    if not networks:
        return None
    try:
        from madata.pose import load

        return Look(load(backend, weights=weights, device=device), networks, rule)
    except (WeightsError, MissingDependencyError) as error:
        missing |= dict.fromkeys(networks, f"the pose backend {backend} cannot be used: {error}")
        return None


def _load_look_network(entry: str, find: _Finder, device: str) -> LookNetwork:
    return LookNetwork(find(entry), device)


def _fingerprint(
    protocol: Protocol,
    wanted: WantedFeatures,
    missing: Mapping[str, str],
    networks: tuple[Network, ...],
    device: str,
    look: Look | None,
) -> str:
    content = {
        "version": _VERSION,
        "metrics": sorted(f"{name} {version}" for name, version in wanted.scores.items()),
        "appearance": protocol.appearance.model_dump() if protocol.appearance else None,
        "pairs": protocol.pairs.name if protocol.pairs else None,
        "missing": dict(sorted(missing.items())),
        "networks": [(network.name, network.sha256) for network in networks],
        "device": device,
    }
    if wanted.per_video:
        content["frame by frame"] = 2  # 1: seconds were not told of
    if look is not None and protocol.identity is not None:
        content["identity"] = [protocol.identity.model_dump(), look.identity]
    return sha256_bytes(json.dumps(content, sort_keys=True).encode())
