"""The selective scan of Mamba, forward and backward, on any device.

For every sample and channel a state of N numbers runs through time (paper equations 6 and 7, with the
simplified input matrix ``B_t = dt_t B`` that Mamba itself uses)::

    dt_t = softplus(delta_t + delta_bias)
    h_t  = exp(dt_t A) h_{t-1} + dt_t u_t B_t
    y_t  = (<C_t, h_t> + D u_t) silu(z_t)

Three implementations stand behind :func:`scan`; :func:`scan_path` says which one a device gets:

* ``mamba-ssm``: the CUDA kernels of that package, where it is installed and the tensors are on a GPU;
* ``compiled``: our C++ kernel (:mod:`.compiled`), for tensors on a CPU in float32 or less, where
  ``madance doctor --build-kernels`` has built it. A run never builds it;
* ``torch``: a loop over time in torch (:mod:`.sequential`), for every other case.

``MADANCE_SCAN`` in the environment takes the choice on a CPU away: ``torch``, ``compiled`` (an error where it is
not built) or ``auto``, the default.

Legend: B batch, D channels, L time steps, N states per channel.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from mace_dance.motion.scan.compiled import Kernel, build, kernel_file, load_kernel, scan_compiled
from mace_dance.motion.scan.sequential import scan_sequentially
from madata.errors import ConfigError

__all__ = ["build_kernel", "describe_scan", "scan", "scan_path", "scan_with_state"]

_CHOICES = ("auto", "compiled", "torch")
_BUILD_COMMAND = "madance doctor --build-kernels"


def scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
) -> Tensor:
    """Selective scan with the arguments of ``mamba_ssm``'s ``selective_scan_fn``.

    Args:
        u: (B, D, L) input.
        delta: (B, D, L) step sizes, before bias and softplus.
        A: (D, N) real transition rates, negative for a state that forgets.
        B: (B, N, L) input weights.
        C: (B, N, L) output weights.
        D: (D,) weight of the input in the output.
        z: (B, D, L) gate; the output is multiplied by ``silu(z)``.
        delta_bias: (D,) added to ``delta``.
        delta_softplus: whether ``delta`` goes through softplus.

    Returns:
        (B, D, L) in the dtype of ``u``.

    Raises:
        ConfigError: the shapes do not fit each other, or A is complex.
    """
    return scan_with_state(u, delta, A, B, C, D, z, delta_bias, delta_softplus)[0]


def scan_with_state(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
) -> tuple[Tensor, Tensor]:
    """:func:`scan`, and the state after the last step (B, D, N), through which no gradient flows."""
    _check(u, delta, A, B, C, D, z, delta_bias)
    official = _official_kernel() if u.is_cuda else None
    if official is not None:
        from_kernel: tuple[Tensor, Tensor] = official(
            u, delta, A, B, C, D, z, delta_bias, delta_softplus, return_last_state=True
        )
        return from_kernel
    dtype = torch.promote_types(u.dtype, torch.float32)
    u_, delta_, a, b, c = (tensor.to(dtype) for tensor in (u, delta, A, B, C))
    d, gate, bias = (None if tensor is None else tensor.to(dtype) for tensor in (D, z, delta_bias))
    kernel = _compiled_kernel() if u.device.type == "cpu" and dtype == torch.float32 else None
    if kernel is None:
        y, last = scan_sequentially(u_, delta_, a, b, c, d, gate, bias, delta_softplus)
    else:
        y, last = scan_compiled(kernel, u_, delta_, a, b, c, d, gate, bias, delta_softplus)
    return y.to(u.dtype), last


def scan_path(device: str | torch.device = "cpu") -> str:
    """What :func:`scan` runs for float32 tensors on ``device``: ``"mamba-ssm"``, ``"compiled"`` or ``"torch"``."""
    kind = torch.device(device).type
    if kind == "cuda":
        return "torch" if _official_kernel() is None else "mamba-ssm"
    return "compiled" if kind == "cpu" and _compiled_kernel() is not None else "torch"


def describe_scan() -> list[str]:
    """Which path runs here and why, one line for each kind of device; shown by ``madance doctor``."""
    choice = _choice()
    path = kernel_file()
    if choice == "torch":
        cpu = "torch (MADANCE_SCAN=torch)"
    elif load_kernel(path) is not None:
        cpu = f"compiled ({path})"
    else:
        lack = (
            f"{path} does not load: delete it, then" if path.is_file() else "the faster kernel is not built:"
        )
        cpu = f"{'none' if choice == 'compiled' else 'torch'} ({lack} {_BUILD_COMMAND})"
    lines = [f"selective scan on a CPU: {cpu}"]
    if torch.cuda.is_available():
        gpu = "torch (mamba-ssm does not import: pip install 'madance[cuda]')"
        lines.append(f"selective scan on CUDA: {gpu if _official_kernel() is None else 'mamba-ssm'}")
    return lines


def build_kernel() -> list[str]:
    """Build the kernel for CPUs, if it is not there; run by ``madance doctor --build-kernels``.

    Raises:
        MadanceError: there is no compiler, it failed, or what it made computes something else.
    """
    return [f"selective scan: {build()}"]


def _choice() -> str:
    choice = os.environ.get("MADANCE_SCAN", "auto")
    if choice not in _CHOICES:
        raise ConfigError(f"MADANCE_SCAN={choice}: expected one of {', '.join(_CHOICES)}")
    return choice


def _compiled_kernel() -> Kernel | None:
    choice = _choice()
    if choice == "torch":
        return None
    kernel = load_kernel(kernel_file())
    if kernel is None and choice == "compiled":
        raise ConfigError(f"MADANCE_SCAN=compiled, but the kernel is not built: {_BUILD_COMMAND}")
    return kernel


@cache
def _official_kernel() -> Callable[..., Any] | None:
    """The function of ``mamba-ssm``, if the package and its compiled part import here."""
    try:
        interface = import_module("mamba_ssm.ops.selective_scan_interface")
    except (ImportError, OSError, RuntimeError):  # absent, or built for another CUDA or torch
        return None
    if getattr(interface, "selective_scan_cuda", None) is None:
        return None
    kernel: Callable[..., Any] = interface.selective_scan_fn
    return kernel


def _check(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
) -> None:
    if u.ndim != 3 or A.ndim != 2 or A.is_complex():
        raise ConfigError(
            f"scan: u must be (B, D, L) and A a real (D, N), got {tuple(u.shape)} and {tuple(A.shape)} {A.dtype}"
        )
    batch, channels, length = u.shape
    states = A.shape[1]
    if length == 0:
        raise ConfigError("scan: the sequence has no steps")
    per_step = (batch, channels, length)
    expected: dict[str, tuple[Tensor | None, tuple[int, ...]]] = {
        "A": (A, (channels, states)),
        "delta": (delta, per_step),
        "B": (B, (batch, states, length)),
        "C": (C, (batch, states, length)),
        "D": (D, (channels,)),
        "z": (z, per_step),
        "delta_bias": (delta_bias, (channels,)),
    }
    for name, (tensor, shape) in expected.items():
        if tensor is not None and tuple(tensor.shape) != shape:
            raise ConfigError(f"scan: with u {per_step}, {name} must be {shape}, got {tuple(tensor.shape)}")
