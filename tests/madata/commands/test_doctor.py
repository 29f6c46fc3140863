import json
from importlib.metadata import EntryPoint

import pytest
from click.testing import CliRunner

from madata.commands import doctor as module
from madata.errors import MadanceError

CALLS = []


def speaks():
    return ["all is well", "and so is the rest"]


def breaks():
    raise RuntimeError("no such luck")


def builds():
    CALLS.append("built")
    return ["built"]


def fails():
    raise MadanceError("kernel.cpp: no compiler")


def use(monkeypatch, **groups):
    def entry_points(group):
        names = groups.get(group.removeprefix("madance."), {})
        return [EntryPoint(name, f"{place}", group) for name, place in names.items()]

    monkeypatch.setattr(module, "entry_points", entry_points)


def run(*arguments):
    return CliRunner().invoke(module.doctor, arguments)


@pytest.fixture(autouse=True)
def no_calls():
    CALLS.clear()


def test_what_can_be_done_and_what_cannot_stand_apart(monkeypatch):
    use(monkeypatch, doctor={})
    monkeypatch.setattr(
        module, "missing_for_jobs", lambda: {"curate": "", "train": "needs torch: pip install it"}
    )
    said = run().stdout
    assert "you can: curate\n" in said
    assert "you cannot yet: train, which needs torch: pip install it\n" in said


def test_packages_say_what_runs(monkeypatch):
    use(monkeypatch, doctor={"one": f"{__name__}:speaks"})
    result = run()
    assert result.exit_code == 0
    assert "\nall is well\nand so is the rest\n" in result.stdout
    assert json.loads(run("--json").stdout)["reports"] == speaks()


def test_one_that_breaks_is_named_and_silences_no_other(monkeypatch):
    use(monkeypatch, doctor={"a": f"{__name__}:breaks", "b": f"{__name__}:speaks", "c": f"{__name__}:absent"})
    result = run()
    assert result.exit_code == 1
    assert f"problem: a ({__name__}:breaks): RuntimeError: no such luck" in result.stdout
    assert "problem: c (" in result.stdout
    assert "all is well" in result.stdout


def test_one_that_lacks_a_package_is_no_problem(monkeypatch):
    use(monkeypatch, doctor={"scan": "no_such_package:describe"})
    result = run()
    assert result.exit_code == 0
    assert "scan: needs no_such_package" in result.stdout


def test_kernels_are_built_on_demand_only(monkeypatch):
    use(monkeypatch, kernels={"scan": f"{__name__}:builds"})
    run()
    assert not CALLS
    assert run("--build-kernels").exit_code == 0
    assert CALLS == ["built"]


def test_a_build_that_fails_is_one_line(monkeypatch):
    use(monkeypatch, kernels={"scan": f"{__name__}:fails"})
    result = run("--build-kernels")
    assert result.exit_code == 1
    assert f"problem: scan ({__name__}:fails): kernel.cpp: no compiler\n" in result.stdout
