"""What lies beside a single clip is no clip, and says what made it."""

import json

import numpy as np
import pytest

from evaluation.inputs.discovery import CLIP_SCHEMA, clip_files, clip_records, find_clips, guess_kind
from evaluation.options import Options
from evaluation.protocol import load_protocol
from evaluation.report.assembly import maker_of
from evaluation.systems.folder import FolderSystem
from madata.errors import MadanceError


def make_clip(folder, stem, name="mace-dance", label="tiny-random"):
    (folder / f"{stem}.parts" / "animation").mkdir(parents=True)
    (folder / f"{stem}.parts" / "animation" / "pose_video.mp4").write_bytes(b"x")
    (folder / f"{stem}.parts" / "motion.npz").write_bytes(b"x")
    (folder / f"{stem}.mp4").write_bytes(b"x")
    record = {"schema": CLIP_SCHEMA, "system": {"name": name}, "label": label}
    (folder / f"{stem}.json").write_text(json.dumps(record))


def test_records_and_parts_are_no_clips(tmp_path):
    make_clip(tmp_path, "w")
    (tmp_path / "keypoints.json").write_text("{}")
    assert [path.name for path in clip_files(tmp_path)] == ["keypoints.json", "w.mp4"]
    assert list(find_clips(tmp_path, "video").files) == ["w"]
    found = find_clips(tmp_path, "keypoints2d")
    assert (list(found.files), found.problems) == (["keypoints", "w"], [])
    assert guess_kind(tmp_path) == "keypoints2d"
    assert list(FolderSystem(tmp_path).files) == ["w"]


def test_keypoints_beside_a_video_of_their_name_are_still_ambiguous(tmp_path):
    (tmp_path / "w.mp4").write_bytes(b"x")
    (tmp_path / "w.json").write_text(json.dumps({"people": []}))
    assert [problem.reason for problem in find_clips(tmp_path, "keypoints2d").problems] == ["ambiguous"]
    assert clip_records(tmp_path) == []


@pytest.mark.parametrize(
    ("given", "name"), [(None, "mace-dance (tiny-random)"), ("ours", "ours (tiny-random)")]
)
def test_the_label_of_single_clips_is_in_the_name_of_the_system(tmp_path, given, name):
    make_clip(tmp_path, "w")
    make_clip(tmp_path, "v")
    system, _ = maker_of(tmp_path, None, load_protocol("vbench"), Options(system=given))
    assert system.name == name


def test_clips_of_several_systems_are_scored_apart(tmp_path):
    make_clip(tmp_path, "w")
    make_clip(tmp_path, "v", label=None)
    with pytest.raises(MadanceError, match=r"several systems \(mace-dance, mace-dance \(tiny-random\)\)"):
        maker_of(tmp_path, None, load_protocol("vbench"), Options())


def test_folders_of_other_origin_have_their_own_name(tmp_path):
    np.savez(tmp_path / "a.npz", xy=np.zeros(1))
    system, generation = maker_of(tmp_path, None, load_protocol("vbench"), Options())
    assert (system.name, generation) == (tmp_path.name, None)


def test_a_folder_of_one_file_a_frame_says_what_to_do_first(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "a_000000000000_keypoints.json").write_text("{}")
    with pytest.raises(MadanceError, match=r"madance convert .*a OUT/CLIP\.npz --fps"):
        find_clips(tmp_path, "keypoints2d")
