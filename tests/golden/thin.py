"""Write this folder from the full set: ``python tests/golden/thin.py FULL``.

Left out: footage and everything computed from it (cases named ``R...``), arrays that repeat at length what a short
one shows, and files that no test reads. What stays is stored unchanged, under the same names.
"""

from __future__ import annotations

import json
import shutil
import sys
from fnmatch import fnmatch
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

BANDS = (
    "band_100bpm_44100_stereo",
    "band_75bpm_48000_long",
    "click_120bpm_22050",
    "noise_22050",
    "tempo_change_90_to_140_22050",
)
TOO_LONG = {
    **{
        f"motion/twod_{case}.npz": ("*",)
        for case in ("pair_full", "uniform_noise", "long150", "rescaled_copy")
    },
    "motion/threed_set_full.npz": ("*",),
    **{f"motion/audio/{band}.wav": ("*",) for band in BANDS},
    "motion/audio_expected.npz": tuple(f"{band}/*" for band in BANDS),
    "appearance/frechet.npz": ("B_lowrank_40x400/*", "C_500x400/*"),
    "models_motion/motion_expert_net.npz": ("S150/*",),
    "models_motion/edge_net_abs_pos.npz": ("*",),
    "models_motion/edge_sample.npz": ("long/*",),
    "models_motion/edge_jukebox.layout.json": ("*",),
    "models_motion/selective_scan.npz": ("L300/*",),
    "models_motion/mamba_d16_s16_c4_e2.npz": ("*/L300", "*/L1024"),
    "models_motion/mamba_d32_s8_c4_e2.npz": ("*/L240",),
    "models_motion/mamba_d16_s4_c2_e3.npz": ("*",),
    "models_motion/mamba_stress_large_dt.npz": ("*/L300", "*/L1024"),
    "models_motion/fact.npz": ("out/generate_all",),
    "models_motion/bailando_reward.npz": ("*",),
    "models_motion/motion_expert_sample.npz": ("*",),
    "models_motion/bailando_sepvqvae.npz": ("*",),
    "models_motion/bailando_sepvqvae.layout.json": ("*",),
    "models_motion/bailando_sepvqvae_root.npz": ("T240/*",),
    "models_motion/bailando_gpt.npz": ("*",),
    "models_motion/bailando_gpt.layout.json": ("*",),
    "models_motion/mnet.npz": ("sd/dis.*", "in/long_audio", "out/inference", "out/motion_*"),
    "models_motion/mega_gpt.npz": tuple(
        f"sd/*.genre_swab.{expert}.*" for expert in range(16) if expert not in (0, 5, 15)
    ),
    **{
        f"models_motion/{name}": ("*",)
        for name in (
            "lodge_discriminator.npz",
            "lodge_global_net.npz",
            "lodge_global.layout.json",
            "lodge_inpaint_soft1.npz",
            "mega_fsq.npz",
            "mega_fsq_down.npz",
            "mega_fsq_up.npz",
            "mega_gpt.layout.json",
        )
    },
    **{
        f"models_appearance/{name}": ("*",)
        for name in (
            "animate_anyone_moore_state_dicts.json",
            "animate_anyone_tiny.npz",
            "animate_anyone_tiny_shapes.json",
            "ddim_schedules.npz",
            "hallo2_audio_tiny.npz",
            "hallo2_state_dicts.json",
            "hallo2_tiny.npz",
            "hallo2_tiny_shapes.json",
            "magic_animate_state_dicts.json",
            "magic_animate_tiny.npz",
            "magic_animate_tiny_shapes.json",
            "wan_dancer_condition.npz",
            "wan_dancer_forward_global.npz",
            "wan_dancer_forward_local.npz",
            "wan_dancer_injector.npz",
            "wan_dancer_keyframes.npz",
            "wan_dancer_layout.json",
            "wan_dancer_letterbox.npz",
            "wan_dancer_music_encoder_global.npz",
            "wan_dancer_music_encoder_local.npz",
            "wan_dancer_music_features_16k_short.npz",
            "wan_dancer_music_features_8k.npz",
            "wan_dancer_rope.npz",
            "wan_dancer_sampling_global.npz",
            "wan_dancer_sampling_local.npz",
            "wan_dancer_vae.npz",
            "wan_dancer_vae_tiles.npz",
        )
    },
}
"""Arrays (or whole files, ``*``) that cost much and check what others check."""

RECOMPUTED = {
    "appearance/vbench_toy_scores.json": ("dataset",),
    "appearance/formula_scores.json": ("end_to_end_VBench_evaluate",),
}
"""Numbers over a whole set that holds footage: they mean nothing without it."""


NOISE = ("P01_noise", "S03_noise")
"""Synthetic clips that no codec makes small."""


def is_left_out(name: str) -> bool:
    """Names of the cases are S (synthetic), R (real) and P (pairs, of either)."""
    return (name.startswith("R") and name[1:2].isdigit()) or name.startswith(NOISE)


def pairs_left_out(full: Path) -> set[str]:
    """Pairs of clips whose reference is left out."""
    pairs = json.loads((full / "appearance/pairs.json").read_text("utf-8"))
    return {name for name, row in pairs.items() if is_left_out(row["source"])}


def thinned(value: object, dropped: set[str]) -> object:
    """A JSON value without the rows of cases that are left out."""
    if isinstance(value, dict):
        kept = {key: row for key, row in value.items() if not is_left_out(key) and key not in dropped}
        return {key: thinned(row, dropped) for key, row in kept.items()}
    return value


def write_json(source: Path, target: Path, dropped: set[str]) -> None:
    """Copy a table of cases, or write it without what is dropped."""
    value = json.loads(source.read_text("utf-8"))
    kept = thinned(value, dropped)
    if kept == value:
        shutil.copyfile(source, target)
    else:
        target.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")


def write_arrays(source: Path, target: Path, dropped: tuple[str, ...]) -> None:
    """Copy an archive, or repack it without what is dropped."""
    with np.load(source) as archive:
        kept = [
            name
            for name in archive.files
            if not is_left_out(name) and not any(fnmatch(name, pattern) for pattern in dropped)
        ]
        if len(kept) == len(archive.files):
            shutil.copyfile(source, target)
        elif kept:
            np.savez_compressed(target, **{name: archive[name] for name in kept})


def thin(full: Path, here: Path, read: set[str]) -> None:
    """Copy what stays of ``full`` to ``here``; ``read`` are the patterns of the files that tests read."""
    pairs = pairs_left_out(full)
    for source in sorted(path for path in full.rglob("*") if path.is_file()):
        name = source.relative_to(full).as_posix()
        left_out = is_left_out(source.name) or source.name.startswith(tuple(pairs))
        if left_out or source.name == "README.md" or not any(fnmatch(name, pattern) for pattern in read):
            continue
        target = here / name
        target.parent.mkdir(parents=True, exist_ok=True)
        dropped = TOO_LONG.get(name, ())
        if source.suffix == ".json" and name.startswith("appearance/"):
            cases = {pattern.removesuffix("/*") for pattern in TOO_LONG.get(f"{name[:-5]}.npz", ())}
            write_json(source, target, pairs | cases | set(RECOMPUTED.get(name, ())))
        elif source.suffix == ".npz":
            write_arrays(source, target, dropped)
        elif not dropped:
            shutil.copyfile(source, target)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    from tests.test_golden_inventory import COMPANIONS, read_by_tests

    thin(Path(sys.argv[1]).resolve(), HERE, read_by_tests() | COMPANIONS)
