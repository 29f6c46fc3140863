"""MEGADance's codes, GPT and classifier against upstream's numbers and names, and what they promise."""

import json

import numpy as np
import pytest
import torch

from baselines.megadance.classifier import GenreClassifier
from baselines.megadance.model import motion_of_pose_vectors
from baselines.megadance.network import GenreGpt, GenreGptConfig, choose_codes, genre_gpt_loss
from baselines.megadance.pose_codes import PoseCodes, PoseCodesConfig, ScalarQuantiser, pose_vectors
from madata.errors import ConfigError
from madata.rotations import axis_angle_to_matrix, matrix_to_axis_angle, rot6d_to_axis_angle, rot6d_to_matrix
from tests.mace_dance.motion.golden import deviation, tensor, tensors, weights_of

SMALL = GenreGptConfig(
    codes=9,
    music_features=5,
    width=8,
    heads=2,
    layers=2,
    genres=3,
    output=6,
    window=4,
    context=7,
    dropout=0.0,
)


def gpt(seed=0):
    torch.manual_seed(seed)
    made = GenreGpt(SMALL).eval()
    for name, value in made.named_parameters():
        if "A_log" not in name and "dt_proj" not in name:
            torch.nn.init.normal_(value, std=0.5)
    return made


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/mega_fsq*.npz")
def test_golden_megadance_codes(golden_file, golden_deviations):
    stored, made_of = np.load(golden_file), np.load(weights_of(golden_file))
    state = tensors(made_of, "sd/")
    wanted = torch.tensor(stored["out/index"][..., 0]).long()
    if not any(name.startswith("encoder.") for name in state):
        levels = tuple(int(each) for each in made_of["levels"])
        quantiser = ScalarQuantiser(levels, len(state["bottleneck.project_out.bias"]))
        quantiser.load_state_dict({name.removeprefix("bottleneck."): each for name, each in state.items()})
        x = tensor(stored["in/x"])
        with torch.no_grad():
            projected = quantiser.project_in(x.transpose(1, 2))
            decoded = quantiser.decode(wanted)
        golden_deviations("megadance projected", deviation(projected, stored["out/projected"]))
        codes, quantised = quantiser(x)
        # The library's table of codes was rounded to half precision in making the file: 2 / 3 is 0.6665 there.
        golden_deviations("megadance from codes", deviation(decoded, stored["out/from_index"], atol=2e-4))
        golden_deviations("megadance from codes", deviation(decoded, stored["out/quantised"]))
    else:
        half = "UP" if len(state["decoder.decoders.0.out.bias"]) == 90 else "DOWN"
        width = state["encoder.encoders.0.level_blocks.0.model.0.0.weight"].shape[0]
        code_width = len(state["quantizer.bottleneck.project_out.bias"])
        made = PoseCodes(PoseCodesConfig(width=width, code_width=code_width)).eval()
        parts = [made.get_submodule(f"Pose_{half}_{part}") for part in ("Encoder", "Quantizer", "Decoder")]
        for name, part in zip(("encoder.", "quantizer.", "decoder."), parts, strict=True):
            part.load_state_dict(tensors(made_of, f"sd/{name}"))
        encoder, quantiser, decoder = parts
        with torch.no_grad():
            encoded = encoder(tensor(stored["in/x"]))
            codes, quantised = quantiser.bottleneck(encoded)
            decoded = decoder(quantised)
        golden_deviations("megadance encoded", deviation(encoded, stored["out/encoded"]))
        golden_deviations("megadance decoded", deviation(decoded, stored["out/decoded"]))
    assert torch.equal(codes, wanted)
    golden_deviations("megadance quantised", deviation(quantised, stored["out/quantised"]))


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/mega_gpt*.npz")
def test_golden_megadance_gpt(golden_file, golden_deviations):
    stored = np.load(golden_file)
    state = tensors(np.load(weights_of(golden_file)), "sd/")
    codes, width = state["dance_decoder.pose_up_emb.weight"].shape
    layers = {name.split(".")[2] for name in state if ".decoder_layers." in name}
    output = len(state["dance_decoder.MLP_Output.0.bias"])
    made = GenreGpt(
        GenreGptConfig(codes=codes, width=width, heads=4, layers=len(layers), output=output)
    ).eval()
    absent, foreign = made.load_state_dict(state, strict=False)
    upper, lower, music, genre = (tensor(stored[f"in/{name}"]) for name in ("up", "down", "music", "label"))
    # The part of the numbers in the repository holds the experts that are asked.
    experts = {int(name.split("genre_swab.")[1].split(".")[0]) for name in absent}
    assert not foreign and not experts & set(genre.tolist())
    with torch.no_grad():
        logits = made(upper, lower, music, genre)
        before = made(upper[:, :-1], lower[:, :-1], music[:, :-1], genre)
        found = dict(zip(("logits_up", "logits_down"), logits, strict=True))
        found["loss"] = genre_gpt_loss(before, upper[:, 1:], lower[:, 1:])
    for name, value in found.items():
        golden_deviations(f"megadance {name}", deviation(value, stored[f"out/{name}"]))
    song = tensor(stored["in/long_music"])
    expected = [tensor(stored[f"out/{name}"]) for name in ("infer_up", "infer_down")]
    ours = choose_codes(made, *(each[:, :1] for each in expected), song, genre[: len(song)])
    assert torch.equal(ours[0], expected[0]) and torch.equal(ours[1], expected[1])


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/mega_rotations*.npz")
def test_golden_megadance_rotations(golden_file, golden_deviations):
    stored = np.load(golden_file)
    given = tensor(stored["in/aa"])
    for rotation, six, back in zip(given, stored["out/six"], stored["out/six_to_aa"], strict=True):
        ours = pose_vectors(rotation.reshape(-1, 24, 3), torch.zeros(len(rotation), 3))[:, 3:]
        golden_deviations("megadance rotations", deviation(ours, six, rtol=0, atol=2e-6))
        there = rot6d_to_matrix(ours.reshape(-1, 24, 6))
        same = deviation(there, axis_angle_to_matrix(tensor(back).reshape(-1, 24, 3)), rtol=0, atol=2e-4)
        golden_deviations("megadance axis-angles", same)
    matrices = rot6d_to_matrix(tensor(stored["in/raw6"]).reshape(-1, 6))
    golden_deviations(
        "megadance rotations", deviation(matrices, stored["out/raw6_to_matrix"], rtol=0, atol=2e-6)
    )
    ours = matrix_to_axis_angle(matrices)
    # Their arc cosine and their clamp lose digits near the identity and near half a turn.
    angle = ours.norm(dim=-1)
    clear = (angle > 0.05) & (angle < 3.0)
    for name in ("raw6_to_aa", "matrix_to_aa_clamped"):
        theirs = tensor(stored[f"out/{name}"]).reshape(-1, 3)
        same = deviation(ours[clear], theirs[clear], rtol=0, atol=2e-5)
        golden_deviations("megadance axis-angles", same)
    for path, steps in zip(stored["in/trans"], stored["out/root_vel"], strict=True):
        ours = pose_vectors(torch.zeros(len(path), 24, 3), torch.from_numpy(path))
        golden_deviations("megadance root", deviation(ours[:, :3], steps, rtol=0, atol=2e-6))
        motion = motion_of_pose_vectors(ours.numpy())
        moved = motion.translation - motion.translation[0]
        golden_deviations("megadance root", deviation(moved, path - path[0], rtol=1e-5, atol=2e-6))


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/mega_*.layout.json")
def test_golden_megadance_has_the_published_tensors(golden_file):
    layout = json.loads(golden_file.read_text())
    with torch.device("meta"):
        made = {
            "mega_sepfsq": lambda: PoseCodes(PoseCodesConfig()),
            "mega_gpt": lambda: GenreGpt(GenreGptConfig()),
            "mega_cls": lambda: GenreClassifier(),
        }[golden_file.name.split(".")[0]]()
    expected = {name: each["shape"] for name, each in layout["state_dict"].items()}
    assert {name: list(value.shape) for name, value in made.state_dict().items()} == expected
    count = layout["parameters"] or layout["parameters_without_smpl"]
    assert sum(value.numel() for value in made.parameters()) == count


def test_what_is_kept_of_the_past_changes_nothing():
    made, music, genre = gpt(), torch.randn(2, 10, 5), torch.tensor([0, 2])
    first = torch.tensor([[1], [2]]), torch.tensor([[3], [4]])
    upper, lower, sure = choose_codes(made, *first, music, genre)
    assert upper.shape == (2, 10) and (sure < 0).all()
    total = torch.zeros(2)
    for step in range(9):
        seen = slice(max(0, step - 3), step + 1)
        with torch.no_grad():
            logits = made(upper[:, seen], lower[:, seen], music[:, seen], genre)
        for found, codes in zip(logits, (upper, lower), strict=True):
            assert torch.equal(found[:, -1].argmax(-1), codes[:, step + 1])
            total += found[:, -1].log_softmax(-1).amax(-1)
    torch.testing.assert_close(sure, total / 18)


def test_a_position_sees_its_window_and_nothing_ahead():
    made = gpt()
    blocked = made.dance_decoder.decoder_layers[0].global_swab.attn.mask[0, 0]
    assert blocked[5].tolist() == [True, True, False, False, False, False, True]
    music, codes, genre = torch.randn(1, 6, 5), torch.randint(9, (2, 1, 6)), torch.tensor([1])
    with torch.no_grad():
        before = made(*codes, music, genre)
        later = music.clone()
        later[:, 4:] += 1
        after = made(*codes, later, genre)
        newest = made(*codes, music, genre, newest=True)
    for first, second, last in zip(before, after, newest, strict=True):
        torch.testing.assert_close(first[:, :4], second[:, :4], rtol=1e-5, atol=1e-5)
        assert (first[:, 4:] - second[:, 4:]).abs().max() > 1e-3
        torch.testing.assert_close(first[:, -1:], last, rtol=1e-5, atol=1e-5)


def test_each_song_goes_through_the_experts_of_its_genre():
    made, music, codes = gpt(), torch.randn(1, 5, 5).expand(3, -1, -1), torch.zeros(3, 1, dtype=torch.long)
    together = choose_codes(made, codes, codes, music, torch.tensor([2, 0, 2]))
    alone = choose_codes(made, codes[:1], codes[:1], music[:1], torch.tensor([2]))
    assert torch.equal(together[0][0], together[0][2]) and torch.equal(together[0][:1], alone[0])
    assert not torch.allclose(together[2][0], together[2][1])


def test_codes_come_back_and_gradients_pass():
    torch.manual_seed(0)
    plain = ScalarQuantiser((5, 3), 2)
    for projection, scale in (
        (plain.project_in, 1.2),
        (plain.project_out, 1.0),
    ):  # 1.2 undoes the bound well enough
        torch.nn.init.eye_(projection.weight).data.mul_(scale)
        torch.nn.init.zeros_(projection.bias)
    codes = torch.arange(15)[None]
    levels = plain.decode(codes)
    assert levels[0, 0, :5].tolist() == [-1, -0.5, 0, 0.5, 1] and levels[0, 1, ::5].tolist() == [-1, 0, 1]
    assert torch.equal(plain(levels)[0], codes)
    quantiser = ScalarQuantiser((5, 3), 4)
    x = torch.randn(2, 4, 6, requires_grad=True)
    found, out = quantiser(x)
    torch.testing.assert_close(quantiser.decode(found), out)
    out.sum().backward()
    assert x.grad.abs().sum() > 0
    with pytest.raises(ConfigError, match="levels are odd"):
        ScalarQuantiser((4,), 4)


def test_the_classifier_halves_the_clock_and_takes_any_length():
    torch.manual_seed(0)
    made = GenreClassifier(width=8, heads=2, layers=2).eval()
    with torch.no_grad():
        assert made(torch.randn(2, 5, 147)).shape == (2, 20)


def test_wrong_shapes_are_refused():
    codes = PoseCodes(PoseCodesConfig(levels=(3, 3), code_width=4, width=4, depth=1))
    with pytest.raises(ConfigError, match="multiple of 8"):
        codes.encode(torch.zeros(1, 12, 147))
    many = torch.zeros(1, 8, dtype=torch.long)
    with pytest.raises(ConfigError, match="N at most 7"):
        gpt()(many, many, torch.zeros(1, 8, 5), torch.tensor([0]))
    with pytest.raises(ValueError, match="multiple of heads"):
        GenreGptConfig(width=10, heads=3)
    with pytest.raises(ValueError, match="longer than the context"):
        GenreGptConfig(window=30)
    euler = pose_vectors(torch.tensor([[[0.0, 0.7, 0.0]]]).expand(2, 24, 3), torch.zeros(2, 3))[:, 3:]
    torch.testing.assert_close(  # a turn about one axis is read alike both ways
        rot6d_to_axis_angle(euler.reshape(2, 24, 6)), torch.tensor([0.0, 0.7, 0.0]).expand(2, 24, 3)
    )
