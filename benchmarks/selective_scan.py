"""Our selective scan, compiled and in torch, against three others, on this CPU, in one run.

    madance doctor --build-kernels
    python benchmarks/selective_scan.py [--long]

* reference: a loop over time on tensors that hold the states of all steps, as ``selective_scan_ref`` of mamba-ssm;
* chunked: square-root chunks, inside a chunk all steps at once by cumulative products in the log domain
  (the usual "parallel" form without a compiler; it overflows for large steps, which is why nothing uses it);
* associative: Hillis-Steele doubling, log2(L) passes over all states.

CPU seconds (user + system), one thread, median of 3 after a warm-up (what takes many seconds: once), and in
brackets how many times our two are faster. ``--long`` also runs one layer at L = 1200, where autograd through the
reference takes minutes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

import torch
from torch.nn import functional as F

from mace_dance.motion.mamba import Mamba
from mace_dance.motion.scan import scan, scan_path

CHANNELS, STATES = 1024, 16


def reference(u, delta, A, B, C):
    """Loop over time; (B, D, L, N) arrays made first."""
    decay = torch.exp(torch.einsum("bdl,dn->bdln", delta, A))
    moved = torch.einsum("bdl,bnl,bdl->bdln", delta, B, u)
    h = torch.zeros_like(decay[:, :, 0])
    outputs = []
    for step in range(u.shape[-1]):
        h = decay[:, :, step] * h + moved[:, :, step]
        outputs.append(torch.einsum("bdn,bn->bd", h, C[..., step]))
    return torch.stack(outputs, -1)


def chunked(u, delta, A, B, C):
    """Chunks of about sqrt(L) steps, each by a cumulative sum of logarithms."""
    size = max(1, int(u.shape[-1] ** 0.5))
    h = u.new_zeros(u.shape[0], u.shape[1], A.shape[1])
    outputs = []
    for start in range(0, u.shape[-1], size):
        part = slice(start, start + size)
        log = torch.einsum("bdl,dn->bdln", delta[..., part].cumsum(-1), A)
        moved = torch.einsum("bdl,bnl,bdl->bdln", delta[..., part], B[..., part], u[..., part])
        states = torch.exp(log) * (h[:, :, None] + (moved * torch.exp(-log)).cumsum(2))
        outputs.append(torch.einsum("bdln,bnl->bdl", states, C[..., part]))
        h = states[:, :, -1]
    return torch.cat(outputs, -1)


def associative(u, delta, A, B, C):
    """Doubling: after k passes a state holds the last 2^k steps."""
    decay = torch.exp(torch.einsum("bdl,dn->bdln", delta, A))
    states = torch.einsum("bdl,bnl,bdl->bdln", delta, B, u)
    reach = 1
    while reach < u.shape[-1]:
        states = torch.cat(
            [states[:, :, :reach], states[:, :, reach:] + decay[:, :, reach:] * states[:, :, :-reach]], 2
        )
        decay = torch.cat([decay[:, :, :reach], decay[:, :, reach:] * decay[:, :, :-reach]], 2)
        reach *= 2
    return torch.einsum("bdln,bnl->bdl", states, C)


def inputs(batch, length):
    generator = torch.Generator().manual_seed(0)
    u, gate = (torch.randn(batch, CHANNELS, length, generator=generator) for _ in range(2))
    delta = F.softplus(gate - 4)
    A = -torch.arange(1, STATES + 1).float().repeat(CHANNELS, 1)
    B, C = (torch.randn(batch, STATES, length, generator=generator) for _ in range(2))
    return u, delta, A, B, C


def seconds(work, repeats=3):
    """Median CPU seconds of ``work()``, and what it returned."""
    if repeats > 1:
        work()
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        result = work()
        taken.append(time.process_time() - start)
    return statistics.median(taken), result


def training(function, given):
    given = [tensor.detach().requires_grad_() for tensor in given]

    def work():
        function(*given).square().sum().backward()

    return work


def layer_training(layer, x):
    def work():
        layer(x).square().sum().backward()

    return work


def reference_layer(layer):
    """The same layer with autograd through the reference."""

    def forward(x):
        inner, gate = layer.in_proj(x).transpose(1, 2).chunk(2, dim=1)
        inner = F.silu(layer.conv1d(inner)[..., : x.shape[1]])
        ranks = [layer.dt_rank, layer.d_state, layer.d_state]
        rank, b, c = layer.x_proj(inner.transpose(1, 2)).split(ranks, dim=-1)
        delta = F.softplus(layer.dt_proj(rank)).transpose(1, 2)
        y = reference(inner, delta, -torch.exp(layer.A_log), b.transpose(1, 2), c.transpose(1, 2))
        y = (y + layer.D[:, None] * inner) * F.silu(gate)
        return layer.out_proj(y.transpose(1, 2))

    return forward


def by_path(measure):
    """What ``measure()`` gives with each of our implementations that this machine has, fastest first."""
    found = {}
    for path in ("compiled", "torch"):
        os.environ["MADANCE_SCAN"] = "auto" if path == "compiled" else path
        if scan_path("cpu") == path:
            found[path] = measure()
    return found


def row(name, ours, others):
    cells = [f"{name:28s}", *(f"{path} {taken:8.4f} s" for path, taken in ours.items())]
    for rival, taken in others.items():
        times = ", ".join(f"{taken / mine:.1f}x" for mine in ours.values())
        cells.append(f"{rival} {taken:8.3f} s ({times})")
    print("   ".join(cells), flush=True)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--long", action="store_true", help="also run what takes minutes")
    long = parser.parse_args().long
    torch.set_num_threads(1)
    rivals = {"reference": reference, "chunked": chunked, "associative": associative}
    for batch, length in ((1, 240), (1, 1024), (8, 240), (8, 1024)):
        given = inputs(batch, length)
        with torch.no_grad():
            measured = by_path(lambda given=given: seconds(lambda: scan(*given)))
            y = measured["torch"][1]
            others = {}
            for name, rival in rivals.items():
                repeats = 1 if batch * length > 4000 else 3
                taken, theirs = seconds(lambda rival=rival, given=given: rival(*given), repeats)
                right = torch.allclose(y, theirs, rtol=1e-3, atol=1e-3)
                others[name if right else f"{name} (WRONG)"] = taken
        row(f"forward B={batch} L={length}", {path: taken for path, (taken, _) in measured.items()}, others)
    for batch, length in ((1, 240), (4, 240)):
        given = inputs(batch, length)
        ours = by_path(lambda given=given: seconds(training(scan, given))[0])
        repeats = 1 if batch * length > 500 else 3
        others = {name: seconds(training(rival, given), repeats)[0] for name, rival in rivals.items()}
        row(f"scan fwd+bwd B={batch} L={length}", ours, others)
    for batch, length in ((1, 240), *([(1, 1200)] if long else [])):
        layer = Mamba(512)
        x = torch.randn(batch, length, 512)
        ours = by_path(lambda layer=layer, x=x: seconds(layer_training(layer, x))[0])
        theirs, _ = seconds(layer_training(reference_layer(layer), x), 1)
        row(f"layer fwd+bwd B={batch} L={length}", ours, {"autograd": theirs})


if __name__ == "__main__":
    main()
