"""What the 3D baselines share: the files that a dry run asks for, the motion before the music, genres."""

import numpy as np
import pytest

from baselines.bailando.system import BailandoSystem
from baselines.edge.system import EdgeSystem
from baselines.fact.system import FactSystem
from baselines.lodge.system import LodgeSystem
from baselines.megadance.system import MegaDanceSystem
from baselines.mnet.system import MnetSystem
from baselines.motion_system import read_seed_motion
from evaluation.systems import Request
from mace_dance.motion.system import genre_label
from madata.errors import ConfigError, MediaError, WeightsError
from madata.motion import read_motion, resample, write_motion
from madata.synthetic.dance import make_dance


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.mark.parametrize(
    ("system", "there", "lacking"),
    [
        (BailandoSystem, [], r"sep_vqvae_root/ckpt/epoch_N\.pt"),
        (
            BailandoSystem,
            ["sep_vqvae_root/ckpt/epoch_9.pt"],
            r"actor_critic/ckpt/epoch_N\.pt or cc_motion_gpt",
        ),
        (EdgeSystem, [], r"no model folder, it has no config\.json"),
        (FactSystem, [], r"ckpt-N\.index"),
        (LodgeSystem, [], r"Global_Module/\*/checkpoints/epoch=N\.ckpt"),
        (LodgeSystem, ["Global_Module/a/checkpoints/epoch=1.ckpt"], "Local_Module"),
        (
            LodgeSystem,
            [f"{part}_Module/a/checkpoints/epoch=1.ckpt" for part in ("Global", "Local")],
            r"no Normalizer\.pth",
        ),
        (MegaDanceSystem, ["output/GPT/last/Model/model.pth"], r"output/GPT/N/Model/model\.pth"),
        (MegaDanceSystem, ["output/GPT/50/Model/model.pth", "Pretrained/mean.pt"], r"std\.pt: no such file"),
        (MnetSystem, [], r"no model folder, it has no config\.json"),
    ],
)
def test_a_plan_names_the_file_of_the_authors_that_is_not_there(tmp_path, system, there, lacking):
    request = Request("clip", "motion", None, None, None, None, 1.0, 30.0, (0, 0), 0, tmp_path)
    (tmp_path / "exp").mkdir()
    touch(tmp_path / "exp", *there)
    with pytest.raises(WeightsError, match=lacking):
        system(str(tmp_path / "exp")).plan(request, "cpu")
    with pytest.raises(WeightsError, match="no such"):
        system(str(tmp_path / "absent")).plan(request, "cpu")


def test_a_seed_motion_is_the_end_of_its_file_and_lasts_what_its_rate_says(tmp_path):
    path = tmp_path / "before.npz"
    write_motion(path, make_dance(3.0, fps=30, seed=2).motion)
    whole, seed = resample(read_motion(path), 60), read_seed_motion(path, 120, 60)
    np.testing.assert_array_equal(seed.rotation, whole.rotation[-120:])
    np.testing.assert_array_equal(seed.translation, whole.translation[-120:])
    write_motion(path, make_dance(2.0, fps=30, seed=2).motion)  # 119 frames at 60
    held = read_seed_motion(path, 120, 60)
    assert held.fps == 60 and len(held.rotation) == len(held.translation) == 120
    np.testing.assert_array_equal(held.rotation[0], held.rotation[1])
    assert np.abs(held.rotation[1] - held.rotation[2]).max() > 0
    write_motion(path, make_dance(1.97, fps=30, seed=2).motion)
    with pytest.raises(MediaError, match=r"before\.npz: lasts 1\.97 s, a seed motion 2\.00 s"):
        read_seed_motion(path, 120, 60)


@pytest.mark.parametrize("wanted", [True, 1.5, [1]])
def test_a_genre_is_a_name_or_a_label(wanted):
    with pytest.raises(ConfigError, match="a genre is a name or a label"):
        genre_label(wanted, ["jazz", "house"], 2, seed=0)
