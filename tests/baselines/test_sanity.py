"""Each sanity row moves each metric in the direction it must."""

import shutil
import wave
from dataclasses import replace

import numpy as np
import pytest

from baselines import sanity
from baselines.sanity import _exchanged, _forth_and_back, mean_pose
from evaluation.features.motion.beats import motion_beat_times
from evaluation.features.motion.body import body_track
from evaluation.features.motion.feet import foot_sliding
from evaluation.features.motion.geometric import limb_angles
from evaluation.features.motion.kinetic import log_energies
from evaluation.features.video.frames import FrameChunk
from evaluation.features.video.temporal_flickering import TemporalFlickering
from evaluation.generate import Settings, generate
from evaluation.metrics.beats import beat_alignment
from evaluation.metrics.distances import diversity, frechet_distance
from evaluation.metrics.scaling import fit_scale
from evaluation.systems import RealClip, Request, Truth, find
from madata.errors import MadanceError, MediaError
from madata.motion import body_height_m, joint_positions, read_motion, with_up, write_motion
from madata.shard import Shard
from madata.skeletons import skeleton
from madata.synthetic.dance import STYLES, make_dance
from madata.types import Music
from madata.video import Decoder, write_video

CLIPS = 24
JOINTS = skeleton("smpl-24").joints
ROWS = ("ground-truth", "noise-floor", "shuffled-music", "mean-pose")


def music_of(number):
    """Tempo and first beat of one made-up piece: no two clips share a grid."""
    rng = np.random.default_rng(number)
    return rng.uniform(80, 150), rng.uniform(0, 0.5)


def danced(number):
    tempo, first = music_of(number)
    style = STYLES[number % len(STYLES)]
    return make_dance(5.0, tempo_bpm=tempo, fps=30.0, style=style, seed=number, first_beat_s=first)


def silence(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16 * 5000))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Dances on the beats of their music, half of them outside the split."""
    folder = tmp_path_factory.mktemp("dances")
    for number in range(2 * CLIPS):
        split = "test" if number < CLIPS else "train"
        write_motion(folder / split / "motions" / f"c{number:02}.npz", danced(number).motion)
        silence(folder / split / "music" / f"c{number:02}.wav")
    return folder


@pytest.fixture(scope="module")
def rows(data, tmp_path_factory):
    """Folder of clips of each row."""
    folders = {}
    for name in ROWS:
        out = tmp_path_factory.mktemp(name)
        summary = generate(find(name), data, out, Settings(task="motion", retries=0))
        assert summary.missing == 0, summary.failed
        folders[name] = out / "clips"
    return folders


class Judge:
    """The corrected metrics with the real clips as reference."""

    def __init__(self, data):
        self.music = [danced(number).beats_s.astype(np.float64) for number in range(CLIPS)]
        self.reference = self.features(data / "test" / "motions")

    def bodies(self, folder):
        motions = [read_motion(folder / f"c{number:02}.npz") for number in range(CLIPS)]
        return [body_track(joint_positions(motion), JOINTS, motion.fps, up=motion.up) for motion in motions]

    def features(self, folder):
        bodies = self.bodies(folder)
        kinetic, pose = ([f(body) for body in bodies] for f in (log_energies, limb_angles))
        return np.stack(kinetic), np.stack(pose)

    def fid(self, folder):
        made = self.features(folder)
        scales = [fit_scale(reference) for reference in self.reference]
        parts = zip(scales, made, self.reference, strict=True)
        return [frechet_distance(scale.apply(mine), scale.apply(real)) for scale, mine, real in parts]

    def diversity(self, folder):
        scale = fit_scale(self.reference[0])
        return diversity(scale.apply(self.features(folder)[0]))

    def beats(self, folder):
        found = [motion_beat_times(body) for body in self.bodies(folder)]
        return beat_alignment(found, self.music, np.random.default_rng(0))


@pytest.fixture(scope="module")
def judge(data):
    return Judge(data)


def test_the_truth_is_at_distance_nothing(judge, rows):
    assert judge.fid(rows["ground-truth"]) == pytest.approx([0, 0], abs=1e-6)
    assert judge.beats(rows["ground-truth"]).z > 5


def test_shuffled_music_keeps_the_dances_and_loses_the_beat(judge, rows):
    assert judge.fid(rows["shuffled-music"]) == pytest.approx([0, 0], abs=1e-6)
    assert judge.diversity(rows["shuffled-music"]) == pytest.approx(judge.diversity(rows["ground-truth"]))
    truth, shuffled = judge.beats(rows["ground-truth"]), judge.beats(rows["shuffled-music"])
    assert abs(shuffled.score - truth.chance) < 3 * truth.chance_deviation
    assert shuffled.score < truth.score - 0.15
    assert abs(shuffled.z) < 3


def test_no_clip_keeps_its_music_when_it_is_shuffled(data, rows):
    for number in range(CLIPS):
        name = f"c{number:02}.npz"
        made, real = read_motion(rows["shuffled-music"] / name), read_motion(data / "test" / "motions" / name)
        assert not np.array_equal(made.rotation, real.rotation)


def test_the_noise_floor_is_above_nothing_and_far_below_a_bad_system(judge, rows):
    floor, worst = judge.fid(rows["noise-floor"]), judge.fid(rows["mean-pose"])
    for low, high in zip(floor, worst, strict=True):
        assert 0.01 < low < high / 3
    assert judge.diversity(rows["noise-floor"]) == pytest.approx(
        judge.diversity(rows["ground-truth"]), rel=0.2
    )


def test_the_noise_floor_takes_each_outside_clip_once(data, rows):
    made = {read_motion(path).rotation.tobytes() for path in rows["noise-floor"].iterdir()}
    outside = {read_motion(path).rotation.tobytes() for path in (data / "train" / "motions").iterdir()}
    assert made == outside


def test_a_mean_pose_does_not_dance(judge, rows):
    assert judge.diversity(rows["mean-pose"]) == pytest.approx(0, abs=1e-6)
    assert judge.diversity(rows["ground-truth"]) > 1
    assert len(judge.beats(rows["mean-pose"]).excluded) == CLIPS
    motion = read_motion(rows["mean-pose"] / "c00.npz")
    joints = joint_positions(motion)
    assert np.ptp(joints, axis=0).max() == 0
    assert foot_sliding(joints, motion.fps).ratio == pytest.approx(0)


def test_the_mean_pose_stands_like_the_dancers(tmp_path):
    clips = []
    for number, up in enumerate(("y", "z")):
        path = tmp_path / f"{up}.npz"
        write_motion(path, with_up(danced(number).motion, up))
        clips.append(RealClip(up, up, 5.0, path, None))
    pose = mean_pose(clips)
    joints = joint_positions(pose)[0]
    assert pose.up == "y"
    assert abs(joints[:, 1].min()) < 0.25
    assert 0.8 < joints[JOINTS.index("head"), 1] / body_height_m(pose) < 1.1


def test_the_mean_of_one_pose_is_that_pose(tmp_path):
    motion = danced(3).motion
    still = replace(motion, rotation=motion.rotation[40:41], translation=motion.translation[40:41])
    write_motion(tmp_path / "a.npz", still)
    pose = mean_pose([RealClip("a", "a", 1 / 30, tmp_path / "a.npz", None)])
    np.testing.assert_allclose(joint_positions(pose) - pose.translation[:, None],
                               joint_positions(still) - still.translation[:, None], atol=1e-5)  # fmt: skip


def test_rows_do_not_depend_on_the_shard(data, rows, tmp_path):
    for name in ("shuffled-music", "noise-floor", "mean-pose"):
        generate(find(name), data, tmp_path / name, Settings(task="motion", shard=Shard(2, 7)))
        made = sorted((tmp_path / name / "clips").iterdir())
        assert len(made) == 4
        for path in made:
            assert path.read_bytes() == (rows[name] / path.name).read_bytes()


def test_rows_say_what_they_lack(data, tmp_path):
    alone = tmp_path / "alone"
    write_motion(alone / "a.npz", danced(0).motion)
    silence(alone / "a.wav")
    with pytest.raises(MadanceError, match="at least two sources"):
        generate(find("shuffled-music"), alone, tmp_path / "1", Settings(task="motion"))
    with pytest.raises(MadanceError, match="outside the split"):
        generate(find("noise-floor"), alone, tmp_path / "2", Settings(task="motion"))


def clips_of(*lengths_of_sources):
    """Real clips: for each source the lengths of its clips."""
    return [
        RealClip(f"{source}{number}", str(source), length, None, None)
        for source, lengths in enumerate(lengths_of_sources)
        for number, length in enumerate(lengths)
    ]


@pytest.mark.parametrize(
    "clips",
    [
        clips_of([5.0], [5.0], [5.0], [8.0], [8.0]),
        clips_of([5.0, 5.0, 5.0], [5.0, 5.0], [5.0]),
        clips_of([5.0, 6.0], [7.1], [7.2, 9.0]),
        clips_of(*([5.0 + number / 7] for number in range(9))),
    ],
)
def test_dances_are_exchanged_so_that_their_set_stays(clips):
    given = _exchanged(clips)
    assert {clip.clip_id for clip in given.values()} == {clip.clip_id for clip in clips}
    assert len(set(given.values())) == len(clips) == len(given)
    assert all(given[clip.clip_id].source_id != clip.source_id for clip in clips)


def test_dances_are_exchanged_among_those_of_one_length_where_there_are_such():
    clips = clips_of([5.0], [8.0], [5.0], [8.0], [6.5])
    given = _exchanged(clips)
    assert given["00"].duration_s == given["20"].duration_s == 5.0
    spread = _exchanged(clips_of(*([5.0 + number] for number in range(8))))
    assert all(abs(spread[f"{number}0"].duration_s - 5.0 - number) == 1.0 for number in range(8))


def test_where_most_clips_are_of_one_source_dances_repeat():
    given = _exchanged(clips_of([5.0, 5.0, 5.0], [5.0]))
    assert {given[f"0{number}"].clip_id for number in range(3)} == {"10"} and given["10"].source_id == "0"


def test_a_dance_goes_to_a_picture_of_its_shape(tmp_path, monkeypatch):
    monkeypatch.setattr(sanity, "_perform", lambda clip, request: clip)
    sizes = {"a": (720, 1280), "b": (1280, 720), "c": (540, 960), "d": (1920, 1080), "e": (600, 600)}
    real = tuple(RealClip(name, name, 5.0, None, tmp_path / name, size) for name, size in sizes.items())

    def asked(name):
        return Request(
            name, "video", None, None, None, None, 5.0, 30.0, sizes[name], 0, tmp_path, Truth(real, (), 0)
        )

    assert [sanity.shuffled_music(asked(name)).clip_id for name in "abcd"] == ["c", "d", "a", "b"]
    with pytest.raises(MediaError, match="pictures of its shape"):
        sanity.shuffled_music(asked("e"))


def test_a_dance_that_is_too_short_goes_forth_and_back():
    assert _forth_and_back(4, 9).tolist() == [0, 1, 2, 3, 2, 1, 0, 1, 2]
    assert _forth_and_back(1, 3).tolist() == [0, 0, 0]


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Three short videos of moving bars, of different lengths, and one of another split."""
    folder = tmp_path_factory.mktemp("videos")
    for number, (split, clip) in enumerate((("test", "a"), ("test", "b"), ("test", "c"), ("train", "d"))):
        frames = np.full((12 + 4 * number, 48, 64, 3), 30 * number, np.uint8)
        for index, frame in enumerate(frames):
            frame[:, (5 * index + 9 * number) % 56 :][:, :8] = 250 - 40 * number
        write_video(folder / split / f"{clip}.mp4", list(frames), 20, audio=tone(number))
    return folder


def tone(number):
    return Music(np.sin(np.arange(40000) * (number + 1) / 20).astype(np.float32) / 2, 16000)


def flickering(path):
    meter = TemporalFlickering()
    with Decoder(path) as decoder:
        frames = np.stack([frame.scaled((64, 48)) for frame in decoder])
    meter.update(FrameChunk(frames))
    return meter.compute().value


def make(name, data, out, task="video"):
    summary = generate(find(name), data, out, Settings(task=task, retries=0))
    assert summary.missing == 0, summary.failed
    return out / "clips"


def test_a_frozen_frame_flickers_not_at_all(videos, tmp_path):
    still = make("frozen-frame", videos, tmp_path / "still")
    for clip in "abc":
        real, frozen = flickering(videos / "test" / f"{clip}.mp4"), flickering(still / f"{clip}.mp4")
        assert frozen > 0.999
        assert real < 0.95


def test_real_videos_come_back_as_they_are(videos, tmp_path):
    real = make("ground-truth", videos, tmp_path / "real")
    for clip in "abc":
        assert (real / f"{clip}.mp4").read_bytes() == (videos / "test" / f"{clip}.mp4").read_bytes()


def test_shuffled_and_outside_videos_have_the_length_asked(videos, tmp_path):
    for name in ("shuffled-music", "noise-floor"):
        made = make(name, videos, tmp_path / name)
        for number, clip in enumerate("abc"):
            with Decoder(made / f"{clip}.mp4") as decoder:
                frames = [frame.scaled((64, 48)) for frame in decoder]
            assert len(frames) == 12 + 4 * number
            with Decoder(videos / "test" / f"{clip}.mp4") as decoder:
                real = next(iter(decoder)).scaled((64, 48))
            assert np.abs(frames[0].astype(int) - real).mean() > 10
            assert flickering(made / f"{clip}.mp4") < 0.98


def test_a_cascade_of_a_row_and_a_picture_runs(data, videos, tmp_path):
    both = tmp_path / "both"
    shutil.copytree(videos, both)
    for clip in "abc":
        write_motion(both / "test" / f"{clip}.npz", make_dance(2.0, seed=ord(clip)).motion)
    made = make("cascade:ground-truth+frozen-frame", both, tmp_path / "run")
    assert sorted(path.name for path in made.iterdir()) == ["a.mp4", "b.mp4", "c.mp4"]
