import json

import pytest
from click.testing import CliRunner

from mace_dance.appearance.tiny import LABEL, MARKER, make_tiny
from madata.commands.weights import weights
from madata.errors import MadanceError


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_folder_is_small_marked_and_follows_from_the_seed(tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        make_tiny(tmp_path / name, seed)
    first, again, other = (contents(tmp_path / name) for name in "abc")
    assert first == again
    assert {path for path in first if first[path] != other[path] and path.suffix == ".safetensors"} == {
        path for path in first if path.suffix == ".safetensors"
    }
    assert sum(map(len, first.values())) < 600_000
    assert json.loads((tmp_path / "a" / MARKER).read_text())["label"] == LABEL
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]


def test_what_is_there_is_not_overwritten(tmp_path):
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(MadanceError, match="not an empty folder"):
        make_tiny(tmp_path)
    assert contents(tmp_path).keys() == {(tmp_path / "mine.txt").relative_to(tmp_path)}


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path, monkeypatch):
    import safetensors.torch

    def full(*args, **options):
        raise safetensors.SafetensorError("Error: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("diffusers.models.modeling_utils.safetensors.torch.save_file", full)
    with pytest.raises(MadanceError, match=r"the disk is full while writing .*/t: free some space"):
        make_tiny(tmp_path / "t")
    assert not list(tmp_path.iterdir())


def test_the_pipeline_draws_a_video_from_a_prompt_in_any_script(tmp_path):
    import numpy as np
    from PIL import Image

    from mace_dance.appearance.load import load_pipeline

    make_tiny(tmp_path / "t")
    pipeline = load_pipeline(tmp_path / "t").pipeline
    pipeline.set_progress_bar_config(disable=True)
    picture = Image.new("RGB", (32, 32), (90, 60, 30))
    frames = pipeline(
        image=picture,
        pose_video=[picture] * 5,
        face_video=[picture] * 5,
        prompt="视频中的人在跳舞",
        height=32,
        width=32,
        segment_frame_length=5,
        num_inference_steps=1,
        output_type="np",
    ).frames
    assert frames.shape == (1, 5, 32, 32, 3)
    assert np.isfinite(frames).all()
    assert frames.std() > 0


def test_the_command_names_the_networks_there_are(tmp_path):
    made = CliRunner().invoke(weights, ["tiny", "wan-animate", "--out", str(tmp_path / "t")])
    assert made.exit_code == 0, made.output
    assert (tmp_path / "t" / MARKER).is_file()
    unknown = CliRunner().invoke(weights, ["tiny", "wan", "--out", str(tmp_path / "u")])
    assert isinstance(unknown.exception, MadanceError)
    assert "did you mean 'wan-animate'" in str(unknown.exception)
    assert not (tmp_path / "u").exists()
