"""Both stages on the tiny pipeline, from a data folder to the file that inference loads."""

import csv
import hashlib

import pytest
import torch

from mace_dance.appearance.adapter import BODY_ADAPTER, load_adapter
from mace_dance.appearance.load import load_pipeline
from mace_dance.appearance.lora import ADAPTER_NAME, load_lora
from mace_dance.appearance.tensors import read_safetensors
from mace_dance.appearance.tiny import tiny_pipeline
from mace_dance.training.appearance import store as store_module
from mace_dance.training.appearance.outputs import read_record
from mace_dance.training.appearance.task import train_appearance
from madata.errors import ConfigError, WeightsError
from madata.video import probe


@pytest.fixture
def train(prepared):
    """Train a stage for some steps: the task, and what came of it."""

    def run(stage, *overrides, steps=2, **options):
        ready = prepared(stage, f"loop.steps={steps}", *overrides, **options)
        task = ready.task("cpu")
        return task, train_appearance(task, ready.out, "cpu")

    return run


def state(network):
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


@torch.no_grad()
def output(network, task):
    batch = task.batch([0], None)
    return network.eval()(
        hidden_states=torch.cat([batch.target, batch.known], dim=1),
        timestep=torch.tensor([500.0]),
        encoder_hidden_states=batch.text,
        encoder_hidden_states_image=batch.picture,
        pose_hidden_states=batch.pose,
        face_pixel_values=torch.zeros(1, 3, 9, 16, 16),
        return_dict=False,
    )[0]


def assert_same_output(ours, theirs):
    """Equal weights give equal numbers up to float32: which kernel runs depends on where tensors lie in memory."""
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("layout", ["wan", "diffsynth"])
def test_kinematic_changes_the_body_adapter_alone_and_it_loads(train, tmp_path, layout):
    before = state(tiny_pipeline().transformer)
    task, trained = train("kinematic", layout=layout)
    after = state(task.transformer)
    assert {name for name in after if not torch.equal(after[name], before[name])} == set(BODY_ADAPTER)
    fresh = tiny_pipeline().transformer
    path = tmp_path / "run" / "adapter.safetensors"
    assert load_adapter(fresh, path).ignored == ()
    assert all(torch.equal(value, after[name]) for name, value in state(fresh).items())
    assert_same_output(output(fresh, task), output(task.transformer, task))
    record = read_record(path)
    assert (record["stage"], record["step"], record["facts"]["layout"]) == ("kinematic", 2, layout)
    assert record["base"]["label"] == "tiny-random"
    assert trained.finished


def test_aesthetic_changes_the_lora_alone_and_it_loads(train, tmp_path, model):
    before = state(tiny_pipeline().transformer)
    task, _ = train("aesthetic", "lora.rank=3", "lora.alpha=6")
    after = state(task.transformer)
    renamed = {name.replace(".base_layer", ""): value for name, value in after.items()}
    assert all(torch.equal(renamed[name], value) for name, value in before.items())
    factors = {name: value for name, value in after.items() if ".lora_" in name}
    assert len(factors) == 40 == len(renamed) - len(before)
    assert all(value.any() for name, value in factors.items() if ".lora_B" in name)
    path = tmp_path / "run" / "lora.safetensors"
    fresh = tiny_pipeline().transformer
    loaded = load_lora(fresh, path, strength=1.0)
    assert (loaded.layers, loaded.ranks, loaded.alphas, loaded.naming) == (20, (3,), (6.0,), "diffusers")
    assert_same_output(output(fresh, task), output(task.transformer, task))
    assert not torch.equal(output(tiny_pipeline().transformer, task), output(task.transformer, task))
    stock = load_pipeline(model).pipeline
    stock.load_lora_weights(str(path), adapter_name="stock")
    assert_same_output(output(stock.transformer, task), output(task.transformer, task))


def test_aesthetic_stands_on_the_adapter_of_the_kinematic_stage(train, tmp_path):
    kinematic, _ = train("kinematic", out="kinematic")
    task, _ = train("aesthetic", adapter=tmp_path / "kinematic")
    for name in BODY_ADAPTER:
        held, trained = (dict(each.transformer.named_parameters())[name] for each in (task, kinematic))
        assert torch.equal(held, trained)
        assert not held.requires_grad
    base = read_record(tmp_path / "run" / "lora.safetensors")["base"]
    assert base["adapter"] == sha256(tmp_path / "kinematic" / "adapter.safetensors")


@pytest.mark.parametrize(("stage", "name"), [("kinematic", "adapter"), ("aesthetic", "lora")])
def test_a_resumed_run_ends_in_the_same_bits(train, tmp_path, stage, name):
    train(stage, steps=3, out="whole")
    train(stage, steps=1, out="parts")
    _, trained = train(stage, steps=3, out="parts")
    assert (trained.begun_at, trained.step) == (1, 3)
    whole, parts = (tmp_path / out / f"{name}.safetensors" for out in ("whole", "parts"))
    first, second = dict(read_safetensors(whole)), dict(read_safetensors(parts))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert read_record(whole) == read_record(parts)
    assert whole.read_bytes() == parts.read_bytes()


def test_training_needs_no_encoder(train, monkeypatch):
    train("kinematic", out="first")
    monkeypatch.setattr(store_module, "_Encoders", None)
    train("aesthetic", "samples.clips=0", out="second")


def test_samples_come_every_so_many_steps(train, tmp_path):
    train("kinematic", "samples.every_steps=2", steps=5)
    with (tmp_path / "run" / "samples.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["step"] for row in rows] == ["2", "4", "5"]
    assert all(float(row["psnr_db"]) > 0 for row in rows)
    shown = probe(tmp_path / "run" / "samples" / "step-00000004" / "clip-0.mp4")
    assert shown.size == (3 * 32, 48)
    assert shown.num_frames == 9
    assert not list((tmp_path / "run" / "samples").rglob(".tmp-*"))


def gradients(task):
    task.transformer.train()
    task.transformer.zero_grad()
    task.loss(task.batch([0, 1], None), torch.Generator().manual_seed(0))[0].backward()
    return {name: value.grad for name, value in task.transformer.named_parameters() if value.requires_grad}


def test_recomputing_and_offloading_leave_the_gradients_alone(prepared, monkeypatch):
    monkeypatch.setattr("mace_dance.training.appearance.activations._SMALLEST_BYTES", 0)
    plain = gradients(prepared("aesthetic", "checkpointing=false", "flow.weighting=none").task("cpu"))
    for options in (["checkpointing=true"], ["offload=true"], ["checkpointing=false", "offload=true"]):
        other = gradients(prepared("aesthetic", *options, "flow.weighting=none").task("cpu"))
        assert other.keys() == plain.keys()
        for name, value in plain.items():
            scale = float(value.abs().max())
            torch.testing.assert_close(other[name], value, rtol=1e-4, atol=1e-5 * scale, msg=name)


def test_bf16_trains_float32_parameters_of_a_bf16_network(train, tmp_path):
    task, trained = train("aesthetic", "loop.precision=bf16", cache=tmp_path / "bf16")
    assert trained.finished
    assert task.transformer.dtype == torch.bfloat16
    factors = [value for name, value in task.transformer.named_parameters() if ADAPTER_NAME in name]
    assert {value.dtype for value in factors} == {torch.float32}
    assert task.batch([0], None).target.dtype == torch.bfloat16


def test_another_run_and_a_wrong_adapter_are_refused_before_anything_is_encoded(
    train, prepared, tmp_path, monkeypatch
):
    train("kinematic", out="run")
    monkeypatch.setattr(store_module.LatentStore, "prepare", None)
    with pytest.raises(ConfigError, match=r"data\.width was 32, is 48"):
        prepared("kinematic", "data.width=48", out="run")
    with pytest.raises(ConfigError, match="learning_rate"):
        prepared("kinematic", "loop.learning_rate=1e-3", out="run")
    with pytest.raises(WeightsError, match="madance train kinematic makes one"):
        prepared("aesthetic", adapter=tmp_path / "absent", out="other")
    (tmp_path / "lora.safetensors").write_bytes(b"no tensors")
    with pytest.raises(WeightsError, match=r"lora\.safetensors: damaged"):
        prepared("aesthetic", adapter=tmp_path / "lora.safetensors", out="other")
    with pytest.raises(ConfigError, match=r"lasts 1\.00 s, a sample of 77 frames"):
        prepared("kinematic", "data.frames=77", out="other")
