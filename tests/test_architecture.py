"""The arrows of the architecture: which package may import which, and what may load when."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ALLOWED = {
    "madata": set(),
    "evaluation": {"madata"},
    "mace_dance": {"madata", "evaluation.systems", "evaluation.metrics", "evaluation.features.motion"},
    "baselines": {"madata", "mace_dance", "evaluation.systems"},
    "leaderboard": {
        "evaluation.result",
        "evaluation.stats",
        "evaluation.protocol",
        "evaluation.features",
        "evaluation.options",
        "evaluation.metrics",
        "evaluation.compare",
        "evaluation.score",
        "madata.commands.options",
        "madata.config",
        "madata.devices",
        "madata.errors",
        "madata.files",
    },
}
OWN = set(ALLOWED)
FORBIDDEN_NAMES = {"utils", "util", "misc", "helpers", "common"}
MODULES = [path for package in ALLOWED for path in sorted((ROOT / package).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_arrow_points_up(path):
    package = path.relative_to(ROOT).parts[0]
    allowed = ALLOWED[package] | {package}
    for name in imported(path):
        if name.split(".")[0] not in OWN:
            continue
        assert any(name == prefix or name.startswith(prefix + ".") for prefix in allowed), (
            f"{package} must not import {name}"
        )


def test_no_module_is_named_after_nothing():
    assert not [path for path in MODULES if path.stem in FORBIDDEN_NAMES]


def test_every_module_says_what_it_is():
    silent = [
        str(path.relative_to(ROOT))
        for path in MODULES
        if not ast.get_docstring(ast.parse(path.read_text("utf-8")))
    ]
    assert not silent


def test_imports_are_absolute():
    relative = re.compile(r"^\s*from \.", re.M)
    assert not [str(path) for path in MODULES if relative.search(path.read_text("utf-8"))]


RESTRICTED_READERS = {"madata/files.py", "evaluation/features/video/networks/checkpoints.py"}


def test_nothing_is_unpickled_outside_the_restricted_readers():
    users = {path.relative_to(ROOT).as_posix(): path for path in MODULES if "pickle" in imported(path)}
    assert set(users) == RESTRICTED_READERS
    for path in users.values():
        tree = ast.parse(path.read_text("utf-8"))
        calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        assert not calls & {"pickle.load", "pickle.loads", "pickle.Unpickler"}
        classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
        for reader in [node for node in classes if "pickle.Unpickler" in map(ast.unparse, node.bases)]:
            assert "find_class" in {item.name for item in reader.body if isinstance(item, ast.FunctionDef)}
