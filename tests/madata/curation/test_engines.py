"""Curation elsewhere: on a Ray cluster that loses a machine, and in parts that are merged. The bytes are the same."""

import json
import subprocess
import sys
import time
from fractions import Fraction

import pytest

from tests.madata.curation.conftest import FPS, SECONDS, SIZE
from tests.madata.curation.test_curate import QUICK, contents
from tests.madata.engine_work import work
from tests.media_builder import Recipe

pytestmark = [pytest.mark.slow, pytest.mark.nightly]

_STUCK_S = 3600
"""A machine with much else to do needs many minutes; a run that is stuck never ends."""

STEADY = Recipe(num_frames=FPS * SECONDS, fps=Fraction(FPS), size=SIZE)


@pytest.fixture(scope="module")
def crawl(tmp_path_factory, film):
    folder = tmp_path_factory.mktemp("crawl")
    for number in range(4):
        film(folder / f"{number}.mp4", STEADY, offset=30 * number)
    (folder / "broken.mp4").write_bytes(b"not a video")
    return folder


@pytest.fixture(scope="module")
def by_processes(tmp_path_factory, crawl, madance):
    out = tmp_path_factory.mktemp("processes")
    run = madance("curate", crawl, "--out", out, "--json", *QUICK)
    return contents(out), json.loads(run.stdout)


@pytest.fixture
def cluster():
    """A Ray cluster of two machines of one processor each, beside a head that has none."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    yield cluster, [cluster.add_node(num_cpus=1) for _ in range(2)]
    cluster.shutdown()


def curate_on(cluster, crawl, out):
    """The command line, at the cluster."""
    command = [sys.executable, "-m", "madata.cli", "curate", crawl, "--out", out, "--json", *QUICK]
    return [*map(str, command), "--engine", "ray", "--address", cluster.address]


def test_a_lost_machine_changes_no_byte(crawl, by_processes, cluster, tmp_path):
    """All files are the same but the report, whose commands name its folder."""
    machines, nodes = cluster
    out = tmp_path / "out"
    with subprocess.Popen(
        curate_on(machines, crawl, out), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        try:
            while not list(out.glob("journal/*/*.json")) and running.poll() is None:
                time.sleep(0.2)
            machines.remove_node(nodes[0], allow_graceful=False)
            stdout, stderr = running.communicate(timeout=_STUCK_S)
        finally:
            running.kill()
    assert running.returncode == 1, stderr
    assert json.loads(stdout) == by_processes[1]
    made, expected = contents(out), by_processes[0]
    assert made.keys() == expected.keys()
    assert not [name for name in made if made[name] != expected[name] and name != "report.html"]


def test_parts_merged_in_another_order_are_the_whole(crawl, madance, tmp_path):
    """Three machines that know nothing of each other, and one that does it all: the same bytes after merging.

    But for the note of what was merged.
    """
    folders = {name: tmp_path / name for name in ("whole", "1", "2", "3")}
    for name, folder in folders.items():  # the whole by one process, the parts by two
        part = ("--jobs", "1") if name == "whole" else ("--shard", f"{name}/3")
        assert madance("curate", crawl, "--out", folder, *QUICK, *part).returncode in (0, 1)
    for name, parts in (("a", ("whole",)), ("b", ("3", "1", "2"))):
        run = madance(
            "dataset", "merge", *(folders[part] for part in parts), "--out", tmp_path / "merged" / name
        )
        assert run.returncode == 0, run.stderr
    made, expected = contents(tmp_path / "merged" / "b"), contents(tmp_path / "merged" / "a")
    assert made.keys() == expected.keys()
    assert [name for name in made if made[name] != expected[name]] == ["merged.json"]


def test_outcomes_are_those_of_processes():
    """A worker that dies costs its item, whatever runs it; Ray's own workers live on."""
    pytest.importorskip("ray")
    from madata.engine import Step, engine_of

    items = ["a", "crash", "raise", "b", "leave", "fatal", "c"]
    steps = [Step("work", work, batch_size=4), Step("again", work, batch_size=4)]
    found = {}
    for name in ("processes", "ray"):
        outcomes = engine_of(name)(steps, items, jobs=2)
        found[name] = {one.item: (one.value, one.error, one.fatal) for one in outcomes}
    assert found["ray"] == found["processes"]
    assert found["ray"]["a"] == (("A", "1"), None, False)
