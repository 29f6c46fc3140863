"""The command line answers at once and says clearly what is wrong."""

import json
import logging
import subprocess
import sys
from importlib.metadata import entry_points

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from madata.cli import madance, main
from madata.commands.options import is_quiet, with_verbosity
from madata.errors import MadanceError

HEAVY = ["torch", "cv2", "librosa", "scipy", "pandas", "pyarrow", "matplotlib", "numpy", "av", "transformers"]
VERBS = sorted(entry_points(group="madance.commands").names)
PROBE = """
import json, sys
from madata.cli import madance, main
try:
    madance.main({arguments!r}, standalone_mode=False)
except SystemExit:
    pass
print(json.dumps([name for name in {heavy!r} if name in sys.modules]), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], *([verb, "--help"] for verb in VERBS)], ids=" ".join
)
def test_help_loads_nothing_heavy(arguments):
    code = PROBE.format(arguments=arguments, heavy=HEAVY)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stderr.splitlines()[-1]) == []
    assert run.stdout
    assert "cannot be loaded" not in run.stdout


def test_a_mistyped_verb_gets_the_nearest_one():
    run = subprocess.run(
        [sys.executable, "-m", "madata", "curat"], capture_output=True, text=True, timeout=600
    )
    assert run.returncode == 2
    assert "curate" in run.stderr


def commands(group, names=()):
    """Every command of the command line that does something, by its words."""
    ctx = click.Context(group)
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*names, name))
        else:
            yield " ".join((*names, name)), command


COMMANDS = dict(commands(madance))
GROUPS = [(), *sorted({tuple(words.split()[:-1]) for words in COMMANDS if " " in words})]


@pytest.mark.parametrize("names", GROUPS, ids=" ".join)
def test_what_a_verb_does_is_said_in_one_line(names):
    listed = CliRunner().invoke(madance, [*names, "--help"]).output.partition("Commands:\n")[2].splitlines()
    assert listed
    for line in listed:
        assert line.startswith("  ") and line[2] != " ", f"more than a line: {line}"
        assert not line.endswith("..."), f"cut off: {line}"


@pytest.mark.parametrize("words", COMMANDS)
def test_help_fits_a_terminal_of_80_columns(words):
    done = CliRunner().invoke(madance, [*words.split(), "-h"], terminal_width=80)
    assert done.exit_code == 0
    for line in done.output.splitlines():
        assert len(line) <= 80, line
        assert "Usage:" in line or not line.endswith("..."), f"cut off: {line}"


@pytest.mark.parametrize(
    ("words", "typed", "offered"),
    [
        (["generate"], "motion-expert-g", ["motion-expert-gft-to-cfg"]),
        (["check"], "mean-", ["mean-pose"]),
        (["score", "runs/a", "--protocol"], "ma-rhythm", ["ma-rhythm2d", "ma-rhythm3d"]),
        (["weights", "fetch", "edge"], "jukebox-", ["jukebox-prior", "jukebox-vqvae"]),
        (["weights", "list", "--for"], "fv", ["fvd"]),
        (["weights", "tiny"], "mega", ["megadance"]),
        (["train", "motion", "data", "--preset"], "lodge-f", ["lodge-fine-tuning"]),
        (["generate"], "./mine", ["./mine"]),  # a file: the shell looks for it
    ],
)
def test_the_shell_completes_names(words, typed, offered):
    completions = ShellComplete(madance, {}, "madance", "_MADANCE_COMPLETE").get_completions(words, typed)
    assert [one.value for one in completions] == offered
    assert {one.type for one in completions} == {"file" if typed.startswith(".") else "plain"}


SHARED = [
    "--device",
    "--json",
    "--out",
    "--seed",
    "--jobs",
    "--config",
    "--set",
    "--limit",
    "--dry-run",
    "-q",
    "-v",
]


@pytest.mark.parametrize("flag", SHARED)
def test_a_shared_option_is_the_same_everywhere(flag):
    found = {
        words: option
        for words, command in COMMANDS.items()
        for option in command.params
        if flag in option.opts
    }
    kinds = {(type(option.type), option.name, option.is_flag, option.multiple) for option in found.values()}
    assert len(kinds) == 1, found
    if flag in ("--device", "--jobs", "-q", "-v"):
        assert len({str(option.default) for option in found.values()}) == 1
    if flag in ("-q", "-v"):
        assert set(found) == set(COMMANDS)


@pytest.mark.parametrize(
    ("before", "after", "quiet", "level"),
    [
        ([], [], False, logging.WARNING),
        (["-q"], [], True, logging.ERROR),
        ([], ["-q"], True, logging.ERROR),
        (["-v"], [], False, logging.INFO),
        ([], ["-vv"], False, logging.DEBUG),
        (["-v"], ["-q"], True, logging.ERROR),
    ],
)
def test_a_verb_is_as_quiet_as_is_asked_before_or_after_its_name(before, after, quiet, level):
    @click.group()
    def group():
        pass

    @group.command()
    def verb():
        click.echo(f"{is_quiet()} {logging.getLogger().level}")

    with_verbosity(group)
    was = logging.getLogger().level
    try:
        logging.getLogger().setLevel(logging.WARNING)
        assert CliRunner().invoke(group, [*before, "verb", *after]).output == f"{quiet} {level}\n"
    finally:
        logging.getLogger().setLevel(was)


@pytest.mark.parametrize(
    ("foreign", "verb"), [("evaluation", "score"), ("evaluation", "table"), ("leaderboard", "site")]
)
@pytest.mark.parametrize("regular", [True, False], ids=["package", "module"])
def test_a_foreign_package_of_a_name_of_ours_is_named(tmp_path, foreign, verb, regular):
    place = tmp_path / foreign / "__init__.py" if regular else tmp_path / f"{foreign}.py"
    place.parent.mkdir(exist_ok=True)
    place.touch()
    run = subprocess.run(
        [sys.executable, "-c", "from madata.cli import main; main()", verb, "x", "--reference", "y"],
        capture_output=True, text=True, timeout=600, cwd=tmp_path,
    )  # fmt: skip
    assert run.returncode == 2
    named = place.parent if regular else place
    assert f"{named} hides the package {foreign!r} of madance" in run.stderr
    assert len(run.stderr.splitlines()) == 1


def test_a_folder_that_is_no_package_hides_nothing(tmp_path):
    (tmp_path / "evaluation").mkdir()
    run = subprocess.run(
        [sys.executable, "-m", "madata", "score", "--help"], cwd=tmp_path, capture_output=True, timeout=600
    )
    assert run.returncode == 0


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (MadanceError("clip.mp4: is empty"), 2, "error: clip.mp4: is empty\n"),
        (PermissionError(13, "Permission denied", "/out/a"), 2, "error: /out/a: Permission denied\n"),
        (
            ModuleNotFoundError("No module named 'cv2'", name="cv2"),
            2,
            "error: the package 'cv2' is not installed",
        ),
        (click.Abort(), 130, "interrupted"),
        (
            ZeroDivisionError("by accident"),
            70,
            "ZeroDivisionError: by accident\nthis is a fault of madance itself",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_can_be_mended_is_one_line_and_a_fault_of_ours_is_shown_whole(
    monkeypatch, capsys, error, code, said
):
    def fail(**options):
        raise error

    monkeypatch.setattr(madance, "main", fail)
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == code
    shown = capsys.readouterr().err
    assert said in shown
    assert (len(shown.splitlines()) == 1) == (code != 70)
