"""One list of suffixes: what one verb takes, every verb takes, in capitals too."""

import zipfile
from pathlib import Path, PurePath

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.generate.clips import read_clips
from evaluation.inputs.discovery import find_clips, guess_kind
from evaluation.systems.folder import FolderSystem
from mace_dance.training.motion.data.folder import find_folder
from mace_dance.training.motion.data.settings import DataSettings
from mace_dance.training.motion.data.takes import music_of
from madata.convert import ConvertSettings, convert
from madata.curation.sources import collect
from madata.errors import MadanceError, MediaError
from madata.formats import PLAYED_BY_BROWSERS, SUFFIXES, files_in, is_a, kind_of, stem_of, suffix_of
from madata.keypoints import read_pose_sequence
from madata.motion import read_motion
from madata.render.sources import find_motions

CASES = Path(__file__).resolve().parents[3] / "shared" / "cases" / "scoring" / "04_suffix"
ALL = sorted({suffix for suffixes in SUFFIXES.values() for suffix in suffixes})


@pytest.fixture(params=[str.lower, str.upper, str.title], ids=["small", "capitals", "title"])
def cased(request):
    return request.param


def put(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(path.name.encode())
    return path


@pytest.mark.parametrize("suffix", ALL)
def test_a_name_is_its_stem_and_its_suffix(suffix, cased):
    path = PurePath("folder") / f"a.clip_01{cased(suffix)}"
    assert (stem_of(path), suffix_of(path)) == ("a.clip_01", suffix)
    assert any(is_a(path, kind) for kind in SUFFIXES)


@given(
    st.text(st.characters(exclude_characters="/\0"), min_size=1).filter(lambda name: name not in (".", ".."))
)
def test_any_name_is_its_stem_and_its_suffix(name):
    path = PurePath(name)
    assert stem_of(path)
    assert suffix_of(path) in ("", *ALL) or suffix_of(path) == path.suffix.lower()
    assert name.startswith(stem_of(path))


@pytest.mark.parametrize("name", [".npz", ".bvh.xz", "clip", "clip.", ".hidden"])
def test_a_name_without_a_suffix_is_all_stem(name):
    assert stem_of(PurePath(name)) + suffix_of(PurePath(name)) == name


@pytest.mark.parametrize("suffix", SUFFIXES["motion"])
def test_every_verb_takes_every_motion(tmp_path, suffix, cased):
    path = put(tmp_path / "in" / f"dance{cased(suffix)}")
    (found,) = find_motions([path.parent], out=tmp_path / "out")
    assert found.source_id.startswith("dance-")
    assert [take.name for take in find_folder(path.parent, DataSettings(), tmp_path / "out").takes] == [
        "dance"
    ]
    assert find_clips(path.parent, "motion3d").files == {"dance": path}
    assert guess_kind(path.parent) == "motion3d"
    assert (FolderSystem(path.parent).task, FolderSystem(path.parent).files) == ("motion", {"dance": path})
    assert convert(path.parent, tmp_path / "out", ConvertSettings(), suffix=".npz").problems[0][0] == str(
        path
    )


@pytest.mark.parametrize("suffix", SUFFIXES["motion"])
def test_every_motion_has_a_reader(tmp_path, suffix, cased):
    with pytest.raises(MediaError) as caught:
        read_motion(put(tmp_path / f"dance{cased(suffix)}"))
    assert caught.value.reason != "unknown_format"


@pytest.mark.parametrize("suffix", SUFFIXES["keypoints"])
def test_every_keypoint_file_has_a_reader(tmp_path, suffix, cased):
    with pytest.raises(MediaError) as caught:
        read_pose_sequence(put(tmp_path / f"dance{cased(suffix)}"))
    assert caught.value.reason in ("not_npz", "not_json")


@pytest.mark.parametrize("suffix", SUFFIXES["sound"])
def test_every_verb_takes_every_sound(tmp_path, suffix, cased):
    path = put(tmp_path / "in" / f"song{cased(suffix)}")
    motion = put(tmp_path / "motions" / "song.npz")
    assert find_motions([motion], out=tmp_path / "out", music=path.parent)[0].music == path
    assert music_of(["song"], [path.parent]) == path
    assert find_clips(path.parent, "music").files == {"song": path}
    assert [source.path for source in collect([path.parent], out=tmp_path / "out").sources] == [path]


@pytest.mark.parametrize("suffix", SUFFIXES["video"])
def test_every_verb_takes_every_video(tmp_path, suffix, cased):
    path = put(tmp_path / "in" / f"clip{cased(suffix)}")
    assert [source.path for source in collect([path.parent], out=tmp_path / "out").sources] == [path]
    assert find_clips(path.parent, "video").files == {"clip": path}
    assert find_clips(path.parent, "keypoints2d").files == {"clip": path}
    assert FolderSystem(path.parent).task == "video"
    assert guess_kind(path.parent) == "keypoints2d"


def test_browsers_play_some_videos():
    assert set(PLAYED_BY_BROWSERS) < set(SUFFIXES["video"])


def test_the_preferred_sound_is_taken(tmp_path):
    for suffix in reversed((*SUFFIXES["sound"], ".mp4")):
        best = put(tmp_path / f"song{suffix}")
        assert music_of(["song"], [tmp_path]) == best
        assert (
            find_motions([put(tmp_path / "song.npz")], out=tmp_path / "out", music=tmp_path)[0].music == best
        )


def test_an_archive_is_told_by_what_is_in_it(tmp_path):
    np.savez(tmp_path / "points.npz", xy=np.zeros((2, 17, 2)))
    (tmp_path / "points.npz").rename(tmp_path / "points.NPZ")
    np.savez(tmp_path / "motion.npz", rotation=np.zeros((2, 24, 3)))
    kinds = {path.name: kind_of(path) for path in tmp_path.iterdir()}
    assert kinds == {"points.NPZ": "keypoints", "motion.npz": "motion"}
    assert kind_of(put(tmp_path / "broken.npz")) == "motion"
    assert kind_of(put(tmp_path / "notes.txt")) is None


def test_files_of_a_folder_come_in_order_without_what_is_hidden_or_made(tmp_path):
    names = ["b.mp4", "a/c.wav", "a/.hidden.wav", ".git/d.wav", "out/e.wav", "a/f.txt", "a.wav/g.txt"]
    for name in names:
        put(tmp_path / name)
    found = [
        path.relative_to(tmp_path).as_posix()
        for path in files_in(tmp_path, "sound", outside=tmp_path / "out")
    ]
    assert found == ["a/c.wav"]
    every = [path.relative_to(tmp_path).as_posix() for path in files_in(tmp_path)]
    assert every == ["a/c.wav", "a/f.txt", "a.wav/g.txt", "b.mp4", "out/e.wav"]


@pytest.mark.skipif(not CASES.is_dir(), reason="needs ../shared")
@pytest.mark.parametrize("name", ["clip.PKL", "clip.bvh.xz"])
def test_the_reported_files_are_read(name):
    assert len(read_motion(CASES / name).rotation) > 0
    assert stem_of(CASES / name) == "clip"


@pytest.mark.parametrize("suffix", [*SUFFIXES["motion"], *SUFFIXES["sound"], *SUFFIXES["video"]])
def test_a_folder_to_generate_from_has_the_same_files(tmp_path, suffix, cased):
    path = put(tmp_path / f"clip{cased(suffix)}")
    try:
        (clip,) = read_clips(tmp_path, None, task="motion").clips
    except MadanceError as error:  # found, and not readable
        assert path.name in str(error)
    else:
        assert clip.clip_id == "clip"


def test_a_damaged_archive_has_a_kind_and_no_traceback(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xy.npy", b"")
    assert kind_of(path) == "keypoints"
    path.write_bytes(path.read_bytes().replace(b"PK\x01\x02", b"PK\x09\x09"))
    assert kind_of(path) == "motion"
