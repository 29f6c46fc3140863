"""Scored runs on made-up dances: what `madance score --out` leaves, in a second each."""

from evaluation.options import Options
from evaluation.protocol import load_protocol
from evaluation.result import read_result, seal, write_result
from evaluation.score import score, write_scored
from madata.files import write_json
from tests.evaluation.dancers import write_set

CLIPS = 16
PROTOCOL = load_protocol("ma-data-motion2d")


def make_run(
    root, system, *, seed=100, protocol=PROTOCOL, clips=CLIPS, real=None, music=None, limit=None, **how
):
    """A scored run of ``system`` in ``root/system``; the real clips are those of seeds 0.. unless given."""
    real = real or root / "real"
    if not real.is_dir():
        write_set(real, range(clips))
    made = write_set(root / f"{system}-clips", range(seed, seed + clips), **how)
    out = root / system
    options = Options(system=system, limit=limit)
    write_json(out / "protocol.json", protocol.model_dump(mode="json"))
    write_scored(score(made, real, protocol, music=music, options=options), out)
    return out


def change(run, **changes):
    """Change fields of a result as somebody would who seals it again."""
    result = read_result(run / "result.json").model_copy(update=changes)
    write_result(run / "result.json", seal(result))
    return result


def change_metric(run, name, **changes):
    """Change one metric, sealed again."""
    result = read_result(run / "result.json")
    metrics = [
        metric.model_copy(update=changes) if metric.name == name else metric for metric in result.metrics
    ]
    return change(run, metrics=metrics)
