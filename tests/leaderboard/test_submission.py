"""An archive is believed for what its files show, and rejected with the precise reason."""

import errno
import json
import shutil
import stat
import zipfile

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from evaluation.options import Options, RunOptions
from evaluation.result import read_result, seal, write_result
from evaluation.scoring import rescore, score
from leaderboard.archive import Limits
from leaderboard.commands.submission import submission as command
from leaderboard.entries import read_entries
from leaderboard.recheck import check_features, check_numbers
from leaderboard.submission import Expected, pack, verify, verify_all
from madata.errors import MadanceError
from madata.files import read_npz, sha256_bytes, sha256_file, write_npz
from tests.leaderboard.runs import PROTOCOL, change, change_metric, rewrite


@pytest.fixture
def archive(runs):
    return pack(
        runs / "good",
        runs / "good.zip",
        predictions=runs / "good-clips",
        card={"paper": "A paper", "licence": "MIT"},
    )


def codes(verdict):
    return {fault.code for fault in verdict.faults}


def repack(runs, name="good"):
    """Put a forged run into an archive past our own packer."""
    files = {
        file: (runs / name / file).read_bytes() for file in ("result.json", "features.npz", "samples.parquet")
    }
    files["card.json"] = b"{}"
    target = runs / "forged.zip"
    manifest = {
        "schema": "madance.submission/1",
        "result": read_result(runs / name / "result.json").id,
        "files": {file: {"sha256": sha256_bytes(data), "bytes": len(data)} for file, data in files.items()},
    }
    with zipfile.ZipFile(target, "w") as opened:
        for file, data in {**files, "submission.json": json.dumps(manifest).encode()}.items():
            opened.writestr(file, data)
    return target


def forge_features(runs, edit):
    """Change arrays of the features and make every hash right again."""
    path = runs / "good" / "features.npz"
    arrays = read_npz(path)
    edit(arrays)
    write_npz(path, **arrays)
    result = read_result(runs / "good" / "result.json")
    features = result.artefacts["features"].model_copy(update={"sha256": sha256_file(path)})
    change(runs / "good", artefacts={**result.artefacts, "features": features})
    return repack(runs)


def test_an_honest_archive_reaches_level_1(archive, runs):
    verdict = verify(archive, Expected(against=tuple(read_entries([runs / "ground-truth"]))))
    assert (verdict.level, verdict.faults) == (1, ())
    assert any("features again" in line for line in verdict.checked)
    assert any("level 2" in line for line in verdict.open)


def test_packing_twice_gives_the_same_bytes(archive, runs):
    again = pack(
        runs / "good",
        runs / "again.zip",
        predictions=runs / "good-clips",
        card={"paper": "A paper", "licence": "MIT"},
    )
    assert again.read_bytes() == archive.read_bytes()


def scorer(runs):
    def remeasure(predictions, stated):
        return score(
            predictions, runs / "real", PROTOCOL, music=runs / "music", options=Options(system="again")
        ).result

    return remeasure


@pytest.fixture
def heard(monkeypatch, runs):
    from evaluation.features import music as beat_finder

    monkeypatch.setenv("MADANCE_CACHE", str(runs / "cache"))
    monkeypatch.setattr(
        beat_finder,
        "beats_of_file",
        lambda path, method: (np.arange(0.1, 6, 0.4 + path.read_bytes()[0] / 2000), 1.0),
    )


def test_predictions_that_measure_the_same_reach_level_2_and_again_level_3(archive, runs, heard):
    assert verify(archive, remeasure=scorer(runs)).level == 2
    assert verify(archive, remeasure=scorer(runs), regenerated=runs / "good-clips").level == 3
    other = verify(archive, remeasure=scorer(runs), regenerated=runs / "real")
    assert other.level == 2
    assert "level 3 does not hold" in other.open[-1]


def test_features_that_are_not_of_the_predictions_are_found_at_level_2(runs, heard):
    """Somebody invents features, and makes samples, numbers and hashes of them: only the files can tell."""
    forge_features(
        runs, lambda arrays: arrays.update({"prediction/kinetic": arrays["reference/kinetic"] + 0.05})
    )
    run = runs / "good"
    measurement, _ = rescore(run / "features.npz")
    table = pd.read_parquet(run / "samples.parquet")
    for name, values in measurement.samples.items():
        table.loc[table["metric"] == name, "value"] = values
    table.to_parquet(run / "samples.parquet")
    artefacts = read_result(run / "result.json").artefacts
    samples = artefacts["samples"].model_copy(update={"sha256": sha256_file(run / "samples.parquet")})
    change(run, metrics=measurement.metrics, artefacts={**artefacts, "samples": samples})
    forged = pack(run, runs / "forged.zip", predictions=runs / "good-clips")
    assert verify(forged).level == 1
    verdict = verify(forged, remeasure=scorer(runs))
    assert codes(verdict) == {"changed_features"}
    assert "when measured again" in verdict.faults[0].message


def test_a_changed_number_is_named(runs):
    change_metric(runs / "good", "fid_k", value=0.5)
    verdict = verify(repack(runs))
    assert codes(verdict) == {"changed_number"}
    assert "fid_k" in verdict.faults[0].message
    assert "0.5" in verdict.faults[0].message


@pytest.mark.parametrize("field", ["ci95", "noise_floor", "n", "caution", "reference"])
def test_nothing_beside_a_number_can_be_changed_either(runs, field):
    change_metric(
        runs / "good", "div_k", **{field: {"ci95": (9.0, 9.1), "n": 500, "caution": "none"}.get(field, 1.0)}
    )
    assert codes(verify(repack(runs))) == {"changed_number"}


def test_a_number_left_out_is_named(runs):
    metrics = [
        metric for metric in read_result(runs / "good" / "result.json").metrics if metric.name != "fid_g"
    ]
    change(runs / "good", metrics=metrics)
    assert "left out" in verify(repack(runs)).faults[0].message


def test_an_edit_by_hand_is_named(archive):
    def edit(files):
        files["result.json"] = (
            files["result.json"].replace(b'"fid_k"', b'"fid_k"', 1).replace(b'"unit": ""', b'"unit": "x"', 1)
        )

    assert codes(verify(rewrite(archive, edit))) == {"changed_number"}


def test_changed_features_are_named(archive):
    def edit(files):
        files["features.npz"] = files["features.npz"][:-5] + b"xxxxx"

    assert codes(verify(rewrite(archive, edit, honest=False))) == {"changed_features"}
    assert codes(verify(rewrite(archive, edit))) == {"changed_features"}


def test_other_features_under_right_hashes_give_other_numbers(runs):
    forged = forge_features(
        runs, lambda arrays: arrays.update({"prediction/kinetic": arrays["prediction/kinetic"] * 0.5})
    )
    assert codes(verify(forged)) == {"changed_number"}


def test_forged_real_clips_are_found_against_a_trusted_run(runs):
    forged = forge_features(
        runs, lambda arrays: arrays.update({"reference/kinetic": arrays["reference/kinetic"] * 1.1})
    )
    verdict = verify(forged, Expected(against=tuple(read_entries([runs / "ground-truth"]))))
    assert "changed_features" in codes(verdict)


def test_a_changed_sample_is_named(runs):
    path = runs / "good" / "samples.parquet"
    table = pd.read_parquet(path)
    table.loc[table["metric"] == "bas", "value"] = 0.99
    table.to_parquet(path)
    result = read_result(runs / "good" / "result.json")
    samples = result.artefacts["samples"].model_copy(update={"sha256": sha256_file(path)})
    change(runs / "good", artefacts={**result.artefacts, "samples": samples})
    verdict = verify(repack(runs))
    assert codes(verdict) == {"changed_sample"}
    assert "bas of c000" in verdict.faults[0].message


def test_a_wrong_protocol_hash_is_named(runs):
    protocol = read_result(runs / "good" / "result.json").protocol
    change(runs / "good", protocol=protocol.model_copy(update={"sha256": "0" * 64}))
    verdict = verify(repack(runs))
    assert codes(verdict) == {"wrong_protocol"}
    assert "000000000000" in verdict.faults[0].message


def test_an_easier_protocol_under_the_same_name_is_found(runs):
    def edit(arrays):
        text = json.loads(str(arrays["fact/protocol"]))
        text["statistics"]["resamples"] = 100
        arrays["fact/protocol"] = np.array(json.dumps(text))

    assert codes(verify(forge_features(runs, edit))) == {"wrong_protocol"}


def test_another_split_is_named(runs):
    dataset = read_result(runs / "good" / "result.json").dataset
    change(runs / "good", dataset=dataset.model_copy(update={"split": "val"}))
    forged = repack(runs)
    assert codes(verify(forged, Expected(split="test"))) == {"other_split"}
    assert codes(verify(forged, Expected(against=tuple(read_entries([runs / "ground-truth"]))))) == {
        "other_split"
    }


def test_a_missing_clip_is_named(archive, runs):
    clips = frozenset(f"c{number:03d}" for number in range(17))
    verdict = verify(archive, Expected(clips=clips))
    assert codes(verdict) == {"missing_clip"}
    assert "c016" in verdict.faults[0].message
    assert codes(verify(archive, Expected(clips=frozenset(sorted(clips)[:15])))) == {"other_split"}

    def drop(arrays):
        kept = ("_columns", "_beats", "_beats/sizes")
        for name in [name for name in arrays if name.startswith("prediction/") and not name.endswith(kept)]:
            arrays[name] = arrays[name][:-1]
        for name in ("motion_beats", "music_beats"):
            sizes = arrays[f"prediction/{name}/sizes"]
            arrays[f"prediction/{name}/sizes"] = sizes[:-1]
            arrays[f"prediction/{name}"] = arrays[f"prediction/{name}"][: sizes[:-1].sum()]

    assert codes(verify(forge_features(runs, drop))) == {"missing_clip"}


def test_a_missing_or_changed_prediction_is_named(archive):
    assert codes(verify(rewrite(archive, lambda files: files.pop("predictions/c003.json")))) == {
        "missing_clip"
    }
    assert codes(verify(rewrite(archive, lambda files: files.update({"predictions/c003.json": b"{}"})))) == {
        "changed_file"
    }


def test_nan_is_named(archive, runs):
    def edit(files):
        text = files["result.json"].decode()
        files["result.json"] = text.replace('"noise_floor": null', '"noise_floor": NaN', 1).encode()

    assert codes(verify(rewrite(archive, edit))) == {"not_finite"}

    for columns, value in ((slice(None), np.nan), (2, np.inf)):

        def poison(arrays, columns=columns, value=value):
            arrays["prediction/kinetic"][3, columns] = value

        verdict = verify(forge_features(runs, poison))
        assert codes(verdict) == {"not_finite"}
        assert "c003" in verdict.faults[0].message


def test_a_joint_that_is_never_seen_is_no_forgery(runs):
    """NaN in a few features is what the corrected protocols make of it, and numbers come out of it again."""
    entry = read_entries([runs / "good"])[0]
    sides = read_npz(entry.features)
    sides["prediction/kinetic"][3, 2] = np.nan
    write_npz(entry.features, **sides)
    assert check_features(entry.result, entry.features) == []


def test_a_result_with_intervals_of_an_earlier_method_still_has_its_numbers_checked(runs):
    entry = read_entries([runs / "good"])[0]

    def earlier(**changes):
        metrics = [
            one.model_copy(
                update={"ci95": (0.0, 99.0), "ci_method": "half-sampling", "caution": "once", **changes}
            )
            if one.name == "fid_k"
            else one
            for one in entry.result.metrics
        ]
        return check_numbers(entry.result.model_copy(update={"metrics": metrics}), entry.features)

    assert earlier() == []
    assert ["fid_k" in fault.message for fault in earlier(value=0.1)] == [True]
    assert earlier(ci_method="block-jackknife")


@pytest.mark.parametrize("name", ["result.json", "card.json", "submission.json"])
def test_an_unknown_field_is_named(archive, name):
    def edit(files):
        files[name] = json.dumps({**json.loads(files[name]), "bribe": 1}).encode()

    verdict = verify(rewrite(archive, edit))
    assert codes(verdict) == {"unknown_field"}
    assert "bribe" in verdict.faults[0].message


def test_a_duplicate_is_named(archive, runs):
    assert codes(verify(archive, Expected(board=tuple(read_entries([runs / "good"]))))) == {"duplicate"}
    other = shutil.copy(archive, runs / "b.zip")
    first, second = verify_all([archive, other], Expected())
    assert first.accepted
    assert codes(second) == {"duplicate"}


def test_a_renamed_copy_is_a_duplicate(runs):
    board = tuple(read_entries([runs / "good"]))
    system = read_result(runs / "good" / "result.json").system
    change(runs / "good", system=system.model_copy(update={"name": "mine"}))
    assert codes(verify(repack(runs), Expected(board=board))) == {"duplicate"}


def test_a_clip_that_counts_twice_is_a_duplicate(runs):
    def edit(arrays):
        arrays["prediction/clip_ids"][1] = arrays["prediction/clip_ids"][0]

    assert "duplicate" in codes(verify(forge_features(runs, edit)))


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "/etc/passwd",
        "a/../../evil",
        "predictions/../../x",
        "..\\evil",
        "C:evil",
        "a/b/c",
        ".hidden",
        "predictions/..",
    ],
)
def test_an_archive_cannot_leave_its_folder(archive, runs, name):
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr(name, b"x")
    assert codes(verify(archive)) == {"escapes"}
    assert not (runs.parent / "evil").exists()


def test_links_and_double_names_are_refused(archive, runs):
    copy = shutil.copy(archive, runs / "link.zip")
    with zipfile.ZipFile(copy, "a") as opened:
        link = zipfile.ZipInfo("predictions/link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        opened.writestr(link, "/etc/passwd")
    assert codes(verify(copy)) == {"escapes"}
    with zipfile.ZipFile(archive, "a") as opened, pytest.warns(UserWarning):
        opened.writestr("result.json", b"{}")
    assert codes(verify(archive)) == {"duplicate"}


def test_an_archive_cannot_inflate_without_bound(archive, runs):
    bomb = shutil.copy(archive, runs / "bomb.zip")
    with zipfile.ZipFile(bomb, "a", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("predictions/c0.json", b"0" * (20 << 20))
    assert codes(verify(bomb)) == {"too_large"}
    many = shutil.copy(archive, runs / "many.zip")
    assert codes(verify(many, limits=Limits(files=10))) == {"too_large"}
    assert codes(verify(many, limits=Limits(total_bytes=1000))) == {"too_large"}


def test_features_cannot_inflate_or_lie_about_their_size(runs):
    bomb = forge_features(runs, lambda arrays: arrays.update({"prediction/kinetic": np.zeros((2000, 2000))}))
    assert codes(verify(bomb)) == {"too_large"}
    path = runs / "good" / "features.npz"
    with zipfile.ZipFile(path, "w") as opened, opened.open("prediction/kinetic.npy", "w") as stream:
        np.lib.format.write_array_header_1_0(
            stream, {"descr": "<f8", "fortran_order": False, "shape": (10**9, 100)}
        )
    result = read_result(runs / "good" / "result.json")
    features = result.artefacts["features"].model_copy(update={"sha256": sha256_file(path)})
    change(runs / "good", artefacts={**result.artefacts, "features": features})
    assert codes(verify(repack(runs))) == {"bad_features"}


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06", b"not a zip" * 100])
def test_what_is_no_archive_is_said_to_be_none(tmp_path, content):
    (tmp_path / "x.zip").write_bytes(content)
    verdict = verify(tmp_path / "x.zip")
    assert not verdict.accepted
    assert codes(verdict) <= {"bad_zip", "missing_file", "escapes"}


def test_a_truncated_upload_is_called_truncated(archive, runs):
    """Cut behind the features, whose own directory then seems to be that of the archive, as well as anywhere else."""
    whole = archive.read_bytes()
    with zipfile.ZipFile(archive) as opened:
        behind_features = opened.getinfo("result.json").header_offset
    for end in (behind_features, len(whole) // 2, len(whole) - 10):
        (runs / "cut.zip").write_bytes(whole[:end])
        assert codes(verify(runs / "cut.zip")) == {"truncated"}


def test_a_full_disk_is_no_fault_of_the_archive(archive, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("leaderboard.archive._unpack_member", full)
    with pytest.raises(MadanceError, match=r"disk of .* is full"):
        verify(archive)


def test_deep_json_is_refused(archive):
    assert codes(
        verify(rewrite(archive, lambda files: files.update({"result.json": b"[" * 100_000}), honest=False))
    ) & {"changed_file", "bad_json"}


def test_what_would_not_verify_is_not_packed(runs):
    with pytest.raises(MadanceError, match="partial"):
        pack(runs / "part" / "half", runs / "x.zip")
    with pytest.raises(MadanceError, match="not in it"):
        pack(runs / "good", runs / "x.zip", predictions=runs / "real")
    with pytest.raises(MadanceError, match="card: there is no field stars"):
        pack(runs / "good", runs / "x.zip", card={"stars": 5})
    change_metric(runs / "good", "fid_k", value=0.5)
    with pytest.raises(MadanceError, match="fid_k"):
        pack(runs / "good", runs / "x.zip")
    (runs / "stiff" / "features.npz").unlink()
    with pytest.raises(MadanceError, match=r"needs features\.npz"):
        pack(runs / "stiff", runs / "x.zip")


def test_the_verbs(archive, runs):
    run = CliRunner().invoke(command, ["pack", str(runs / "stiff"), "--out", str(runs / "s.zip")])
    assert run.exit_code == 0
    good = CliRunner().invoke(
        command, ["verify", str(archive), str(runs / "s.zip"), "--against", str(runs / "ground-truth")]
    )
    assert good.exit_code == 0
    assert "level 1, re-scored (good)" in good.stdout
    bad = CliRunner().invoke(command, ["verify", str(archive), "--split", "test", "--json"])
    assert bad.exit_code == 3
    assert json.loads(bad.stdout)[0]["faults"][0]["code"] == "other_split"
    with pytest.raises(MadanceError, match=r"none\.zip: no such file"):
        CliRunner().invoke(command, ["verify", "none.zip", str(archive)], catch_exceptions=False)


def test_a_stated_level_counts_for_nothing(runs):
    result = read_result(runs / "good" / "result.json")
    said = result.verification.model_copy(update={"level": 3, "by": "me"})
    write_result(runs / "good" / "result.json", seal(result.model_copy(update={"verification": said})))
    assert verify(repack(runs)).level == 1


@pytest.mark.parametrize("method", ["half-sampling", "jackknife"])
def test_an_interval_by_a_method_nobody_computes_again_reaches_no_level(runs, method):
    stated = read_result(runs / "good" / "result.json").metric("div_k")
    forged = (stated.value - 1e-3, stated.value + 1e-3)
    change_metric(runs / "good", "div_k", ci95=forged, ci_method=method)
    verdict = verify(repack(runs))
    assert verdict.accepted and verdict.level == 0
    assert "intervals of div_k are of a method of an earlier version" in " ".join(verdict.open)


def test_an_interval_by_a_method_nobody_knows_is_a_changed_number(runs):
    change_metric(runs / "good", "div_k", ci95=(0.0, 1.0), ci_method="exact")
    verdict = verify(repack(runs))
    assert not verdict.accepted and codes(verdict) == {"changed_number"}


def test_a_board_takes_results_of_its_own_options(runs):
    change(runs / "good", options=RunOptions(resample_fps=30.0))
    trusted = read_entries([runs / "ground-truth"])[0]
    verdict = verify(repack(runs), Expected(against=(trusted,)))
    assert "options --resample 30, the board has none" in str(verdict.faults[0])
