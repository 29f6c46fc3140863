"""However a verb is ended, its workers end too, nothing half written stays, and no traceback is shown."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from madata.files import atomic_path, scratch_folder

VERB = """
import sys
from pathlib import Path
import click
from madata import cli
from madata.engine import run
from madata.files import hold_folder
from tests.madata import engine_work

@click.group()
def group(): pass

@group.command()
@click.argument("out", type=Path)
@click.argument("function")
def work(out, function):
    with hold_folder(out):
        list(run(getattr(engine_work, function), [out, out], jobs=2))

if __name__ == "__main__":
    cli.madance = group
    cli.main()
"""


@pytest.fixture
def verb(tmp_path, request):
    """The process of a verb whose two workers are in the middle of a file, its folder, and their ids."""
    out, function = tmp_path / "out", getattr(request, "param", "half_a_file")
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-c", VERB, "work", str(out), function], env=environment, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    wait_until(lambda: len(list(out.glob("pid-*"))) == 2, process)
    workers = [int(path.name.removeprefix("pid-")) for path in out.glob("pid-*")]
    yield process, out, workers
    for one in (process.pid, *workers):
        if is_alive(one):
            os.kill(one, signal.SIGKILL)
    process.wait()


def wait_until(true, process, seconds=120):
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, process.poll()
        time.sleep(0.05)


def is_alive(process):
    try:
        return bool(Path(f"/proc/{process}/cmdline").read_bytes())
    except OSError:
        return False


@pytest.mark.parametrize(
    ("number", "code", "whole_group"),
    [
        (signal.SIGTERM, 143, False),
        (signal.SIGTERM, 143, True),
        (signal.SIGINT, 130, True),
        (signal.SIGHUP, 129, False),
    ],
)
def test_a_signal_ends_a_verb_and_its_workers(verb, number, code, whole_group):
    process, out, workers = verb
    (os.killpg if whole_group else os.kill)(process.pid, number)
    said, errors = process.communicate(
        timeout=60
    )  # the pipe closes when the last process that holds it has ended
    assert (process.returncode, said) == (code, "")
    assert (
        errors.removeprefix("\n" if number == signal.SIGINT else "")
        == "interrupted; the same command goes on where it stopped\n"
    )
    assert not any(map(is_alive, workers))
    assert sorted(path.name[:3] for path in out.iterdir()) == ["pid", "pid"]


def test_workers_end_with_a_parent_that_is_killed(verb):
    process, out, workers = verb
    process.kill()
    process.communicate(timeout=30)
    wait_until(lambda: not any(map(is_alive, workers)), process, 10)
    assert not list(out.glob("*.mp4")) and not list(out.glob(".tmp-*"))
    assert not list(out.parent.glob("pymp-*"))  # for ever, by Python, below a long name too


@pytest.mark.parametrize("verb", ["deaf"], indirect=True)
def test_workers_inside_a_library_that_lets_nothing_else_run_end_too(verb):
    process, _, workers = verb
    process.kill()
    process.communicate(timeout=60)  # the pipe closes when the last process that holds it has ended
    assert not any(map(is_alive, workers))


def test_ctrl_c_while_the_server_of_workers_imports_shows_no_traceback(tmp_path):
    slow = "import time, pathlib\npathlib.Path('importing').touch()\ntime.sleep(600)\n"
    (tmp_path / "slow.py").write_text(slow)
    code = (
        "import click\nfrom madata import cli\nfrom madata.engine import run\n"
        "from tests.madata.engine_work import work\n"
        "cli.madance = click.command()(lambda: list(run(work, ['a'], jobs=1, packages=['slow'])))\ncli.main()"
    )
    paths = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[1])])
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": paths, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    wait_until((tmp_path / "importing").exists, process)
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert said.strip() == "interrupted; the same command goes on where it stopped"


def test_a_program_of_others_ends_with_the_verb_that_is_killed():
    code = (
        "import subprocess, time; from madata.ending import bind_to_parent\n"
        "print(subprocess.Popen(['sleep', '600'], preexec_fn=bind_to_parent).pid, flush=True); time.sleep(600)"
    )
    verb = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    program = int(verb.stdout.readline())
    assert is_alive(program)
    verb.kill()
    verb.wait()
    wait_until(lambda: not is_alive(program), verb, 10)


def test_what_a_dead_writer_left_goes_with_the_next_writer_and_what_a_living_one_writes_stays(tmp_path):
    dies = "import os, sys; from pathlib import Path; from madata.files import atomic_path, scratch_folder\n"
    for kind, place in (("atomic_path", "out/a.npz"), ("scratch_folder", "out")):
        code = f"{dies}with {kind}(Path({place!r})): os.kill(os.getpid(), 9)"
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, timeout=60)
    (tmp_path / "out" / ".tmp-of-somebody-else").touch()
    left = {path.name for path in (tmp_path / "out").glob(".tmp-madance-*")}
    assert len(left) == 1  # the second swept what the first had left
    code = f"{dies}with atomic_path(Path('out/b.npz')) as path: print(path.name, flush=True); input(); path.touch()"
    living = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    held = living.stdout.readline().strip()
    assert {path.name for path in (tmp_path / "out").glob(".tmp-*")} == {held, ".tmp-of-somebody-else"}
    with atomic_path(tmp_path / "out" / "c.npz") as path:
        path.touch()
    with scratch_folder(tmp_path / "out") as mine:
        assert {path.name for path in (tmp_path / "out").glob(".tmp-m*")} == {held, mine.name}
    living.communicate("\n", timeout=60)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"b.npz", "c.npz", ".tmp-of-somebody-else"}


def test_a_forked_process_leaves_the_scratch_of_its_parent_where_it_is(tmp_path):
    """The folder of the sockets lies in one: without it, workers of a loader that are forked could share no tensor."""
    stack = contextlib.ExitStack()
    folder = stack.enter_context(scratch_folder(tmp_path))
    forked = os.fork()
    if forked == 0:
        stack.close()
        os._exit(0)
    os.waitpid(forked, 0)
    assert folder.is_dir()
    stack.close()
    assert not folder.exists()
