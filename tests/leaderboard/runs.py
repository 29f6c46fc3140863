"""Scored runs on made-up dances: what `madance score --out` leaves, in a second each."""

import json
import zipfile

from evaluation.options import Options
from evaluation.protocol import load_protocol
from evaluation.result import read_result, seal, write_result
from evaluation.scoring import score, write_scored
from madata.files import sha256_bytes, write_json
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


def rewrite(archive, edit, *, honest=True):
    """Change the files of an archive; an honest liar also writes the new hashes."""
    with zipfile.ZipFile(archive) as opened:
        files = {name: opened.read(name) for name in opened.namelist()}
    edit(files)
    if honest and "submission.json" in files:
        manifest = json.loads(files["submission.json"])
        manifest["files"] = {
            name: {"sha256": sha256_bytes(data), "bytes": len(data)}
            for name, data in files.items()
            if name != "submission.json"
        }
        if "result.json" in files:
            manifest["result"] = json.loads(files["result.json"]).get("id", manifest["result"])
        files["submission.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(archive, "w") as opened:
        for name, data in files.items():
            opened.writestr(name, data)
    return archive
