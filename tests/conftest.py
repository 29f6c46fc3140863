"""Where tests find their material, and the golden harness.

`pytest -m golden` reads `../shared/golden` (else `tests/golden`); `--golden DIR` reads another folder of the same
layout. Whatever a case needs and DIR does not hold is taken from the default folder.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from madata.cache import user_cache

# Tests move the user's cache, and what librosa compiles for a minute need not be compiled again for each of them.
os.environ.setdefault("NUMBA_CACHE_DIR", str(user_cache() / "madance" / "numba"))

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"


def default_golden_root() -> Path:
    shared = SHARED / "golden"
    return shared if shared.is_dir() else ROOT / "tests" / "golden"


def golden_root(config) -> Path:
    chosen = config.getoption("--golden")
    return Path(chosen).resolve() if chosen else default_golden_root()


def golden_cases(config, pattern: str) -> list[Path]:
    """Files of the chosen golden folder that match ``pattern`` (e.g. ``"motion/twod_*.npz"``)."""
    return sorted(golden_root(config).glob(pattern))


def pytest_generate_tests(metafunc):
    """`@pytest.mark.golden_files("motion/twod_*.npz")` runs the test once per file, as argument ``golden_file``."""
    marker = metafunc.definition.get_closest_marker("golden_files")
    if marker is None:
        return
    files = [path for pattern in marker.args for path in golden_cases(metafunc.config, pattern)]
    cases = [pytest.param(path, id=path.name) for path in files]
    if not cases:
        skip = pytest.mark.skip(
            reason=f"no file matches {', '.join(marker.args)} in {golden_root(metafunc.config)}"
        )
        cases = [pytest.param(None, id="none", marks=skip)]
    metafunc.parametrize("golden_file", cases)


@pytest.fixture(scope="session")
def golden_dir(pytestconfig) -> Path:
    """The chosen golden folder; the test is skipped when there is none."""
    root = golden_root(pytestconfig)
    if not root.is_dir():
        pytest.skip("no golden folder")
    return root


@pytest.fixture(scope="session")
def golden_companion(pytestconfig):
    """Find a companion file in the chosen golden folder, else in the default one."""

    def find(relative: str) -> Path:
        for root in (golden_root(pytestconfig), default_golden_root()):
            if (root / relative).exists():
                return root / relative
        pytest.skip(f"{relative} is in no golden folder")

    return find


@pytest.fixture(scope="session")
def compared_cases(pytestconfig):
    """``compared_cases(names)``: what is compared of a file whose every case takes a large network's seconds.

    All of it where goldens are asked for (``pytest -m golden``), the first by name in an ordinary run.
    """
    everything = "golden" in pytestconfig.option.markexpr

    def choose(names):
        return sorted(names) if everything else sorted(names)[:1]

    return choose


@pytest.fixture
def golden_deviations(request):
    """``record(kind, deviation)``: the largest deviation of each kind is printed at the end of the run."""

    def record(kind: str, deviation: float) -> None:
        request.node.user_properties.append((_DEVIATION, (kind, float(deviation))))

    return record


_DEVIATION = "deviation from a golden number"


def pytest_terminal_summary(terminalreporter, config):
    """Largest deviations of the golden tests, and what was not compared.

    Both are read off the reports, which come from every worker of a parallel run.
    """
    reports = [
        report for kind in ("passed", "failed", "skipped") for report in terminalreporter.getreports(kind)
    ]
    largest: dict[str, float] = {}
    for name, value in (pair for report in reports for pair in report.user_properties):
        if name == _DEVIATION:
            kind, deviation = value
            largest[kind] = max(largest.get(kind, 0.0), deviation)
    if largest:
        terminalreporter.section("largest deviation from golden numbers")
        for kind, deviation in sorted(largest.items()):
            terminalreporter.write_line(f"{kind:40s} {deviation:.3g}")
    golden = [report for report in reports if "golden" in report.keywords]
    left_out = [report for report in golden if report.skipped]
    if golden:
        ran = len({report.nodeid for report in golden}) - len(left_out)
        terminalreporter.write_line(
            f"golden numbers of {golden_root(config)}: {ran} tests compared, {len(left_out)} left out"
        )
        for reason in sorted({report.longrepr[2].removeprefix("Skipped: ") for report in left_out}):
            terminalreporter.write_line(f"  left out: {reason}")


def _shared_folder(name: str, chosen: str | None) -> Path:
    folder = Path(chosen) if chosen else SHARED / name
    if not folder.is_dir():
        pytest.skip(f"no {name} folder beside the checkout")
    return folder.resolve()


@pytest.fixture(scope="session")
def media_dir(pytestconfig) -> Path:
    """Real footage; the test is skipped when it is absent."""
    return _shared_folder("media", pytestconfig.getoption("--media") or os.environ.get("MADANCE_MEDIA"))


@pytest.fixture(scope="session")
def motion_dir() -> Path:
    """Real mocap; the test is skipped when it is absent."""
    return _shared_folder("motion", os.environ.get("MADANCE_MOTION"))


@pytest.fixture
def no_weights(tmp_path, monkeypatch):
    """No weights are installed, and caches are empty."""
    monkeypatch.setenv("MADANCE_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
