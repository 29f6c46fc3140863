"""What the packages offer under their own names: cheap until it is asked for, and shown safely in a notebook."""

import json
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from evaluation import compare, score
from evaluation.comparison import load_run
from evaluation.scoring import write_scored
from leaderboard import table
from tests.evaluation.dancers import write_set

HOSTILE = "<script>alert(1)</script>"
OFFERED = {"evaluation": ["compare", "score"], "madata": ["curate"], "leaderboard": ["table"]}


@pytest.mark.parametrize("package", OFFERED)
def test_a_name_is_a_function_whatever_was_imported_before(package):
    """And the package alone loads nothing heavy."""
    code = f"""
import importlib, json, sys
package = importlib.import_module({package!r})
light = not {{"numpy", "pandas", "torch"}} & set(sys.modules)
for verb in ("madata.commands.curate", "evaluation.commands.score", "leaderboard.commands.table", "leaderboard.site"):
    importlib.import_module(verb)
print(json.dumps([light, [name for name in package.__all__ if callable(getattr(package, name))]]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [True, OFFERED[package]]


def test_a_name_nobody_offers_is_an_error():
    import evaluation

    with pytest.raises(AttributeError, match="no attribute 'scoer'"):
        evaluation.scoer  # noqa: B018


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two scored runs, by paths that are texts; one has a name that is markup."""
    root = tmp_path_factory.mktemp("runs")
    write_set(root / "real", range(12))
    for name, seed in (("steady", 100), (HOSTILE.replace("/", "-"), 200)):
        write_set(root / name, range(seed, seed + 12))
        scored = score(str(root / name), str(root / "real"), "ma-data-motion2d")
        write_scored(scored, str(root / "scores" / name))
    return root / "scores"


def shown(thing):
    """The texts of its table; markup that is not closed, or a tag that nobody of ours wrote, is an error."""
    page = ElementTree.fromstring(f"<div>{thing._repr_html_()}</div>")
    assert {element.tag for element in page.iter()} <= {
        *("div", "p", "table", "caption", "thead", "tbody", "tr", "th", "td", "span", "b", "u", "i", "small"),
        *("sub", "sup", "button", "a", "svg", "line", "circle", "path"),
    }
    return "".join(page.itertext())


def test_a_notebook_shows_results_and_runs_no_text_of_theirs(runs):
    names = sorted(path.name for path in runs.iterdir())
    results = [load_run(runs / name) for name in names]
    assert names[0] in shown(results[0])
    assert "fid_k" in shown(results[1])
    differences = compare(str(runs / names[0]), str(runs / names[1]))
    assert differences == compare(*results)
    assert "div_k*" in shown(differences) and "the first is" in shown(differences)
    board = table(str(runs), "video", reported=False)
    assert names[0] in shown(board) and "left out" not in shown(board)
