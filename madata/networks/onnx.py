"""ONNX networks of users: a file of theirs, opened on one thread."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from madata.errors import MissingDependencyError, WeightsError

__all__ = ["open_onnx", "require_onnxruntime"]


def require_onnxruntime(who: str) -> Any:
    """The package.

    Raises:
        MissingDependencyError: it is not installed; the message names ``who`` needs it, and the command.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingDependencyError(
            f"{who} needs onnxruntime ({error}): pip install 'madance[pose]'"
        ) from error
    return onnxruntime


def open_onnx(path: Path, device: str, who: str) -> Any:
    """A session on the network of ``path``.

    Raises:
        MissingDependencyError: onnxruntime is not installed.
        WeightsError: the file is no network.
    """
    onnxruntime = require_onnxruntime(who)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    wanted = ["CUDAExecutionProvider"] if device.startswith("cuda") else []
    here = onnxruntime.get_available_providers()
    providers = [name for name in (*wanted, "CPUExecutionProvider") if name in here]
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # onnxruntime's errors share no public base class
        raise WeightsError(f"{path} is not a readable ONNX network: {error}") from error
