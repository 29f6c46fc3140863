import json
import pickle

import numpy as np
import pytest
import soundfile

from evaluation.features.motion.beats import motion_beat_times
from evaluation.features.motion.body import body_track
from mace_dance.training.motion.data import DataSettings, SyntheticSettings, prepare, prepare_synthetic
from madata.errors import ConfigError, MadanceError
from madata.motion import decode, encode, floor_height_m, joint_positions, resample, with_up, write_motion
from madata.music import music_features
from madata.skeletons import skeleton
from madata.synthetic.dance import make_dance
from madata.synthetic.music import make_music

BEATS = DataSettings(music="motion-beats", window_frames=60, stride_frames=20, held_out_share=0.3)


def dance(seconds=4.0, seed=0, fps=30.0):
    return make_dance(seconds, seed=seed, fps=fps).motion


def write_dances(folder, count=4):
    for seed in range(count):
        write_motion(folder / f"dance{seed}.npz", dance(seed=seed))


def bytes_of(cache):
    names = ("motion.npy", "music.npy", "windows.npy", "normaliser.npz", "cache.json")
    return {name: (cache / name).read_bytes() for name in names}


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    """Four good dances among bad files, and what became of them."""
    root = tmp_path_factory.mktemp("damaged")
    source = root / "source"
    source.mkdir()
    write_dances(source)
    write_motion(source / "fast.npz", dance(seed=9, fps=60.0))
    write_motion(source / "short.npz", dance(1.9))
    for name, value in (("nan", np.nan), ("inf", np.inf)):
        values = encode(dance(), "finedance-315")
        values[17, 5] = value
        np.save(source / f"{name}.npy", values)
    (source / "text.npz").write_text("no motion at all")
    (source / "evil.pkl").write_bytes(pickle.dumps(print))
    np.save(source / "wide.npy", np.zeros((90, 7)))
    return source, root / "cache", prepare(source, root / "cache", BEATS, jobs=1)


def test_bad_files_are_named_and_the_others_are_kept(damaged):
    source, _, prepared = damaged
    report = prepared.report
    assert {drop.take: drop.reason for drop in report.drops} == {
        "evil": "unsafe_pickle",
        "inf": "not_finite",
        "nan": "not_finite",
        "short": "too_short",
        "text": "not_npz",
        "wide": "bad_shape",
    }
    message = next(drop.message for drop in report.drops if drop.take == "nan")
    assert str(source / "nan.npy") in message and "row 17" in message
    assert report.takes + report.held_out_takes == 5
    assert report.seconds + report.held_out_seconds == pytest.approx(20, abs=0.1)
    assert report.windows == len(prepared.train) and report.held_out_windows == len(prepared.held_out) > 0
    assert report.windows + report.held_out_windows == 5 * len(range(0, 120 - 60 + 1, 20))


def test_windows_hold_the_motion_and_its_own_beats(damaged):
    _, _, prepared = damaged
    assert (prepared.music_source, prepared.fps, prepared.genres) == ("motion-beats", 30, ("unlabelled",))
    side = (
        prepared.train if "dance1" in {prepared.train.take_names[t] for t in prepared.train.takes} else None
    )
    side = side or prepared.held_out
    take = side.take_names.index("dance1")
    index = int(np.flatnonzero(side.takes == take)[1])
    motion = dance(seed=1)
    np.testing.assert_allclose(side.raw(index), encode(motion, "edge-151")[20:80], atol=1e-5)
    positions = joint_positions(with_up(motion, "z"))
    body = body_track(positions, skeleton("smpl-24").joints, 30.0, up="z")
    beats = (motion_beat_times(body) * 30).astype(int)
    expected = np.zeros((120, 35), np.float32)
    expected[np.ix_(beats, [0, 33, 34])] = 1
    np.testing.assert_array_equal(side.heard(index), expected[20:80])
    assert expected.sum() >= 9


def test_another_frame_rate_is_resampled(damaged):
    _, _, prepared = damaged
    for side in (prepared.train, prepared.held_out):
        for index in np.flatnonzero(side.takes == side.take_names.index("fast"))[:1]:
            expected = encode(resample(dance(seed=9, fps=60.0), 30), "edge-151")
            np.testing.assert_allclose(side.raw(int(index)), expected[:60], atol=1e-5)


def test_the_normaliser_knows_the_training_side_only(damaged):
    _, _, prepared = damaged
    train = np.concatenate([prepared.train.raw(index) for index in range(len(prepared.train))])
    scaled = train * prepared.normaliser.scale + prepared.normaliser.shift
    moving = np.ptp(train, axis=0) > 1e-5
    np.testing.assert_allclose(scaled.min(0), -1, atol=1e-4)
    np.testing.assert_allclose(scaled.max(0)[moving], 1, atol=1e-4)
    held = np.concatenate([prepared.held_out.raw(index) for index in range(len(prepared.held_out))])
    assert np.abs(held * prepared.normaliser.scale + prepared.normaliser.shift).max() > 1.01


def test_a_second_call_is_served_and_a_change_is_told(damaged, monkeypatch):
    source, cache, first = damaged
    before = bytes_of(cache)
    with monkeypatch.context() as patch:
        patch.setattr("mace_dance.training.motion.data.preparation.run", None)
        again = prepare(source, cache, BEATS)
    assert again.from_cache and not first.from_cache and again.content_id == first.content_id
    assert again.report == first.report and len(again.train) == len(first.train)
    for change, words in (
        ({"window_frames": 90}, r"window_frames 60 \(now 90\)"),
        ({"stride_frames": 10, "seed": 3}, r"seed 0 \(now 3\); stride_frames 20 \(now 10\)"),
    ):
        with pytest.raises(MadanceError, match=words):
            prepare(source, cache, BEATS.model_copy(update=change))
    write_motion(source / "new.npz", dance(seed=5))
    try:
        with pytest.raises(MadanceError, match=r"1 takes new since \(new\)"):
            prepare(source, cache, BEATS)
    finally:
        (source / "new.npz").unlink()
    assert bytes_of(cache) == before


def test_a_run_that_was_ended_goes_on_to_the_same_bytes(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    write_dances(source)
    whole = prepare(source, tmp_path / "whole", BEATS, jobs=2)
    done = []

    def end_after_two():
        done.append(1)
        if len(done) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(source, tmp_path / "cut", BEATS, on_take=end_after_two)
    (tmp_path / "cut" / ".tmp-half.npy").write_text("left by a killed process")
    todo = []
    rest = prepare(source, tmp_path / "cut", BEATS, on_start=todo.append)
    assert todo[0] <= 2 and rest.content_id == whole.content_id
    assert bytes_of(tmp_path / "cut") == bytes_of(tmp_path / "whole")
    assert not (tmp_path / "cut" / "parts").exists() and not list((tmp_path / "cut").glob(".tmp-*"))
    (tmp_path / "cut" / "motion.npy").write_bytes(b"damaged")
    with pytest.raises(MadanceError, match=r"motion\.npy: absent or damaged.*remove the folder"):
        prepare(source, tmp_path / "cut", BEATS)
    write_motion(source / "dance0.npz", dance(seed=7))
    rebuilt = prepare(source, tmp_path / "cut", BEATS, rebuild=True)
    assert not rebuilt.from_cache and rebuilt.content_id != whole.content_id


def test_finedance_from_labels_to_windows(tmp_path):
    for name, style, seed in (("001", "Kun", 0), ("063", "Jazz", 1)):
        for folder in ("motion", "label_json"):
            (tmp_path / folder).mkdir(exist_ok=True)
        np.save(tmp_path / f"motion/{name}.npy", encode(dance(seed=seed), "finedance-315"))
        (tmp_path / f"label_json/{name}.json").write_text(json.dumps({"style2": style}))
    settings = BEATS.model_copy(update={"vector": "lodge-139", "origin": "window"})
    prepared = prepare(tmp_path, tmp_path / "cache", settings)
    assert {*prepared.train.genres} == {prepared.genres.index("Kun")}
    assert {*prepared.held_out.genres} == {prepared.genres.index("Jazz")}
    window = prepared.train.raw(0)
    assert window.shape == (60, 139)
    np.testing.assert_array_equal(window[0, [4, 6]], 0)
    positions = joint_positions(decode(window, "lodge-139"))
    assert floor_height_m(positions, "y", "first_frame") == pytest.approx(0, abs=1e-5)
    motion, *_ = prepared.train[0]
    assert float(motion.min()) >= -1 and float(motion.max()) <= 1


def test_nothing_usable_is_an_error(tmp_path):
    write_motion(tmp_path / "one.npz", dance(1.0))
    with pytest.raises(
        MadanceError, match=r"none of 1 takes can be used: too_short: .*one\.npz.*data\.window_frames"
    ):
        prepare(tmp_path, tmp_path / "cache", BEATS)
    with pytest.raises(MadanceError, match=r"no_music: .*--set data\.music=motion-beats"):
        prepare(tmp_path, tmp_path / "cache", DataSettings())
    with pytest.raises(ConfigError, match="jobs"):
        prepare(tmp_path, tmp_path / "cache", BEATS, jobs=0)
    with pytest.raises(ConfigError, match="positive"):
        prepare_synthetic(tmp_path / "made", 0, 5.0)


def test_made_dances_have_real_features_on_their_beat(tmp_path):
    settings = SyntheticSettings(window_frames=90, styles=("latin", "pop"), held_out_share=0.5)
    prepared = prepare_synthetic(tmp_path, 2, 8.0, 3, settings)
    assert (prepared.music_source, prepared.genres) == ("synthetic", ("latin", "pop"))
    train, held = prepared.train, prepared.held_out
    assert {int(train.genres[0]), int(held.genres[0])} == {0, 1}
    music = np.concatenate([train.heard(0), held.heard(0)])
    assert np.isfinite(music).all() and np.abs(music[:, 1:21]).max() > 10
    assert set(np.unique(music[:, 34])) == {0.0, 1.0}
    motion = decode(train.raw(0), "edge-151")
    body = body_track(joint_positions(motion), skeleton("smpl-24").joints, 30.0, up="z")
    stops, beats = motion_beat_times(body) * 30, np.flatnonzero(train.heard(0)[:, 34])
    assert np.median(np.abs(stops[:, None] - beats).min(1)) <= 2
    assert prepare_synthetic(tmp_path, 2, 8.0, 3, settings).from_cache
    with pytest.raises(MadanceError, match="2 takes changed"):
        prepare_synthetic(tmp_path, 2, 8.0, 4, settings)


@pytest.mark.slow
def test_songs_are_read_once_and_bad_sound_costs_its_takes_only(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    track = make_music(3.0, seed=1, rate_hz=15360)
    write_dances(source, 6)
    rows = (
        "take,music\ndance0,song.wav\ndance1,song.wav\ndance2,text.wav\ndance3,blip.wav\ndance4,still.wav\n"
    )
    (source / "takes.csv").write_text(rows)
    soundfile.write(source / "song.wav", track.music.waveform, 15360)
    soundfile.write(source / "blip.wav", track.music.waveform[:4608], 15360)
    soundfile.write(source / "still.wav", np.zeros(4 * 15360), 15360)
    (source / "text.wav").write_text("no sound")
    settings = BEATS.model_copy(update={"music": "audio", "takes": source / "takes.csv"})
    prepared = prepare(source, tmp_path / "cache", settings, jobs=2)
    assert {drop.take: drop.reason for drop in prepared.report.drops} == {
        "dance2": "not_media",
        "dance3": "too_short",
        "dance5": "no_music",
    }
    assert len(list((tmp_path / "cache/songs").iterdir())) == 3
    features = music_features(source / "song.wav").values
    side = next(s for s in (prepared.train, prepared.held_out) if s.take_names.index("dance1") in s.takes)
    index = int(np.flatnonzero(side.takes == side.take_names.index("dance1"))[0])
    # Made by another process, with other threads: spectra are equal up to float32.
    np.testing.assert_allclose(side.heard(index), features[:60], rtol=1e-5, atol=1e-4)
    assert prepared.report.cut_s == pytest.approx(2 * (120 - len(features)) / 30)
    todo = []
    prepare(source, tmp_path / "cache", settings, rebuild=True, on_start=todo.append)
    assert todo == [6]


@pytest.mark.slow
def test_real_mocap_keeps_partners_on_one_side(motion_dir, tmp_path):
    pairs = ((1, 16), (2, 17), (3, 18), (4, 19), (6, 21), (9, 24))
    rows = [f"cmu_salsa_{one:02d},pair {pair[0]}\n" for pair in pairs for one in pair]
    table = tmp_path / "takes.csv"
    table.write_text("take,group\n" + "".join(rows))
    settings = DataSettings(music="motion-beats", takes=table, origin="window")
    prepared = prepare(motion_dir, tmp_path / "cache", settings, jobs=2)
    report = prepared.report
    assert report.takes + report.held_out_takes == 18 and report.drops == ()
    assert report.seconds + report.held_out_seconds == pytest.approx(375, abs=2)
    held = {prepared.held_out.take_names[take] for take in prepared.held_out.takes}
    assert held
    for pair in pairs:
        assert len({f"cmu_salsa_{one:02d}" in held for one in pair}) == 1
    batch = prepared.train.batch(prepared.train.batches(0, 16, 0)[0])
    assert batch.motion.shape == (16, 150, 151) and batch.music[..., 34].sum(1).min() >= 3


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/edge_dataset*.npz")
def test_golden_edge_slices(golden_file, tmp_path, golden_deviations):
    stored = np.load(golden_file)
    sides = {"train": ("in/pos", "in/q"), "test": ("in/test_pos", "in/test_q")}
    for number, (side, (pos, q)) in enumerate(sides.items()):
        for folder in ("motions_sliced", "baseline_feats", "label"):
            (tmp_path / side / folder).mkdir(parents=True)
        (tmp_path / side / f"label/{number:03d}.json").write_text('{"style2": "Dai"}')
        for index in range(len(stored[pos])):
            name = f"{number:03d}_slice{index}"
            content = {"pos": stored[pos][index], "q": stored[q][index]}
            (tmp_path / side / f"motions_sliced/{name}.pkl").write_bytes(pickle.dumps(content))
            np.save(tmp_path / side / f"baseline_feats/{name}.npy", np.ones((len(content["pos"]), 35)))
    settings = DataSettings(window_frames=stored["in/pos"].shape[1])
    prepared = prepare(tmp_path, tmp_path / "cache", settings)
    for windows, key in (
        (prepared.train, "out/pose_normalised"),
        (prepared.held_out, "out/test_pose_normalised"),
    ):
        motion = windows.batch(range(len(windows))).motion.numpy()
        np.testing.assert_allclose(motion, stored[key], atol=2e-5)
        golden_deviations("edge_dataset windows", np.abs(motion - stored[key]).max())
    np.testing.assert_allclose(prepared.normaliser.scale, stored["scaler/scale"], rtol=1e-4)
