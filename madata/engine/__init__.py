"""Where work runs: worker processes of this machine, or a Ray cluster. Both give the same values."""

from __future__ import annotations

from functools import partial

from madata.engine.processes import run, run_steps
from madata.engine.threads import threads
from madata.engine.work import SILENT, Engine, Outcome, Step, Watch
from madata.errors import ConfigError, did_you_mean

__all__ = [
    "ENGINES",
    "SILENT",
    "Engine",
    "Outcome",
    "Step",
    "Watch",
    "engine_of",
    "run",
    "run_steps",
    "threads",
]

ENGINES = ("processes", "ray")
"""Names :func:`engine_of` takes."""


def engine_of(name: str, address: str | None = None) -> Engine:
    """The engine called ``name``.

    Args:
        address: of a Ray cluster; by default one is started on this machine.

    Raises:
        ConfigError: there is none of that name, or processes have no address.
        MissingDependencyError: Ray is not installed.
    """
    if name not in ENGINES:
        raise ConfigError(f"no engine {name!r}{did_you_mean(name, ENGINES)}")
    if name == "processes":
        if address is not None:
            raise ConfigError("--address is that of a Ray cluster: say --engine ray")
        return run_steps
    from madata.engine.ray import require_ray, run_on_ray

    require_ray()
    return partial(run_on_ray, address=address)
