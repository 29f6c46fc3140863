"""A Ray cluster: Ray Data takes rows of paths and numbers through the steps, wherever there is room.

Every machine sees the same files under the same paths, and has this package. In a Ray task each batch is handed to a
worker process of :mod:`madata.engine.processes`, which computes as it does without Ray: with one thread, so that the
bytes are the same. A source that brings its process down costs itself alone; Ray by itself would try it for ever. A
machine that is lost costs time: Ray gives its batches to another, which does what is missing.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from madata.engine.processes import run
from madata.engine.work import Outcome, Step
from madata.errors import MissingDependencyError

__all__ = ["require_ray", "run_on_ray"]

_BATCHES_PER_WORKER = 4
"""Batches are made smaller than a step asks for rather than leave a machine idle at the end."""


def require_ray() -> Any:
    """The package.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise MissingDependencyError("--engine ray needs Ray: pip install 'madance[ray]'") from error


def run_on_ray(
    steps: Sequence[Step[Any, Any]],
    items: Sequence[Any],
    *,
    jobs: int,
    on_progress: Callable[[float], None] = lambda amount: None,
    address: str | None = None,
) -> Iterator[Outcome[Any, Any]]:
    """Take every item through all steps; see :class:`madata.engine.work.Engine`.

    Args:
        jobs: processors of a cluster that is started here; one at ``address`` says itself how many it has.
        on_progress: is told of an item's progress when it is done.
        address: of a running cluster, such as ``auto`` or ``ray://head:10001``.
    """
    if not items:
        return
    with _cluster(jobs, address) as ray:
        data = importlib.import_module("ray.data")
        context = data.DataContext.get_current()
        context.enable_progress_bars = context.print_on_execution_start = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        cpus = max(1, int(ray.cluster_resources().get("CPU", jobs)))
        at_once = max(1, cpus // max(step.workers for step in steps))
        largest = max(1, len(items) // (_BATCHES_PER_WORKER * at_once))
        batch = min(max(step.batch_size for step in steps), largest)
        rows = data.from_items(
            [{"work": _Work(index, item)} for index, item in enumerate(items)],
            override_num_blocks=-(-len(items) // batch),
        )
        for step in steps:
            gpus = 1 if step.device.startswith("cuda") else None
            workers = min(step.workers, _most_cores(ray.nodes(), gpu=bool(gpus)))
            rows = rows.map_batches(
                partial(_do, step, workers), batch_size=None, num_cpus=workers, num_gpus=gpus
            )
        for row in rows.iter_rows():
            done = row["work"]
            on_progress(done.amount)
            yield Outcome(items[done.index], done.value, done.error, done.fatal)


@dataclass
class _Work:
    """An item on its way."""

    index: int
    item: Any
    value: Any = None
    error: str | None = None
    fatal: bool = False
    amount: float = 0.0


def _most_cores(nodes: Sequence[Mapping[str, Any]], *, gpu: bool) -> int:
    """Cores of the largest machine, among those with a GPU where one is needed: more are never free at once."""
    resources = [node["Resources"] for node in nodes if node["Alive"]]
    cores = [one.get("CPU", 0) for one in resources if one.get("GPU", 0) or not gpu]
    return max(1, int(max(cores, default=1)))


def _do(step: Step[Any, Any], workers: int, batch: dict[str, Any]) -> dict[str, Any]:
    """One step of a batch; what failed in an earlier one is passed on."""
    import numpy as np

    rows: list[_Work] = list(batch["work"])
    for outcome in run(
        partial(_counted, step.function),
        [row for row in rows if row.error is None],
        jobs=workers,
        packages=step.packages,
        device=step.device,
    ):
        row = outcome.item
        at = next(place for place, other in enumerate(rows) if other.index == row.index)
        value, amount = outcome.value or (None, 0.0)
        rows[at] = _Work(row.index, row.item, value, outcome.error, outcome.fatal, row.amount + amount)
    column = np.empty(len(rows), object)
    column[:] = rows
    return {"work": column}


def _counted(
    function: Callable[[Any, Callable[[float], None]], Any], work: _Work, report: Any
) -> tuple[Any, float]:
    """The value of an item and how much was reported on the way."""
    amounts: list[float] = []
    value = function(work.item, amounts.append)
    return value, sum(amounts)


@contextlib.contextmanager
def _cluster(jobs: int, address: str | None) -> Iterator[Any]:
    """Ray, connected; what is started here ends here."""
    ray = require_ray()
    if ray.is_initialized():
        yield ray
        return
    os.environ.setdefault(
        "RAY_USAGE_STATS_ENABLED", "0"
    )  # a cluster of ours reports to nobody, unless it is wished
    local = {"num_cpus": jobs, "include_dashboard": False} if address is None else {"address": address}
    ray.init(log_to_driver=False, logging_level=logging.ERROR, **local)
    try:
        # what Ray says about its machines goes where progress goes: the standard output is for results
        with contextlib.redirect_stdout(sys.stderr):
            yield ray
    finally:
        ray.shutdown()
