"""Systems are found by name, listed without being imported, and a broken one harms nothing."""

import json
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import version

import numpy as np
import pytest

from evaluation.systems import (
    Card,
    Cascade,
    FolderSystem,
    Request,
    choose_task,
    clip_seed,
    find,
    finding,
    fit_motion,
    installed,
    stage_options,
    system,
    tasks_of,
)
from evaluation.systems.entries import describe_installed
from evaluation.systems.plugin import DECORATED
from madata.errors import MadanceError, MediaError
from madata.motion import write_motion
from madata.synthetic.dance import make_dance
from madata.types import Motion3D
from madata.video import write_video
from tests.evaluation.plugins import install

GOOD = """
    from evaluation.systems import Card, system

    @system("good", task=("motion", "video"), card=Card(paper="A paper"))
    class Good:
        def __init__(self, steps=10):
            self.steps = steps

        def generate(self, request):
            return self.steps
"""
HEAVY = ["torch", "cv2", "librosa", "scipy", "pandas", "pyarrow", "matplotlib", "numpy", "av", "transformers"]


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder on the path; modules imported from it are forgotten afterwards."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    before, decorated = set(sys.modules), dict(DECORATED)
    yield folder
    for name in set(sys.modules) - before:
        if str(folder) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
    DECORATED.clear()
    DECORATED.update(decorated)


def entry(name):
    return next(each for each in installed() if each.name == name)


def request_of(tmp_path, **changes):
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    base = Request("a", "motion", None, None, None, None, 1.0, 30.0, (64, 64), 7, scratch)
    return replace(base, **changes)


def test_listing_tells_all_without_importing(site, tmp_path):
    marker = tmp_path / "imported"
    install(site, "nice-dance", {"nice": "nice_dance.model:Nice"}, {
        "nice_dance/__init__.py": f"open({str(marker)!r}, 'w')",
        "nice_dance/model.py": f"open({str(marker)!r}, 'w')\nclass Nice:\n    task: str = 'video'\n",
    }, version="2.5")  # fmt: skip
    found = entry("nice")
    assert (found.tasks, found.distribution, found.version) == (("video",), "nice-dance", "2.5")
    assert (found.error, found.missing) == (None, ())
    assert not marker.exists()
    assert "nice_dance" not in sys.modules


def test_listing_in_a_fresh_process_loads_nothing_heavy(site):
    install(site, "nice-dance", {"nice": "nice_mod:Good"}, {"nice_mod.py": GOOD})
    code = f"""
import sys
sys.path.insert(0, {str(site)!r})
from madata.cli import madance
try:
    madance.main(["systems", "--json"], standalone_mode=False)
finally:
    print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr
    assert run.stderr.splitlines()[-1] == "[]"
    rows = {row["name"]: row for row in json.loads(run.stdout)}
    assert rows["nice"] == {
        "name": "nice",
        "task": ["motion", "video"],
        "distribution": "nice-dance",
        "version": "1.0",
        "entry_point": "nice_mod:Good",
        "state": "ready",
        "missing": [],
        "stand_in": None,
        "error": None,
    }
    assert rows["ground-truth"]["distribution"] == "madance"
    assert rows["ground-truth"]["version"] == version("madance")


def test_a_re_export_is_followed(site):
    install(site, "relay", {"relay": "relay_mod:Method"}, {
        "relay_mod/__init__.py": "from .inner.model import Model as Method",
        "relay_mod/inner/__init__.py": "",
        "relay_mod/inner/model.py": "class Model:\n    task = 'animation'\n",
    })  # fmt: skip
    assert entry("relay").tasks == ("animation",)


@pytest.mark.parametrize(
    ("target", "source", "words"),
    [
        ("absent_mod:X", None, "no module 'absent_mod'"),
        ("bad_mod:X", "class X(:\n", "not valid Python"),
        ("bad_mod:X", "class Y:\n    pass\n", "has no 'X'"),
        ("bad_mod:X", "class X:\n    task = 'dancing'\n", "dancing"),
        ("bad_mod", "", "names no object"),
    ],
)
def test_a_broken_plug_in_is_listed_with_its_error(site, target, source, words):
    install(site, "broken", {"broken": target}, {"bad_mod.py": source} if source is not None else {})
    assert words in entry("broken").error
    with pytest.raises(MadanceError, match="broken"):
        find("broken")
    assert find("ground-truth").name == "ground-truth"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("raise RuntimeError('no GPU here')", "RuntimeError: no GPU here"),
        ("import sys; sys.exit(3)", "SystemExit"),
        ("class X:\n    task = 'motion'", "no method generate"),
    ],
)
def test_a_plug_in_that_fails_on_import_is_named_and_harms_nothing(site, source, words):
    body = source if "class" in source else f"{source}\nclass X:\n    task = 'motion'\n"
    install(site, "bomb", {"bomb": "bomb_mod:X"}, {"bomb_mod.py": body})
    assert entry("bomb").error is None
    with pytest.raises(MadanceError, match="bomb") as caught:
        find("bomb")
    assert words in str(caught.value)
    assert find("ground-truth").name == "ground-truth"


def test_missing_packages_extras_and_weights_are_listed_with_the_remedy(site, monkeypatch, tmp_path):
    monkeypatch.setenv("MADANCE_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source = """
        import a_package_nobody_has
        class X:
            task = "motion"
            weights = ("blazepose-detector", "mine/net.safetensors")
    """
    requires = ["numpy", "nobody-has-this; extra == 'fast'", "lean-dance[fast]; extra == 'all'"]
    install(site, "lean-dance", {"lean": "lean_mod:X [all]"}, {"lean_mod.py": source}, requires=requires)
    missing = " | ".join(entry("lean").missing)
    assert entry("lean").error is None
    assert "a_package_nobody_has" in missing
    assert "nobody-has-this (pip install 'lean-dance[all]')" in missing
    assert "madance weights fetch" in missing
    assert f"mine/net.safetensors (put the file into {tmp_path / 'weights'})" in missing


def test_a_system_that_runs_with_something_else_for_now_says_so(site, monkeypatch, tmp_path):
    monkeypatch.setenv("MADANCE_WEIGHTS", str(tmp_path / "weights"))
    source = """
        from evaluation.systems import system
        @system("small", task="motion", weights=("big-net",), stand_in="a small network")
        class X:
            pass
    """
    install(site, "lean-dance", {"small": "small_mod:X"}, {"small_mod.py": source})
    found = entry("small")
    assert found.missing == ()
    assert found.stand_in == (
        f"a small network; for the real one, weights big-net (put the file into {tmp_path / 'weights'})"
    )
    ready, lacking = describe_installed()
    assert ready.startswith("you can generate with: ") and "small (a small network)" in ready
    assert " edge," in lacking and "small" not in lacking and lacking.endswith("lacks and the command")
    (tmp_path / "weights" / "big-net").mkdir(parents=True)
    assert (entry("small").stand_in, entry("small").missing) == (None, ())


def test_what_can_run_now_is_told_by_looking(monkeypatch, tmp_path):
    """EDGE has no weights of its own here, the Motion Expert comes with a small model."""
    from click.testing import CliRunner

    from madata.cli import madance

    monkeypatch.setenv("MADANCE_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    lines = CliRunner().invoke(madance, ["systems"]).stdout.splitlines()
    told = {line.split()[0]: line for line in lines}
    assert "missing: weights edge (run: gdown" in told["edge"]
    assert "ready, with the small model that comes along" in told["motion-expert"]
    assert "madance train motion" in told["motion-expert"]
    assert "--preset gft-to-cfg" in told["motion-expert-gft-to-cfg"]
    (tmp_path / "weights" / "edge").mkdir(parents=True)
    (tmp_path / "weights" / "edge" / "checkpoint.pt").write_bytes(b"")
    assert entry("edge").missing == ()


OWN = [each.name for each in installed() if each.distribution == "madance"]


@pytest.mark.parametrize("name", OWN)
def test_what_is_said_to_be_ready_starts_and_what_lacks_weights_does_not(name, monkeypatch, tmp_path):
    monkeypatch.setenv("MADANCE_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    told = entry(name)
    system = find(name).make()
    if told.missing:
        with pytest.raises(MadanceError, match=r"weights|no model of"):
            system.setup("cpu")
    else:
        system.setup("cpu")


def test_metadata_that_cannot_be_looked_at_harms_no_other(site, monkeypatch):
    class Broken:
        def find_spec(self, name, path=None, target=None):
            if name == "odd_mod":
                raise RuntimeError("no such luck")

    install(site, "odd-dance", {"odd": "odd_mod:X"})
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    assert "no such luck" in entry("odd").error
    assert entry("ground-truth").error is None


def test_a_name_taken_twice_is_an_error_that_names_both(site):
    install(site, "first-dance", {"twin": "first_mod:Good"}, {"first_mod.py": GOOD})
    install(site, "second-dance", {"twin": "second_mod:Good"}, {"second_mod.py": GOOD}, version="4.2")
    twins = [each for each in installed() if each.name == "twin"]
    assert len(twins) == 2
    for each in twins:
        assert "first_mod:Good of first-dance 1.0" in each.error
        assert "second_mod:Good of second-dance 4.2" in each.error
    with pytest.raises(MadanceError, match="taken twice") as caught:
        find("twin")
    assert "first-dance" in str(caught.value)
    assert "second-dance" in str(caught.value)
    assert "first_mod" not in sys.modules


def test_a_distribution_without_metadata_harms_nothing(site):
    install(site, "bare", {"bare": "bare_mod:Good [x]"}, {"bare_mod.py": GOOD})
    (site / "bare-1.0.dist-info" / "METADATA").unlink()
    install(site, "deep", {"deep": "deep_mod:X"}, {"deep_mod.py": "x = " + "(" * 5000 + ")" * 5000})
    assert entry("bare").tasks == ("motion", "video")
    assert "not valid Python" in entry("deep").error
    assert find("bare").name == "bare"


def test_a_mistyped_name_gets_the_nearest_ones():
    with pytest.raises(MadanceError, match="did you mean 'ground-truth'"):
        find("groundtruth")


def test_metadata_cannot_write_to_the_terminal(site):
    install(site, "evil", {"evil\x1b[2J": "gone:X"})
    run = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(site)!r}); "
         "from madata.cli import madance; madance.main(['systems'])"],
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert "\x1b" not in run.stdout


def test_an_installed_system_is_made_with_options(site):
    install(site, "nice-dance", {"shown-name": "nice_mod:Good"}, {"nice_mod.py": GOOD}, version="2.5")
    plugin = find("shown-name")
    assert plugin.name == "shown-name"
    assert (plugin.origin.distribution, plugin.origin.version) == ("nice-dance", "2.5")
    assert len(plugin.origin.sha256) == 64
    assert plugin.make({"steps": 3}).instance.steps == 3
    with pytest.raises(MadanceError, match="its options are: steps"):
        plugin.make({"stpes": 3})
    with pytest.raises(MadanceError, match=r"--set volume: it has no such option; its options are: steps$"):
        plugin.make({"volume": 3})
    with pytest.raises(MadanceError, match=r"--set stpes: it has no such option; did you mean 'steps'\?"):
        plugin.make({"stpes": 3})


TYPED = """
from __future__ import annotations
from pathlib import Path
class Typed:
    task = "motion"
    def __init__(self, steps: int = 3, share: float = 0.5, name: str | int | None = None, at: Path | None = None,
                 flag: bool = False, sizes: list[int] = (), **more): self.given = (steps, share, name, at, flag)
    def setup(self, device): pass
    def generate(self, request): pass
"""


def test_options_are_of_the_types_that_the_constructor_names(tmp_path):
    (tmp_path / "typed.py").write_text(TYPED)
    plugin = find(f"{tmp_path / 'typed.py'}:Typed")
    given = {"steps": 4, "share": 1, "name": 5, "at": 7, "flag": True, "sizes": "any", "others": "any"}
    assert plugin.make(given).instance.given == (4, 1, 5, 7, True)
    assert plugin.make({"share": 0.25, "name": None}).instance.given[1:3] == (0.25, None)
    for name, value, expected in (
        ("steps", 1.5, "a whole number, got 1.5"),
        ("steps", True, "a whole number, got True"),
        ("share", "all", "a number, got 'all'"),
        ("name", 1.5, r"text \(in quotes, .*\) or a whole number or nothing, got 1.5"),
        ("name", [1], r".* or nothing, got \[1\]"),
        ("flag", 1, "true or false, got 1"),
    ):
        with pytest.raises(MadanceError, match=f"--set {name}: expected {expected}"):
            plugin.make({name: value})


@pytest.mark.parametrize("words", ["path to a file", "1/0", "OnlyWhileTyping"])
def test_an_annotation_that_is_no_type_holds_nobody_up(tmp_path, words):
    (tmp_path / "said.py").write_text(TYPED.replace("steps: int", f"steps: {words!r}"))
    assert find(f"{tmp_path / 'said.py'}:Typed").make({"steps": "any"}).instance.given[0] == "any"


def test_a_function_becomes_a_system(tmp_path):
    @system("still-test", task="motion", card=Card(notes="n"))
    def still(request):
        sys.stdout.write("noise")
        return request.seed

    try:
        running = find("still-test").make()
        running.setup("cpu")
        assert running.generate(request_of(tmp_path)) == 7
        assert running.card.notes == "n"
        with pytest.raises(MadanceError, match="takes no options"):
            find("still-test").make({"a": 1})
    finally:
        del DECORATED["still-test"]


def test_what_a_system_prints_stays_off_standard_output(site, tmp_path, capsys):
    source = "class X:\n    task = 'motion'\n    def generate(self, request):\n        print('hello')\n"
    install(site, "loud", {"loud": "loud_mod:X"}, {"loud_mod.py": "print('hello')\n" + source})
    find("loud").make().generate(request_of(tmp_path))
    assert capsys.readouterr().out == ""


def test_two_objects_cannot_share_a_decorated_name():
    try:

        @system("shared-test", task="motion")
        def first(request):
            return None

        with pytest.raises(MadanceError, match="taken twice") as caught:

            @system("shared-test", task="motion")
            def second(request):
                return None

        assert "first" in str(caught.value)
        assert "second" in str(caught.value)
    finally:
        del DECORATED["shared-test"]


def test_a_file_needs_no_installation(tmp_path):
    path = tmp_path / "mine.py"
    body = "class Mine:\n    task = TASK\n    def generate(self, request): return 1\n"
    path.write_text(f"from beside import TASK\n{body}")
    (tmp_path / "beside.py").write_text("TASK = 'motion'\n")
    try:
        plugin = find(f"{path}:Mine")
        assert (plugin.name, plugin.declaration.tasks, plugin.origin.kind) == ("Mine", ("motion",), "file")
        with pytest.raises(MadanceError, match="did you mean 'Mine'"):
            find(f"{path}:Mien")
        with pytest.raises(MadanceError, match="name one of its systems"):
            find(str(path))
        with pytest.raises(MadanceError, match="no such file"):
            find(f"{tmp_path}/none.py:Mine")
    finally:
        sys.modules.pop("beside", None)
        sys.path.remove(str(tmp_path))


def test_the_only_decorated_system_of_a_file_needs_no_name_and_can_be_read_again(tmp_path):
    path = tmp_path / "one.py"
    source = "from evaluation.systems import system\n@system('edge-like', task='motion')\ndef go(request): return {}\n"
    path.write_text(source.format(1))
    first = find(str(path))
    path.write_text(source.format(2))
    second = find(str(path))
    assert first.name == second.name == "edge-like"
    assert first.origin.sha256 != second.origin.sha256
    assert (first.make().generate(None), second.make().generate(None)) == (1, 2)
    assert "edge-like" not in DECORATED


def test_a_folder_of_motions_is_a_system(tmp_path):
    folder = tmp_path / "results"
    dance = make_dance(2.0, fps=60.0).motion
    write_motion(folder / "a.npz", dance)
    made = find(str(folder)).make()
    assert made.task == "motion"
    motion = made.generate(request_of(tmp_path, duration_s=1.5))
    assert (motion.fps, len(motion.rotation)) == (30.0, 45)
    np.testing.assert_array_equal(motion.rotation, dance.rotation[:90:2])
    with pytest.raises(MediaError, match=r"no file b\.\*"):
        made.generate(request_of(tmp_path, clip_id="b"))
    with pytest.raises(MediaError, match="lasts 2"):
        made.generate(request_of(tmp_path, duration_s=3.0))


def test_a_folder_of_videos_gives_the_files(tmp_path):
    write_video(tmp_path / "v" / "a.mp4", [np.zeros((64, 64, 3), np.uint8)] * 5, 30)
    made = find(str(tmp_path / "v")).make()
    assert made.task == "video"
    assert made.generate(request_of(tmp_path, task="video")) == tmp_path / "v" / "a.mp4"
    write_motion(tmp_path / "v" / "b.npz", make_dance(1.0).motion)
    with pytest.raises(MadanceError, match="videos and motions"):
        FolderSystem(tmp_path / "v")


def test_a_folder_that_is_called_like_a_system_must_be_told_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_motion(tmp_path / "ground-truth" / "a.npz", make_dance(1.0).motion)
    with pytest.raises(MadanceError, match=r"write \./ground-truth"):
        find("ground-truth")
    assert find("./ground-truth").origin.kind == "folder"


class Dancer:
    task, card = "motion", Card(paper="D", n_parameters=2, training_data=("x",))

    def setup(self, device):
        self.device = device

    def generate(self, request):
        self.request = request
        return make_dance(request.duration_s, fps=request.fps, seed=request.seed).motion


class Painter:
    task, card = "animation", Card(paper="P", n_parameters=3, training_data=("x", "y"))

    def setup(self, device):
        self.device = device

    def generate(self, request):
        self.request = request
        return [np.zeros((64, 64, 3), np.uint8)] * request.num_frames


def test_a_cascade_hands_the_dance_on(tmp_path):
    dancer, painter = Dancer(), Painter()
    joined = Cascade(dancer, painter, motion_fps=60.0)
    joined.setup("cpu")
    request = request_of(tmp_path, task="video", music=tmp_path / "m.wav", image=tmp_path / "i.png", fps=16.0)
    assert len(joined.generate(request)) == 16
    asked, painted = dancer.request, painter.request
    assert (asked.task, asked.fps, asked.image, asked.music) == ("motion", 60.0, None, request.music)
    assert (painted.task, painted.fps, painted.music, painted.image) == (
        "animation",
        16.0,
        None,
        request.image,
    )
    assert painted.pose.xy.shape == (16, 24, 2)
    assert (painted.pose.score == 1).all()
    assert (painted.pose.xy.min() >= 0) and (painted.pose.xy.max() <= 64)
    assert len(painted.motion.rotation) == 16
    assert len({request.seed, asked.seed, painted.seed}) == 3
    assert joined.card.training_data == ("x", "y")
    assert joined.card.n_parameters == 5
    assert joined.card.paper == "D + P"


def test_a_cascade_by_name(site, tmp_path):
    source = """
        from evaluation.systems import system
        from tests.evaluation.test_systems import Dancer, Painter
        class A(Dancer):
            fps = 60.0
            def __init__(self, steps=1):
                self.steps = steps
        class B(Painter):
            pass
    """
    install(site, "pair", {"dancer": "pair_mod:A", "painter": "pair_mod:B"}, {"pair_mod.py": source})
    plugin = find("cascade:dancer+painter")
    assert plugin.name == "dancer+painter"
    assert plugin.declaration.tasks == ("video",)
    made = plugin.make({"motion.steps": 4})
    assert made.instance.motion.instance.steps == 4
    assert len(made.generate(request_of(tmp_path, task="video"))) == 30
    with pytest.raises(MadanceError, match="painter does animation, not motion"):
        find("cascade:painter+dancer")
    with pytest.raises(MadanceError, match="begin with motion"):
        plugin.make({"steps": 4})
    with pytest.raises(MadanceError, match="expected cascade:MOTION"):
        find("cascade:dancer")
    with pytest.raises(MadanceError, match="did you mean 'painter'"):
        find("cascade:dancer+paintr")


@pytest.mark.parametrize("fps", [15.0, 16.0, 24.0, 30.0])
def test_a_cascade_keeps_the_beat_at_any_rate(tmp_path, fps):
    """A metronome of two minutes: the pelvis jumps on each beat of the music."""
    beats_s = np.arange(0.25, 120, 0.5)

    class Metronome(Dancer):
        def generate(self, request):
            times_s = np.arange(request.num_frames) / request.fps
            height = np.maximum(0, 1 - np.abs(times_s[:, None] - beats_s).min(1) * 5)
            place = np.stack([0 * height, height, 0 * height], 1).astype(np.float32)
            return Motion3D(np.zeros((len(place), 24, 3), np.float32), place, request.fps, "y", "smpl-24")

    painter = Painter()
    request = request_of(tmp_path, task="video", fps=fps, duration_s=120.0)
    Cascade(Metronome(), painter, motion_fps=30.0).generate(request)
    danced = painter.request.motion
    assert (danced.fps, len(danced.rotation)) == (fps, round(120 * fps))
    times_s, height = np.arange(len(danced.translation)) / fps, danced.translation[:, 1]
    for beat_s in (beats_s[0], beats_s[-1]):
        near = np.flatnonzero(np.abs(times_s - beat_s) < 0.24)
        assert abs(times_s[near[height[near].argmax()]] - beat_s) <= 1 / fps


def test_a_cascade_keeps_the_dance_and_gives_the_device_back(tmp_path):
    class Counted(Dancer):
        calls = released = 0

        def generate(self, request):
            self.calls += 1
            return super().generate(request)

        def release(self):
            self.released += 1

    def made(folder):
        (tmp_path / folder).mkdir()
        return replace(request_of(tmp_path, task="video", keep=tmp_path / "keep"), scratch=tmp_path / folder)

    dancer, painter = Counted(), Painter()
    joined = Cascade(dancer, painter, motion_fps=60.0)
    joined.generate(made("first"))
    assert (dancer.calls, dancer.released) == (1, 1)
    assert (dancer.request.keep, painter.request.keep) == (
        tmp_path / "keep/motion",
        tmp_path / "keep/animation",
    )
    fresh = painter.request.motion
    joined.generate(made("second"))
    assert dancer.calls == 1
    np.testing.assert_array_equal(painter.request.motion.rotation, fresh.rotation)
    (tmp_path / "keep" / "motion.npz").write_bytes(b"half a file")
    joined.generate(made("third"))
    joined.generate(replace(made("fourth"), duration_s=0.5))
    assert dancer.calls == 3


def test_options_of_a_cascade_go_to_their_stage():
    shortcuts = {"beta": ("motion.beta",), "fast": ("motion.steps", "animation.steps")}
    assert stage_options({"beta": 1, "fast": 2, "animation.face": "none"}, shortcuts=shortcuts) == {
        "motion": {"beta": 1, "steps": 2},
        "animation": {"steps": 2, "face": "none"},
    }
    with pytest.raises(MadanceError, match=r"option motion\.beta is given twice"):
        stage_options({"beta": 1, "motion.beta": 2}, shortcuts=shortcuts)
    for stray in ("steps", "motion.", "music.beta"):
        with pytest.raises(MadanceError, match=f"not '{stray}'"):
            stage_options({stray: 1})


def test_a_cascade_refuses_systems_of_the_wrong_task():
    with pytest.raises(MadanceError, match="motion stage does animation"):
        Cascade(Painter(), Painter())


def test_the_task_is_chosen_or_asked_for():
    plugin = find("ground-truth")
    assert choose_task(plugin, "video") == "video"
    with pytest.raises(MadanceError, match="choose with --task"):
        choose_task(plugin, None)
    with pytest.raises(MadanceError, match="not animation"):
        choose_task(find("mean-pose"), "animation")


def test_tasks_are_the_three_of_the_paper():
    assert tasks_of(["video", "motion"]) == ("motion", "video")
    for wrong in (None, "dance", (), ("motion", "dance"), 3):
        with pytest.raises(ValueError, match="must be one of"):
            tasks_of(wrong)


def test_seeds_are_fixed_for_ever():
    assert [clip_seed(0, "a"), clip_seed(1, "a"), clip_seed(0, "b")] == [3542182797, 3206387831, 2107293292]
    seeds = {clip_seed(run, f"clip{number}") for run in range(4) for number in range(250)}
    assert len(seeds) == 1000


def test_a_motion_is_fitted_to_a_grid():
    dance = make_dance(2.0, fps=30.0).motion
    fitted = fit_motion(dance, 16.0, 32)
    assert (fitted.fps, len(fitted.rotation)) == (16.0, 32)
    np.testing.assert_allclose(fitted.translation[15], dance.translation[28:30].mean(axis=0), atol=0.05)
    with pytest.raises(MediaError, match="are needed"):
        fit_motion(dance, 16.0, 40)


def test_a_system_whose_package_is_hidden_says_by_what(monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(f"No module named {name!r}")

    def hidden(package):
        raise MadanceError(f"/there/{package} hides the package {package!r} of madance")

    monkeypatch.setattr(finding.importlib, "import_module", absent)
    with pytest.raises(MadanceError, match="No module named 'baselines"):
        find("mean-pose")
    monkeypatch.setattr(finding, "refuse_foreign", hidden)
    with pytest.raises(MadanceError, match=r"^/there/baselines hides"):
        find("mean-pose")
