"""One model server for many workers: each gets its own rows back, whatever becomes of the others."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from madata.engine import run
from madata.errors import MadanceError, WeightsError
from madata.networks import open_network, serving
from madata.networks.client import SERVERS
from tests.madata.network_loaders import absent, ask, ask_the_dead, doubled


@pytest.fixture(scope="module")
def servers():
    with serving(("cpu", "meta"), batch=4):
        yield


def test_without_servers_the_network_is_of_this_process():
    with serving(()):
        network = open_network(doubled, "cpu")
    _, processes, together = network(np.ones((3, 2)))
    assert network.about == {"device": "cpu"} and set(processes) == {os.getpid()} and set(together) == {3}


def test_rows_of_many_come_back_to_whom_they_belong(servers):
    """Batches are filled up to one size; a server has its own device, whatever its client says."""
    found = {}

    def client(number):
        network = open_network(doubled, "elsewhere")
        rows, processes, together = network(np.full((number, 3), number, float))
        found[number] = (rows, set(processes), set(together), network.about["device"])

    threads = [threading.Thread(target=client, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, (rows, processes, together, device) in found.items():
        assert rows.shape == (number, 3) and (rows == 2 * number).all()
        assert os.getpid() not in processes and together == {4} and device in ("cpu", "meta")
    assert len({device for *_, device in found.values()}) == 1  # a process stays with one server


def test_one_bad_question_costs_the_others_nothing(servers):
    answers = {}

    def client(number):
        try:
            answers[number] = open_network(doubled, "cpu")(np.full((2, 2), number, float))[0]
        except RuntimeError as error:
            answers[number] = str(error)

    threads = [threading.Thread(target=client, args=(number,)) for number in (-1, 1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers.pop(-1) == "ValueError: a negative row"
    assert all((rows == 2 * number).all() for number, rows in answers.items())


def test_what_cannot_be_loaded_is_told_as_it_is(servers):
    with pytest.raises(MadanceError, match=r"no weights for (cpu|meta)"):
        open_network(absent, "cpu")
    with pytest.raises(WeightsError, match="no weights for cpu"), serving(()):
        absent("cpu")


def test_a_worker_that_dies_costs_its_own_item(servers):
    """Of two servers each process takes one, and its items stay there."""
    outcomes = {outcome.item: outcome for outcome in run(ask, [1, "dies", 2, 3], jobs=2)}
    assert "SIGKILL" in outcomes["dies"].error
    for item in (1, 2, 3):
        assert outcomes[item].error is None and len(outcomes[item].value[0]) == 1


def test_a_server_that_dies_stops_the_run_with_one_line():
    before = os.environ.get(SERVERS)
    with serving(("cpu",)):
        (outcome,) = run(ask_the_dead, [1], jobs=1)
    assert outcome.fatal and "run the same command again" in outcome.error
    assert os.environ.get(SERVERS) == before


def test_a_server_ends_with_its_parent(tmp_path):
    """Also with one that is killed, and nothing is left behind."""
    code = (
        "import os, sys\n"
        "from madata.networks import serving, open_network\n"
        "from tests.madata.network_loaders import doubled\n"
        "import numpy as np\n"
        "if __name__ == '__main__':\n"
        "    with serving(('cpu',)):\n"
        "        print(int(open_network(doubled, 'cpu')(np.ones((1, 1)))[1][0]), flush=True)\n"
        "        os.kill(os.getpid(), 9)\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    killed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    server = int(killed.stdout)
    until = time.monotonic() + 20
    while _is_alive(server) and time.monotonic() < until:
        time.sleep(0.05)
    assert time.monotonic() < until
    assert not list(tmp_path.glob(".tmp-madance-*"))


def _is_alive(process):
    """Whether it runs: it may stay in the table of processes until somebody asks how it ended."""
    try:
        return bool(Path(f"/proc/{process}/cmdline").read_bytes())
    except OSError:
        return False
