"""Folders as they are downloaded: many dances to one piece of music, official lists, slices, tables of a user's own."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from evaluation.features.cache import FeatureCache
from evaluation.features.music import find_music_beats
from evaluation.inputs.pairing import find_inputs
from evaluation.inputs.sounds import Sounds, find_sounds
from evaluation.inputs.splits import official_split
from evaluation.options import Options
from evaluation.protocol import load_protocol
from evaluation.scoring import score
from madata.cli import madance
from madata.errors import MadanceError
from madata.motion import write_motion
from madata.music import write_wav
from madata.synthetic.dance import make_dance
from madata.synthetic.music import make_music

CASES = Path(__file__).resolve().parents[3] / "shared" / "cases" / "scoring"
SPLIT = "aist++:crossmodal-test"
TEST = official_split(SPLIT).dances
OTHERS = ("gBR_sBM_cAll_d04_mBR1_ch01", "gKR_sFM_cAll_d28_mKR0_ch05")
MATCHED, WHOLE = load_protocol("finedance-motion3d"), load_protocol("bailando")


@pytest.fixture(scope="module")
def aist(tmp_path_factory):
    """A download of AIST++ in small: the official test dances and two others, each piece of music once."""
    folder = tmp_path_factory.mktemp("AIST")
    for number, name in enumerate((*TEST, *OTHERS)):
        write_motion(folder / "motions" / f"{name}.pkl", make_dance(3.0, tempo_bpm=120, seed=number).motion)
    music = make_music(4.0, tempo_bpm=120, rate_hz=22050).music
    for piece in sorted({name.split("_")[4] for name in (*TEST, *OTHERS)}):
        write_wav(folder / "wav" / f"{piece}.wav", music)
    return folder


@pytest.fixture
def out(tmp_path):
    """What EDGE leaves of the test dances, and of one that is not asked for."""
    for number, name in enumerate((*TEST, OTHERS[0])):
        motion = make_dance(3.0, tempo_bpm=120, seed=100 + number).motion
        write_motion(tmp_path / "out" / f"0_{number}_{name}.pkl", motion)
    return tmp_path / "out"


def test_a_fresh_download_is_scored_in_one_command(aist, out, tmp_path):
    options = Options(split=SPLIT, cache=tmp_path / "cache")
    result = score(out, aist / "motions", WHOLE, music=aist / "wav", options=options).result
    assert result.status == "complete"
    assert (result.dataset.split, result.dataset.n_expected, result.dataset.n_scored) == (SPLIT, 20, 20)
    assert result.dataset.n_reference == 22  # Bailando compares with every motion of AIST++
    assert {name for name, hashes in result.dataset.files.items() if hashes.prediction} == set(TEST)
    assert all(result.dataset.files[name].music for name in TEST)
    assert result.metric("bas").value is not None
    assert result.metric("bas").n == 20


def test_an_official_list_chooses_on_both_sides_and_wants_all_of_it(aist, out):
    def asked(**options):
        how = Options(split=SPLIT, **options)
        return find_inputs(out, aist / "motions", aist / "wav", MATCHED, listens=True, options=how)

    inputs = asked()
    assert (
        set(inputs.match.predictions)
        == set(inputs.match.references)
        == set(inputs.match.expected)
        == set(TEST)
    )
    assert inputs.problems == []
    assert {inputs.music.files[name].stem for name in TEST[:2]} == {"mLH4"}
    next(out.glob(f"*{TEST[3]}.pkl")).unlink()
    (absent,) = asked().problems
    assert (absent.clip_id, absent.side, absent.reason) == (TEST[3], "prediction", "missing")
    assert len(asked().match.expected) == 20
    assert len(asked(limit=2).match.predictions) == 2


def test_what_the_list_names_and_no_folder_holds_is_missing(aist, out, tmp_path):
    real = tmp_path / "part"
    real.mkdir()
    for name in TEST[:3]:
        (real / f"{name}.pkl").write_bytes((aist / "motions" / f"{name}.pkl").read_bytes())
    inputs = find_inputs(out, real, None, MATCHED, listens=False, options=Options(split=SPLIT))
    missing = [problem for problem in inputs.problems if problem.side == "reference"]
    assert {problem.clip_id for problem in missing} == set(TEST[3:])
    assert f"no reference for it, and {SPLIT} holds it" in missing[0].message
    assert set(inputs.match.expected) == set(TEST)
    with pytest.raises(MadanceError, match="holds no clip of finedance:cross-genre-test, such as 063"):
        find_inputs(
            out, real, None, MATCHED, listens=False, options=Options(split="finedance:cross-genre-test")
        )


def test_predictions_meet_their_reference_under_the_names_of_the_field(aist, out):
    inputs = find_inputs(out, aist / "motions", None, MATCHED, listens=False, options=Options())
    assert set(inputs.match.predictions) == {*TEST, OTHERS[0]}
    assert [(one.clip_id, one.reason) for one in inputs.problems] == [(OTHERS[1], "missing")]
    (out / f"1_0_{TEST[0]}.pkl").write_bytes(next(out.glob(f"*{TEST[0]}.pkl")).read_bytes())
    told = find_inputs(out, aist / "motions", None, MATCHED, listens=False, options=Options()).problems
    assert sorted((one.clip_id, one.reason) for one in told) == sorted(
        [
            (f"0_0_{TEST[0]}", "extra"),
            (f"1_0_{TEST[0]}", "extra"),
            (TEST[0], "missing"),
            (OTHERS[1], "missing"),
        ]
    )  # two files of one dance: neither is taken


def test_two_files_of_one_clip_are_refused(aist, out):
    (out / f"{TEST[0]}.pkl").write_bytes(next(out.glob(f"*{TEST[0]}.pkl")).read_bytes())
    with pytest.raises(MadanceError, match=f"are both {TEST[0]}; keep one"):
        find_inputs(out, aist / "motions", None, MATCHED, listens=False, options=Options(split=SPLIT))


def test_a_slice_hears_its_music_from_where_it_begins(tmp_path):
    write_wav(tmp_path / "mLH4.wav", make_music(8.0, tempo_bpm=120, rate_hz=22050).music)
    clip = f"0_3_{TEST[0]}"
    clips = [clip, f"{clip}_slice5"]
    sounds = find_sounds(tmp_path, None, clips)
    beats = find_music_beats(sounds, clips, MATCHED, FeatureCache(tmp_path / "cache"), 1)
    whole, part = (beats.beats_s[name] for name in clips)
    assert len(whole) > len(part) > 2
    np.testing.assert_allclose(part, whole[whole >= 2.5] - 2.5)
    assert beats.warnings[0].startswith("1 clips are slices")
    plain = find_music_beats(
        Sounds({clip: tmp_path / "mLH4.wav"}, True), [clip], MATCHED, FeatureCache(tmp_path / "cache"), 1
    )
    np.testing.assert_array_equal(plain.beats_s[clip], whole)
    assert plain.warnings == ()


def test_a_clip_without_music_says_what_was_looked_for(aist, out, tmp_path):
    (tmp_path / "wav").mkdir()
    (tmp_path / "wav" / "mBR0.wav").write_bytes((aist / "wav" / "mBR0.wav").read_bytes())
    inputs = find_inputs(
        out, aist / "motions", tmp_path / "wav", MATCHED, listens=True, options=Options(split=SPLIT)
    )
    silent = {problem.clip_id: problem for problem in inputs.problems}
    assert len(silent) == 18
    assert silent[TEST[0]].message == (
        f"no music for 0_0_{TEST[0]}.pkl: looked for {TEST[0]}, mLH4; the folder holds mBR0"
    )
    assert not silent[TEST[0]].dropped


def test_a_table_says_which_music_goes_with_which_clip(aist, tmp_path):
    for name in ("one", "two", "three"):
        write_motion(tmp_path / "made" / f"{name}.npz", make_dance(3.0, seed=len(name)).motion)
    (tmp_path / "map.csv").write_text("clip,music\none,mLH4.wav\ntwo.npz,mBR0\n")
    command = [
        "score",
        str(tmp_path / "made"),
        "--reference",
        str(tmp_path / "made"),
        "--protocol",
        "bailando",
    ]
    command += ["--music-map", str(tmp_path / "map.csv"), "--json"]
    assert "give both" in CliRunner().invoke(madance, command).output
    told = CliRunner().invoke(madance, [*command, "--music", str(aist / "wav")])
    assert told.exit_code == 1  # one clip has no music
    assert "looked for three; the folder holds mBR0, mBR1" in told.stdout
    assert "no music for one" not in told.stdout


@pytest.mark.skipif(not CASES.is_dir(), reason="needs ../shared")
def test_aist_music_is_found_by_the_fifth_field(tmp_path):
    case = CASES / "01_aist_music"
    result = score(
        case / "pred", case / "pred", WHOLE, music=case / "music", options=Options(cache=tmp_path)
    ).result
    assert (result.status, result.metric("bas").n) == ("complete", 4)
    assert result.metric("bas").value is not None
