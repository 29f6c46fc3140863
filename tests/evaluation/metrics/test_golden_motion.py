"""Every stored number of the published motion metrics, for whatever cases the golden folder holds."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation.definitions import VARIANTS, Scaling
from evaluation.features.motion.feet import edge_contact_score, lodge_skating
from evaluation.features.motion.geometric import geometric_features_2d
from evaluation.features.motion.kinetic import kinetic_features
from evaluation.features.motion.published import align_axis, official_features, official_motion_beats
from evaluation.metrics.beats import NoBeatsError, official_alignment
from evaluation.metrics.distances import diversity, frechet_distance, official_frechet
from evaluation.metrics.scaling import scale_officially
from madata.files import read_json, read_npz
from madata.music import beat_vector, load_audio, lodge_beats, music_features, official_beats

pytestmark = pytest.mark.golden

# What the official 2D code believes it gets: COCO-17's order, x before y.
REPAIRED = [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 17, 18, 14, 5, *range(19, 25)]
MACE = VARIANTS["mace2d"]
BY_REFERENCE = Scaling(own=False, library="torch", epsilon=1e-4)


def expected_scalars(golden_file, prefix: str) -> dict:
    rows = read_json(golden_file.parent / f"{prefix}_expected.json")
    name = golden_file.stem.removeprefix(f"{prefix}_")
    if name not in rows:
        pytest.fail(f"{golden_file.name} has no row {name!r} in {prefix}_expected.json")
    return rows[name]["expected"]


@pytest.fixture
def compare(golden_deviations):
    def check(kind: str, got, expected, *, rtol: float = 0.0, atol: float = 0.0) -> None:
        got, expected = np.asarray(got, np.float64), np.asarray(expected, np.float64)
        np.testing.assert_array_equal(np.isnan(got), np.isnan(expected), err_msg=kind)
        finite = ~np.isnan(expected)
        if finite.any():
            difference = np.abs(got - expected)[finite]
            golden_deviations(kind, (difference / np.maximum(1.0, np.abs(expected[finite]))).max())
        np.testing.assert_allclose(got, expected, rtol=rtol, atol=atol, err_msg=kind)

    return check


def check_frechet(kind, reference, generated, rule, upstream, exact, golden_deviations):
    """The tolerances of the README: fewer samples than dimensions are not reproducible to the digit."""
    if exact is None or not (np.isfinite(reference).all() and np.isfinite(generated).all()):
        assert not isinstance(upstream, float), f"{kind}: upstream has a value where features are not finite"
        return
    mine = frechet_distance(generated, reference)
    golden_deviations(f"{kind} exact", abs(mine - exact) / max(1.0, abs(exact)))
    assert mine == pytest.approx(exact, abs=1e-3, rel=1e-5), kind
    if upstream is None:
        return
    official = official_frechet(generated, reference, rule)
    scarce = min(len(reference), len(generated)) <= reference.shape[1]
    golden_deviations(
        f"{kind} official{' (scarce)' if scarce else ''}", abs(official - upstream) / max(1.0, abs(upstream))
    )
    if upstream > 1e6:
        assert official == pytest.approx(upstream, rel=1e-5), kind
    elif scarce:
        near = official == pytest.approx(upstream, abs=4e-2, rel=1e-5)
        assert near or official == pytest.approx(exact, abs=1e-3, rel=1e-5), kind
    else:
        assert official == pytest.approx(upstream, abs=1e-4, rel=1e-5), kind


@pytest.mark.golden_files("motion/twod_*.npz")
def test_features_2d(golden_file, compare):
    case = read_npz(golden_file)
    for part in ("gt", "pred"):
        points = case[part].astype(np.float64)
        kinetic, geometric = official_features(points[..., :2], MACE)
        compare("2d kinetic", kinetic, case[f"{part}_k"], rtol=1e-5)
        compare("2d geometric", geometric, case[f"{part}_g"], atol=1e-6)
        repaired = points[:, :, REPAIRED][..., [1, 0]]
        compare("2d kinetic", kinetic_features(repaired, MACE.kinetic), case[f"remap_{part}_k"], rtol=1e-5)
        compare("2d geometric", geometric_features_2d(repaired), case[f"remap_{part}_g"], atol=1e-6)


@pytest.mark.golden_files("motion/twod_*.npz")
def test_distances_2d(golden_file, compare, golden_deviations):
    case, scalars = read_npz(golden_file), expected_scalars(golden_file, "twod")
    for kind in "kg":
        gt, pred = scale_officially(case[f"gt_{kind}"], case[f"pred_{kind}"], MACE.scaling)
        compare("2d normalised", gt, case[f"gt_{kind}_norm"], rtol=1e-5, atol=1e-5)
        compare("2d normalised", pred, case[f"pred_{kind}_norm"], rtol=1e-5, atol=1e-5)
        compare("2d DIV", diversity(gt), scalars[f"div_{kind}_gt"], rtol=1e-5)
        compare("2d DIV", diversity(pred), scalars[f"div_{kind}_pred"], rtol=1e-5)
        exact = scalars.get(f"fid_{kind}_eigh")
        check_frechet("2d FID", gt, pred, "lodge", scalars[f"fid_{kind}"], exact, golden_deviations)

        gt, pred = scale_officially(case[f"gt_{kind}"], case[f"pred_{kind}"], BY_REFERENCE)
        compare("2d DIV by reference", diversity(pred), scalars[f"gtnorm_div_{kind}_pred"], rtol=1e-5)
        upstream, exact = scalars[f"gtnorm_fid_{kind}"], scalars.get(f"gtnorm_fid_{kind}_eigh")
        check_frechet("2d FID by reference", gt, pred, "lodge", upstream, exact, golden_deviations)


@pytest.mark.golden_files("motion/twod_*.npz")
def test_beats_2d(golden_file, compare):
    case, scalars = read_npz(golden_file), expected_scalars(golden_file, "twod")
    music = [np.flatnonzero(row) for row in case["music_beats"]]
    for part in ("gt", "pred"):
        beats = official_motion_beats(case[part][..., :2].astype(np.float64), MACE)
        for got, row in zip(beats, case[f"motion_beats_{part}"], strict=True):
            np.testing.assert_array_equal(got, row[row >= 0])
        scores = [official_alignment(*pair, MACE.beats) for pair in zip(music, beats, strict=True)]
        compare("2d BA", scores, case[f"ba_{part}"], atol=1e-6)
        compare("2d BAS", np.mean(scores), scalars[f"bas_{part}"], atol=1e-6)


@pytest.mark.golden_files("motion/threed_*.npz")
@pytest.mark.parametrize("name", [name for name in VARIANTS if name != "mace2d"])
def test_variants_3d(golden_file, name, compare, golden_deviations):
    case, scalars = read_npz(golden_file), expected_scalars(golden_file, "threed")
    variant = VARIANTS[name]
    for part in ("gt", "pred"):
        kinetic, geometric = official_features(case[part], variant)
        compare(f"{name} kinetic", kinetic, case[f"{part}_{name}_k"], rtol=1e-5, atol=1e-4)
        compare(f"{name} geometric", geometric, case[f"{part}_{name}_g"], atol=1e-6)
    for kind in "kg":
        row = scalars[f"{name}_{kind}"]
        gt, pred = scale_officially(case[f"gt_{name}_{kind}"], case[f"pred_{name}_{kind}"], variant.scaling)
        upstream = row["fid"] if isinstance(row["fid"], float) else row.get("fid_scipy_1_17")
        check_frechet(
            f"{name} FID", gt, pred, variant.frechet, upstream, row.get("fid_eigh"), golden_deviations
        )
        for part, features in (("gt", gt), ("pred", pred)):
            if f"div_{part}" in row:
                compare(f"{name} DIV", diversity(features), row[f"div_{part}"], rtol=1e-5)


@pytest.mark.golden_files("motion/threed_*.npz")
def test_beats_3d(golden_file, compare):
    case = read_npz(golden_file)
    music = [np.flatnonzero(row) for row in case["music_beats"]]
    for part, name, column in (
        *(("gt", name, "sigma5") for name in ("lodge", "bailando", "megadance", "mace3d")),
        ("gt", "mint", "mint"),
        ("pred", "mint", "mint"),
        ("pred", "lodge", "sigma5"),
    ):
        found = official_motion_beats(case[part], VARIANTS[name])
        for got, row in zip(found, case[f"{part}_beats_{column}"], strict=True):
            np.testing.assert_array_equal(got, row[row >= 0])
    for name, column in (("lodge", "sigma5_lodge"), ("megadance", "sigma5_megadance"), ("mint", "mint")):
        rule = VARIANTS[name].beats
        beats = official_motion_beats(case["pred"], VARIANTS[name])
        scores = []
        for pair in zip(music, beats, strict=True):
            try:
                scores.append(official_alignment(*pair, rule))
            except NoBeatsError:
                scores.append(np.nan)
        compare("3d BA", scores, case[f"pred_bas_{column}"], atol=1e-6)


@pytest.mark.golden_files("motion/threed_*.npz")
def test_feet_3d(golden_file, compare):
    case = read_npz(golden_file)
    for part in ("gt", "pred"):
        clips = case[part]
        compare("FSR", [lodge_skating(clip) for clip in clips], case[f"{part}_fsr"], rtol=1e-4)
        z_up = np.stack([clips[..., 0], -clips[..., 2], clips[..., 1]], axis=-1)
        compare("PFC", [edge_contact_score(clip) for clip in z_up], case[f"{part}_pfc_edge_zup"], rtol=1e-4)
        turned = [edge_contact_score(clip) for clip in align_axis(clips)]
        compare("PFC", turned, case[f"{part}_pfc_mace3d_aligned"], rtol=1e-4)


@pytest.fixture(scope="module")
def audio_case():
    def read(golden_file) -> dict[str, np.ndarray]:
        stored = read_npz(golden_file.parent.parent / "audio_expected.npz")
        prefix = f"{golden_file.stem}/"
        return {key.removeprefix(prefix): value for key, value in stored.items() if key.startswith(prefix)}

    return read


@pytest.mark.golden_files("motion/audio/*.wav")
def test_official_beats(golden_file, audio_case, compare):
    pytest.importorskip("librosa")
    case = audio_case(golden_file)
    start = load_audio(golden_file, 8320).waveform[: len(case["y8320_first512"])]
    compare("audio samples", start, case["y8320_first512"], atol=1e-5)
    beats = official_beats(golden_file)
    compare("official beat times", beats, case["official_beat_times"], atol=1e-9)
    np.testing.assert_array_equal(beat_vector(beats, 64, 16), case["official_beat_vector_64_16"])
    np.testing.assert_array_equal(beat_vector(beats, 150, 30), case["official_beat_vector_150_30"])
    np.testing.assert_array_equal(lodge_beats(golden_file), case["lodge_bas_beats_30fps"])


@pytest.mark.golden_files("motion/audio/*.wav")
@pytest.mark.parametrize(
    ("stored", "layout", "fps"),
    [
        ("edge_baseline35_first150", "edge", 30),
        ("lodge35_30fps", "edge", 30),
        ("fact35_60fps", "edge", 60),
        ("megadance35_30fps", "megadance", 30),
    ],
)
def test_music_features(golden_file, stored, layout, fps, audio_case, compare):
    pytest.importorskip("librosa")
    case = audio_case(golden_file)
    if stored not in case:
        return  # EDGE's own code refuses a file shorter than five seconds
    expected = case[stored]
    values = music_features(golden_file, layout, fps).values
    if stored.startswith("edge_baseline35"):
        values = values[: len(expected)]
    assert values.shape == expected.shape
    chroma = slice(21, 33) if layout == "edge" else slice(20, 32)
    compare(f"{stored} one-hots", values[:, 33:], expected[:, 33:])
    rest = [column for column in range(33) if not chroma.start <= column < chroma.stop]
    compare(f"{stored} envelope and mfcc", values[:, rest], expected[:, rest], atol=1e-3)
    if layout == "edge" or _is_tonal(golden_file):
        compare(f"{stored} chroma", values[:, chroma], expected[:, chroma], atol=1e-4)


def _is_tonal(path) -> bool:
    """Chroma of what harmonic separation leaves of a click track is noise divided by its own maximum."""
    from madata.librosa_parts import librosa

    waveform = load_audio(path, 15360).waveform
    return bool(
        np.sqrt(np.mean(librosa.effects.hpss(waveform)[0] ** 2)) > 0.2 * np.sqrt(np.mean(waveform**2))
    )
