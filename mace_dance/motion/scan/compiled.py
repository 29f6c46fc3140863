"""The selective scan through a small C++ kernel, for float32 on a CPU.

The kernel (``kernel.cpp``, beside this file) is built by :func:`build` alone, that is by
``madance doctor --build-kernels``: a run never starts a compiler. It has a plain C interface and knows nothing of
torch, so one second of any g++ or clang++ (``$CXX`` is taken first) makes it, and a new torch needs no new build.
The file lies in ``$XDG_CACHE_HOME/madance/kernels`` under a name made of the source, the flags and the abilities
of the processor, so that a changed source or another machine on the same disk looks for another file. It gets
that name only when it is complete and has computed a small case right: two builds at once do no harm.

Legend: B batch, D channels, L time steps, N states per channel.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mace_dance.motion.scan.sequential import scan_sequentially
from madata.cache import user_cache
from madata.errors import MadanceError
from madata.files import scratch_folder, storage_errors

__all__ = ["Kernel", "build", "kernel_file", "load_kernel", "scan_compiled"]

Kernel: TypeAlias = ctypes.CDLL

_SOURCE = Path(__file__).with_name("kernel.cpp")
_FLAGS = ("-std=c++17", "-O3", "-fno-math-errno", "-fno-trapping-math", "-fPIC", "-shared", "-pthread")
_BUILD_LIMIT_S = 300
_KEEP_EVERY = 32
"""Steps between two kept states: what is kept is N / 32 of an input, and what is recomputed fits a cache."""


def kernel_file() -> Path:
    """Where the kernel for this source and this processor lies, once it is built."""
    return user_cache() / "madance" / "kernels" / _file_name()


@cache
def _file_name() -> str:
    key = hashlib.sha256(_SOURCE.read_bytes())
    key.update("\n".join((*_flags(), platform.system(), platform.machine(), _processor())).encode())
    return f"scan-{key.hexdigest()[:16]}.so"


def _flags() -> tuple[str, ...]:
    native = "-march=native" if platform.machine().lower() in ("x86_64", "amd64") else "-mcpu=native"
    return (*_FLAGS, native)


def _processor() -> str:
    """The instruction sets of this processor, as the system names them."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith(("flags", "Features"))), platform.processor())


def build() -> Path:
    """Compile the kernel unless it is there already, and check it against the torch path.

    Returns:
        The file.

    Raises:
        MadanceError: there is no compiler, it failed, or what it made computes something else.
    """
    target = kernel_file()
    if target.is_file() and load_kernel(target) is not None:
        return target
    compiler = _compiler()
    # not into a file that is locked as ours: a linker removes it and makes another
    with storage_errors(target), scratch_folder(target.parent) as scratch:
        temporary = scratch / target.name
        command = [*compiler, *_flags(), str(_SOURCE), "-o", str(temporary)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_BUILD_LIMIT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise MadanceError(f"{_SOURCE.name}: {compiler[0]} did not run ({error}); set CXX") from None
        if done.returncode:
            reason = next((line for line in done.stderr.splitlines() if "error" in line), "no message")
            raise MadanceError(f"{_SOURCE.name}: {shlex.join(compiler)} failed: {reason}")
        _check(temporary)
        temporary.replace(target)
    load_kernel.cache_clear()
    return target


def _compiler() -> list[str]:
    chosen = shlex.split(os.environ.get("CXX", ""))
    if chosen:
        return chosen
    found = next((name for name in ("g++", "clang++", "c++") if shutil.which(name)), None)
    if found is None:
        raise MadanceError(
            f"{_SOURCE.name}: no C++ compiler (g++, clang++); install one or set CXX. The torch path needs none"
        )
    return [found]


@torch.enable_grad()
def _check(path: Path) -> None:
    kernel = load_kernel(path)
    if kernel is None:
        raise MadanceError(f"{path}: was built but does not load; try another compiler with CXX=...")
    draw = torch.Generator().manual_seed(0)
    u, delta, z = (torch.randn(2, 19, 70, generator=draw, requires_grad=True) for _ in range(3))
    b, c = (torch.randn(2, 5, 70, generator=draw, requires_grad=True) for _ in range(2))
    rates = (-3 * torch.rand(19, 5, generator=draw)).requires_grad_()
    skip, bias = (torch.randn(19, generator=draw, requires_grad=True) for _ in range(2))
    results = []
    for outputs in (
        scan_compiled(kernel, u, delta, rates, b, c, skip, z, bias, True),
        scan_sequentially(u, delta, rates, b, c, skip, z, bias, True),
    ):
        inputs = (u, delta, rates, b, c, skip, z, bias)
        results.append([*outputs, *torch.autograd.grad(outputs[0].square().sum(), inputs)])
    if not all(
        torch.allclose(ours, theirs, rtol=1e-3, atol=1e-3) for ours, theirs in zip(*results, strict=True)
    ):
        raise MadanceError(
            f"{_SOURCE.name}: the built kernel computes something else; try another compiler with CXX=..."
        )


class _Signal(ctypes.Structure):
    """An array over time: its data and its strides over steps and samples."""

    _fields_ = (("data", ctypes.c_void_p), ("step", ctypes.c_int64), ("sample", ctypes.c_int64))


class _Scan(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("length", "batch", "channels", "states", "every")),
        *((name, ctypes.c_int64) for name in ("softplus", "threads")),
        *((name, _Signal) for name in ("delta", "u", "B", "C", "gate")),
        *((name, ctypes.c_void_p) for name in ("rates", "skip", "bias")),
        ("y", _Signal),
        *((name, ctypes.c_void_p) for name in ("last", "kept")),
    )


class _Gradients(ctypes.Structure):
    _fields_ = (
        *((name, _Signal) for name in ("y", "delta", "u", "gate")),
        *((name, ctypes.c_void_p) for name in ("B", "C", "rates", "skip", "bias")),
    )


@cache
def load_kernel(path: Path) -> Kernel | None:
    """The kernel in a file, or ``None`` if there is none that loads here."""
    try:
        kernel = ctypes.CDLL(str(path))
        kernel.scan_groups.argtypes, kernel.scan_groups.restype = (ctypes.c_int64,), ctypes.c_int64
        kernel.scan_forward.argtypes, kernel.scan_forward.restype = (ctypes.POINTER(_Scan),), None
        kernel.scan_backward.argtypes = (ctypes.POINTER(_Scan), ctypes.POINTER(_Gradients))
        kernel.scan_backward.restype = None
    except (OSError, AttributeError):
        return None
    return kernel


def scan_compiled(
    kernel: Kernel,
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
    delta_softplus: bool,
) -> tuple[Tensor, Tensor]:
    """Output (B, D, L) and last state (B, D, N) on the CPU, with as many threads as torch has.

    Arguments are those of :func:`mace_dance.motion.scan.scan`, all float32.
    """
    signals = [None if tensor is None else _time_major(tensor) for tensor in (delta, u, B, C, z)]
    y, last = _CompiledScan.apply(  # type: ignore[no-untyped-call]
        kernel, delta_softplus, *signals, A.t().contiguous(), *(_dense(tensor) for tensor in (D, delta_bias))
    )
    return y.permute(1, 2, 0), last.transpose(1, 2)


def _time_major(tensor: Tensor) -> Tensor:
    """(B, D, L) -> (L, B, D) with neighbouring channels side by side; no copy if that is how they lie."""
    moved = tensor.permute(2, 0, 1)
    return moved if moved.stride(2) == 1 else moved.contiguous()


def _dense(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.contiguous()


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


def _signal(tensor: Tensor | None) -> _Signal:
    return _Signal() if tensor is None else _Signal(tensor.data_ptr(), tensor.stride(0), tensor.stride(1))


class _CompiledScan(torch.autograd.Function):
    """delta, u, z, y (L, B, D); B, C (L, B, N); A (N, D); D, bias (D,); the last state (B, N, D)."""

    @staticmethod
    def forward(
        ctx: Any,
        kernel: Kernel,
        softplus: bool,
        delta: Tensor,
        u: Tensor,
        B: Tensor,
        C: Tensor,
        z: Tensor | None,
        A: Tensor,
        D: Tensor | None,
        bias: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        (length, batch, channels), states = u.shape, A.shape[0]
        y, last = u.new_empty(length, batch, channels), u.new_empty(batch, states, channels)
        kept = None
        if any(ctx.needs_input_grad):
            kept = u.new_empty(-(-length // _KEEP_EVERY), batch, states, channels)
            ctx.kernel, ctx.softplus = kernel, softplus
            ctx.save_for_backward(delta, u, B, C, z, A, D, bias, kept)
        kernel.scan_forward(_problem(softplus, delta, u, B, C, z, A, D, bias, kept, y, last))
        ctx.mark_non_differentiable(last)
        return y, last

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_y: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        delta, u, B, C, z, A, D, bias, kept = ctx.saved_tensors
        grad_y = grad_y if grad_y.stride(2) == 1 else grad_y.contiguous()
        (length, batch, channels), states = u.shape, A.shape[0]
        grad_delta, grad_u = u.new_empty(u.shape), u.new_empty(u.shape)
        grad_z = None if z is None else u.new_empty(u.shape)
        groups = ctx.kernel.scan_groups(channels)
        grad_b, grad_c = (u.new_empty(groups, length, batch, states) for _ in range(2))
        grad_a = u.new_empty(batch, states, channels)
        grad_d, grad_bias = (None if row is None else u.new_empty(batch, channels) for row in (D, bias))
        ctx.kernel.scan_backward(
            _problem(ctx.softplus, delta, u, B, C, z, A, D, bias, kept),
            _Gradients(
                *(_signal(tensor) for tensor in (grad_y, grad_delta, grad_u, grad_z)),
                *(_address(tensor) for tensor in (grad_b, grad_c, grad_a, grad_d, grad_bias)),
            ),
        )
        summed = (None if part is None else part.sum(0) for part in (grad_a, grad_d, grad_bias))
        return None, None, grad_delta, grad_u, grad_b.sum(0), grad_c.sum(0), grad_z, *summed


def _problem(
    softplus: bool,
    delta: Tensor,
    u: Tensor,
    B: Tensor,
    C: Tensor,
    z: Tensor | None,
    A: Tensor,
    D: Tensor | None,
    bias: Tensor | None,
    kept: Tensor | None,
    y: Tensor | None = None,
    last: Tensor | None = None,
) -> _Scan:
    return _Scan(
        *u.shape,
        A.shape[0],
        _KEEP_EVERY,
        softplus,
        torch.get_num_threads(),
        *(_signal(tensor) for tensor in (delta, u, B, C, z)),
        *(_address(tensor) for tensor in (A, D, bias)),
        _signal(y),
        _address(last),
        _address(kept),
    )
