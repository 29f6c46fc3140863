"""Is music known again? Parts of made songs, louder or quieter and with noise, are joined and held against the truth.

    python -m benchmarks.songs --parts 400                  # how many pairs of one song are found, how many are wrong
    python -m benchmarks.songs --parts 0 --scale 100000     # what the search costs: time and memory

Made songs share a few drum patterns and chords, so that two of them are more alike than music usually is.
"""

import argparse
import resource
import time
from functools import cache

import numpy as np

from madata.dataset.songs import find_songs, fingerprints

RATE_HZ, SONG_S = 16000, 30.0


@cache
def song(number):
    """One of the songs."""
    from madata.synthetic.music import make_music

    tempo = np.random.default_rng([number, 5]).uniform(80, 160)
    return make_music(SONG_S, tempo_bpm=tempo, seed=number, rate_hz=RATE_HZ).music.waveform


def a_part(rng, songs):
    """Song, begin and end in s, and the fingerprints of a part of 5 to 10 s: -10 to 3 dB, 15 to 40 dB above noise."""
    number, seconds = int(rng.integers(songs)), rng.uniform(5, 10)
    start = rng.uniform(0, SONG_S - seconds)
    heard = song(number)[int(start * RATE_HZ) : int((start + seconds) * RATE_HZ)] * 10 ** (
        rng.uniform(-10, 3) / 20
    )
    noise = rng.normal(size=len(heard)) * np.sqrt((heard**2).mean()) * 10 ** (-rng.uniform(15, 40) / 20)
    sound = np.clip(heard + noise, -1, 1).astype(np.float32)
    return number, start, start + seconds, fingerprints(sound, RATE_HZ)


def measure(count, songs, seed):
    """Print how many pairs that overlap are joined, and how many of two songs are."""
    rng = np.random.default_rng(seed)
    parts = [a_part(rng, songs) for _ in range(count)]
    found = find_songs({f"{number:05d}": part[3] for number, part in enumerate(parts)})
    right = wrong = missed = 0
    for i, one in enumerate(parts):
        for j, other in enumerate(parts[:i]):
            joined = found[f"{i:05d}"] == found[f"{j:05d}"]
            shared_s = min(one[2], other[2]) - max(one[1], other[1])
            right += joined and one[0] == other[0]
            wrong += joined and one[0] != other[0]
            missed += not joined and one[0] == other[0] and shared_s >= 3
    print(
        f"{count} parts of {songs} songs: {right} pairs joined rightly, {wrong} wrongly; {missed} that share 3 s missed"
    )


def scale(count):
    """Print what a search among so many clips of 6.3 s costs; ten clips share a part of each song."""
    rng = np.random.default_rng(0)
    clips = {}
    for number in range(count):
        if number % 10 == 0:
            whole = rng.integers(1, 1 << 32, 800, dtype=np.uint32)
        at = int(rng.integers(400))
        heard = whole[at : at + 400].copy()
        flipped = rng.random(400) < 0.5
        heard[flipped] ^= np.uint32(1) << rng.integers(0, 32, int(flipped.sum()), dtype=np.uint32)
        clips[f"{number:07d}"] = heard
    began = time.process_time()
    found = find_songs(clips)
    took, memory = time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{count} clips: {len(set(found.values()))} songs, {took:.1f} CPU s, {memory:.2f} GB")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", type=int, default=400)
    parser.add_argument("--songs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scale", type=int, default=0, metavar="CLIPS")
    given = parser.parse_args()
    if given.parts:
        measure(given.parts, given.songs, given.seed)
    if given.scale:
        scale(given.scale)


if __name__ == "__main__":
    main()
