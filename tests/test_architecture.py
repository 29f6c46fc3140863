"""The architecture, held: who may import whom, what stands in one place only, and how long things may be.

The law of the packages stands in ``docs/architecture.md``; the README repeats it, and both are compared here with what
the code does. Lists of exceptions in this file only shrink.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("madata", "evaluation", "mace_dance", "baselines", "leaderboard")


def table_of_the_law(page: str) -> dict[str, set[str]]:
    """Package -> what its row allows; a row ends with what the package may import, in backquotes."""
    rows = re.findall(r"^\| `(\w+)` \|.*\|([^|]*)\|$", (ROOT / page).read_text("utf-8"), re.M)
    return {
        package: set(re.findall(r"`([\w.]+)`", allowed)) for package, allowed in rows if package in PACKAGES
    }


ALLOWED = table_of_the_law("docs/architecture.md")
FORBIDDEN_NAMES = {"utils", "util", "misc", "helpers", "common"}
MODULES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
TREES = {path: ast.parse(path.read_text("utf-8")) for path in MODULES}


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


PATHS = {module_of(path): path for path in MODULES}


def imports_below(node: ast.AST) -> Iterator[str]:
    """What a piece of code imports when it runs: not what only the type checker reads."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom) and child.level == 0 and child.module:
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        elif not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)):
            yield from imports_below(child)


def imported(path: Path) -> set[str]:
    """Everything a module imports, for the type checker too."""
    names = set()
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def room_arrows(package: str) -> dict[str, dict[str, list[str]]]:
    """Room -> room -> the imports behind the arrow; a room is a module or a folder directly in the package."""
    arrows: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for module, path in PATHS.items():
        if module.split(".")[0] != package or module == package:
            continue
        for name in imports_below(TREES[path]):
            while name and name not in PATHS:
                name = name.rpartition(".")[0]
            parts = name.split(".")
            if parts[0] == package and len(parts) > 1 and parts[1] != module.split(".")[1]:
                arrows[module.split(".")[1]][parts[1]].append(f"{module} imports {name}")
    return arrows


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_arrow_points_up(path):
    package = path.relative_to(ROOT).parts[0]
    allowed = ALLOWED[package] | {package}
    for name in imported(path):
        if name.split(".")[0] not in PACKAGES:
            continue
        assert any(name == prefix or name.startswith(prefix + ".") for prefix in allowed), (
            f"{package} must not import {name}"
        )


def test_the_readme_states_the_same_law():
    assert list(ALLOWED) == list(PACKAGES)
    assert table_of_the_law("README.md") == ALLOWED


@pytest.mark.parametrize("package", PACKAGES)
def test_rooms_form_no_circle(package):
    arrows = room_arrows(package)
    try:
        TopologicalSorter({room: set(targets) for room, targets in arrows.items()}).prepare()
    except CycleError as error:
        circle = error.args[1][::-1]
        reasons = [arrows[a][b][0] for a, b in pairwise(circle)]
        pytest.fail(f"{' -> '.join(circle)}: {'; '.join(reasons)}")


LAYERS = (
    {"commands"},
    {"check"},
    {"slices"},
    {"scoring", "comparison"},
    {"report"},
    {"metrics"},
    {"stats"},
    {"features"},
    {"generate"},
    {"systems"},
    {"inputs"},
    {"options", "problems", "protocol", "result", "definitions"},
)
"""Rooms of ``evaluation`` from top to bottom; an arrow points to its own layer or further down."""


def test_the_map_has_every_room_in_its_order():
    """A layer may stand in two rows, and rows beside each other may be of one layer."""
    page = (ROOT / "docs/architecture.md").read_text("utf-8")
    table = page.partition("## Inside `evaluation`")[2].partition("\n## ")[0]
    rows = [re.findall(r"`(\w+)`", row) for row in re.findall(r"^\| (`.*?) \|", table, re.M)]
    height = {room: number for number, layer in enumerate(LAYERS) for room in layer}
    shown = [height[room] for row in rows for room in row]
    assert sorted(room for row in rows for room in row) == sorted(height)
    assert shown == sorted(shown)


def test_no_arrow_of_evaluation_points_up():
    height = {room: number for number, layer in enumerate(LAYERS) for room in layer}
    arrows = room_arrows("evaluation")
    rooms = {module.split(".")[1] for module in PATHS if module.startswith("evaluation.")}
    assert rooms <= set(height), "a new room has no layer"
    upward = {
        f"{a} -> {b}: {arrows[a][b][0]}"
        for a, targets in arrows.items()
        for b in targets
        if height[b] < height[a]
    }
    assert not upward


@pytest.mark.parametrize("room", ["metrics", "stats"])
def test_metrics_and_statistics_see_tables_alone(room):
    """They open nothing: no picture, no sound, no network, not even through what they import."""
    seen, ahead = set(), [module for module in PATHS if module.startswith(f"evaluation.{room}")]
    while ahead:
        module = ahead.pop()
        if module in seen:
            continue
        seen.add(module)
        names = top_level_imports(module)
        heavy = {
            name for name in names if name.split(".")[0] in {"torch", "cv2", "av", "librosa", "soundfile"}
        }
        assert not heavy, f"evaluation.{room} reaches {module}, which imports {heavy}"
        for name in names:
            while name and name not in PATHS:
                name = name.rpartition(".")[0]
            if name:
                ahead.append(name)


def top_level_imports(module: str) -> set[str]:
    """What loads with the module."""
    body = [
        node for node in TREES[PATHS[module]].body if not isinstance(node, ast.FunctionDef | ast.ClassDef)
    ]
    return set(imports_below(ast.Module(body, [])))


def calls(path: Path) -> list[str]:
    return [ast.unparse(node.func) for node in ast.walk(TREES[path]) if isinstance(node, ast.Call)]


def test_a_result_is_put_together_in_one_place():
    places = {
        path.relative_to(ROOT).as_posix()
        for path in MODULES
        if path.is_relative_to(ROOT / "evaluation") and "Result" in calls(path)
    }
    assert places <= RESULTS


RESULTS = {"evaluation/report/assembly.py"}

FILE_HASHES = {
    "madata/files/hashes.py",
    "evaluation/check/rules.py",
    "evaluation/systems/finding.py",
    "mace_dance/appearance/run_folder.py",
    "mace_dance/motion/scan/compiled.py",
}
"""``madata.files``, which remembers what it hashed, and those that hash code, a run or what a check makes."""


def test_files_are_hashed_in_one_place():
    """Others ask :mod:`madata.files`; hashing a short text for a seed or a key is no reading of a file."""
    users = set()
    for path in MODULES:
        for node in ast.walk(TREES[path]):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("hashlib."):
                text = not node.args or ".encode()" in ast.unparse(node.args[0])
                if not text or ast.unparse(node) == "hashlib.sha256()":
                    users.add(path.relative_to(ROOT).as_posix())
    assert users <= FILE_HASHES


LONGEST_MODULE, LONGEST_FUNCTION = 450, 60


def test_modules_and_functions_fit_in_the_head():
    long = {}
    for path in MODULES:
        name = path.relative_to(ROOT).as_posix()
        if (lines := len(path.read_text("utf-8").splitlines())) > LONGEST_MODULE:
            long[name] = lines
        for node in ast.walk(TREES[path]):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > LONGEST_FUNCTION:
                    long[f"{name}:{node.name}"] = lines
    assert not long


INTERFACES = (
    "madata/motion/formats/",
    "madata/keypoints/",
    "madata/curation/filters/",
    "madata/pose/backends/",
)
"""Folders of which every module offers the same names: one file, one part."""


def public_names() -> dict[str, set[str]]:
    """Name -> the modules whose ``__all__`` holds what they define under it. A verb of the command line is no API."""
    places: dict[str, set[str]] = defaultdict(set)
    for path in MODULES:
        name = path.relative_to(ROOT).as_posix()
        if path.parent.name == "commands" or name.startswith(INTERFACES):
            continue
        exported = {
            ast.literal_eval(element)
            for node in TREES[path].body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
            for element in getattr(node.value, "elts", [])
        }
        for node in TREES[path].body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name in exported:
                places[node.name].add(name)
    return places


def test_no_two_public_things_have_one_name():
    assert not {name: sorted(where) for name, where in public_names().items() if len(where) > 1}


def test_no_module_is_named_after_nothing():
    assert not [path for path in MODULES if path.stem in FORBIDDEN_NAMES]


def test_every_module_says_what_it_is():
    silent = [str(path.relative_to(ROOT)) for path in MODULES if not ast.get_docstring(TREES[path])]
    assert not silent


def test_imports_are_absolute():
    relative = re.compile(r"^\s*from \.", re.M)
    assert not [str(path) for path in MODULES if relative.search(path.read_text("utf-8"))]


READERS = {
    "json.load": {"madata/files/documents.py"},
    "tomllib.load": {"madata/files/documents.py"},
    "yaml.": {"madata/files/documents.py"},
    "np.load": {"madata/files/arrays.py"},
    "np.fromfile": {"baselines/fact/tf_checkpoint.py"},
    "np.genfromtxt": set(),
    "np.loadtxt": set(),
    "torch.load": {"madata/tensors.py"},
    "safe_open": {"madata/tensors.py"},
    "load_file": {"madata/tensors.py"},
    "pickle.load": set(),
    "pq.ParquetFile": {"madata/files/tables.py"},
    "pq.read_": set(),
    "pd.read_": set(),
    "cv2.imread": set(),
    "cv2.imdecode": {"madata/video/stills.py"},
    "cv2.VideoCapture": set(),
    "Image.open": set(),
    "Pillow.open": {"madata/video/stills.py"},
    "av.open": {"madata/video/container.py"},
    "soundfile.read": {"madata/music.py"},
    "soundfile.info": {"madata/music.py"},
    "librosa.load": set(),
    "wave.open": set(),
    "tempfile.mk": {"madata/cache.py", "madata/files/places.py", "mace_dance/training/shared/checkpoints.py"},
    "tempfile.TemporaryDirectory": set(),
    "tempfile.NamedTemporaryFile": set(),
    "shutil.copyfile": {"madata/files/places.py", "madata/weights/fetch.py"},
    "shutil.copy2": set(),
    "shutil.copytree": set(),
}
"""A call that opens what somebody else may have written, or leaves what nobody sweeps -> the modules that own it."""


def test_files_of_strangers_are_opened_by_their_owners_alone():
    strays = set()
    for path in MODULES:
        name = path.relative_to(ROOT).as_posix()
        for node in ast.walk(TREES[path]):
            if isinstance(node, ast.Call) and not _writes(node):
                called = ast.unparse(node.func)
                strays |= {
                    f"{name}: {called}"
                    for reader, owners in READERS.items()
                    if called.startswith(reader) and name not in owners
                }
    assert not strays


def _writes(call: ast.Call) -> bool:
    """Whether the second argument of a call of an opener is a mode of writing."""
    return (
        len(call.args) > 1 and isinstance(call.args[1], ast.Constant) and str(call.args[1].value)[:1] == "w"
    )


RESTRICTED_READERS = {"madata/files/pickled.py", "evaluation/features/video/networks/checkpoints.py"}


def test_nothing_is_unpickled_outside_the_restricted_readers():
    users = {path.relative_to(ROOT).as_posix(): path for path in MODULES if "pickle" in imported(path)}
    assert set(users) == RESTRICTED_READERS
    for path in users.values():
        tree = TREES[path]
        calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        assert not calls & {"pickle.load", "pickle.loads", "pickle.Unpickler"}
        classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
        for reader in [node for node in classes if "pickle.Unpickler" in map(ast.unparse, node.bases)]:
            assert "find_class" in {item.name for item in reader.body if isinstance(item, ast.FunctionDef)}
