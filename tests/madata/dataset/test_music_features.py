import numpy as np

from madata.dataset.folder import read_folder, write_folder
from madata.dataset.freeze import split_data_set
from madata.dataset.music_features import add_music_features, features_path
from madata.dataset.placed import place_clips
from madata.dataset.split import SplitRule
from madata.dataset.verify import verify_data_set
from madata.files import read_npz, sha256_file, write_npz
from madata.synthetic.music import make_music
from madata.video import Decoder, write_video


def test_features_beats_and_tempo_of_clips_with_sound(data):
    seconds = 5.4
    tables = read_folder(data)
    row = tables.clips[0]
    music = make_music(seconds, tempo_bpm=120, seed=1, rate_hz=22_050).music
    with Decoder(data / row["path"]) as decoder:
        pictures = [frame.scaled((96, 72)) for frame in decoder]
    write_video(data / row["path"], pictures, 10.0, audio=music)
    row |= {
        "has_audio": True,
        "bytes": (data / row["path"]).stat().st_size,
        "sha256": sha256_file(data / row["path"]),
    }
    tables.clips[1] |= {"has_audio": True}  # and has none: it is named, the others go on
    write_folder(tables)
    count, failed = add_music_features(data, jobs=1)
    assert count == 1 and list(failed) == [tables.clips[1]["clip_id"]]
    row = read_folder(data).clips[0]
    assert row["music"] == f"features/music/{row['clip_id']}.npz"
    arrays = read_npz(data / row["music"])
    assert arrays["values"].shape[1] == 35 and abs(len(arrays["values"]) - 30 * seconds) <= 2
    assert abs(row["tempo_bpm"] - 120) < 6 and row["num_beats"] == len(arrays["beats_s"])
    assert (arrays["beats_s"] < seconds).all()
    before = (data / row["music"]).stat().st_mtime_ns
    place_clips(data, val_share=0.0, test_share=0.1)
    assert read_folder(data).clips[0]["tempo_bpm"] == row["tempo_bpm"], "tables made again have it too"
    assert (data / row["music"]).stat().st_mtime_ns == before
    split_data_set(data, SplitRule(clips=1, val_share=0.0))
    assert verify_data_set(data, full=True) == []


def test_beats_beyond_the_end_of_a_tested_clip_do_not_count(data):
    for row in read_folder(data).clips:
        beats = np.array([1.0, 4.9, 5.2])
        write_npz(data / features_path(row["clip_id"]), beats_s=beats, tempo_bpm=np.float64(120))
    place_clips(data, val_share=0.0, test_share=0.1)
    assert {row["num_beats"] for row in read_folder(data).clips} == {3}
    split_data_set(data, SplitRule(clips=1, val_share=0.0))
    for _ in range(2):  # by the split, and by every table that is made again
        counts = {row["split"]: row["num_beats"] for row in read_folder(data).clips}
        assert counts == {"test": 2, "train": 3} | ({"held": 3} if "held" in counts else {})
        place_clips(data, val_share=0.0, test_share=0.1)
