import json
from pathlib import Path

import numpy as np
import pytest
import torch

from baselines.hallo2.sound import load_wav2vec, neighbours, normalised, sound_features, wav2vec_of
from madata.errors import MadanceError, WeightsError


@pytest.mark.golden
@pytest.mark.golden_files("models_appearance/hallo2_audio_tiny*.npz")
def test_features_and_their_neighbours_are_the_releases(golden_file, golden_deviations):
    with np.load(golden_file) as archive:
        config = json.loads(str(archive["config"]))
        tensors = {
            name.removeprefix("sd::"): torch.from_numpy(archive[name])
            for name in archive.files
            if name.startswith("sd::")
        }
        network = wav2vec_of(config, tensors, Path("tiny"), torch.float32)
        for case in sorted({name.split("/")[0] for name in archive.files if "/wav" in name}):
            waveform = torch.from_numpy(archive[f"{case}/wav"])[0]
            features = sound_features(network, waveform, int(archive[f"{case}/seq_len"]))
            for found, kind in ((features, "features"), (neighbours(features), "windows5")):
                expected = archive[f"{case}/{kind}"]
                golden_deviations(f"Hallo2 sound {kind}", np.abs(found.numpy() - expected).max())
                np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_samples_are_centred_and_scaled():
    waveform = normalised(torch.tensor([1.0, 3.0, 5.0, 7.0]))
    assert waveform.mean().abs() < 1e-6
    assert waveform.square().mean() == pytest.approx(1, abs=1e-6)
    assert (normalised(torch.zeros(8)) == 0).all()


def test_a_folder_without_wav2vec_is_told(tmp_path):
    with pytest.raises(WeightsError, match="holds no weights"):
        load_wav2vec(tmp_path)
    torch.save({"a": torch.zeros(1)}, tmp_path / "pytorch_model.bin")
    with pytest.raises(MadanceError, match=r"config.json: no such file"):
        load_wav2vec(tmp_path)
