import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from mace_dance.motion.scan import scan, scan_path, scan_with_state
from madata.errors import ConfigError
from tests.mace_dance.motion.golden import deviation, tensors

NAMES = ("u", "delta", "A", "B", "C", "D", "z", "delta_bias")


def made(batch=2, channels=3, length=9, states=4, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=dtype)

    rates = -3 * torch.rand(channels, states, generator=generator, dtype=dtype)
    signal = (batch, channels, length)
    weights = (batch, states, length)
    values = (normal(*signal), normal(*signal), rates, normal(*weights), normal(*weights))
    return dict(zip(NAMES, (*values, normal(channels), normal(*signal), normal(channels)), strict=True))


def by_definition(u, delta, A, B, C, D, z, delta_bias):
    """One number of the state after the other."""
    batch, channels, length = u.shape
    y = np.zeros_like(u)
    state = np.zeros((batch, channels, A.shape[1]))
    step = np.log1p(np.exp(delta + delta_bias[:, None]))
    for b in range(batch):
        for d in range(channels):
            for t in range(length):
                state[b, d] = (
                    np.exp(step[b, d, t] * A[d]) * state[b, d] + step[b, d, t] * u[b, d, t] * B[b, :, t]
                )
                gate = z[b, d, t] / (1 + np.exp(-z[b, d, t]))
                y[b, d, t] = (C[b, :, t] @ state[b, d] + D[d] * u[b, d, t]) * gate
    return y, state


@pytest.mark.parametrize("length", [1, 2, 16, 17, 70])
def test_it_is_its_definition(length):
    inputs = made(length=length)
    y, last = scan_with_state(**inputs, delta_softplus=True)
    expected = by_definition(**{name: value.numpy() for name, value in inputs.items()})
    np.testing.assert_allclose(y, expected[0], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(last, expected[1], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("length", [1, 2, 7])
@pytest.mark.parametrize("bare", [False, True])
def test_gradients_are_those_of_finite_differences(length, bare):
    inputs = [value.requires_grad_() for value in made(length=length, channels=2, states=2).values()]
    if bare:
        inputs = [*inputs[:1], F.softplus(inputs[1]).detach().requires_grad_(), *inputs[2:5]]
    assert torch.autograd.gradcheck(lambda *given: scan(*given, delta_softplus=not bare), inputs)


@pytest.mark.parametrize("shape", [(1, 2, 150, 3), (3, 64, 90, 16)])
def test_gradients_are_those_of_autograd_through_the_plain_loop(shape):
    batch, channels, length, states = shape
    inputs = made(batch, channels, length, states)
    weight = torch.randn(batch, channels, length, generator=torch.Generator().manual_seed(1)).double()
    for value in inputs.values():
        value.requires_grad_()

    def plain(u, delta, A, B, C, D, z, delta_bias):
        step = F.softplus(delta + delta_bias[:, None])
        h, outputs = torch.zeros(batch, channels, states, dtype=torch.float64), []
        for t in range(length):
            h = torch.exp(step[..., t, None] * A) * h + (step * u)[..., t, None] * B[:, None, :, t]
            outputs.append((h * C[:, None, :, t]).sum(-1))
        return (torch.stack(outputs, -1) + D[:, None] * u) * F.silu(z)

    ours = torch.autograd.grad((scan(**inputs, delta_softplus=True) * weight).sum(), inputs.values())
    theirs = torch.autograd.grad((plain(**inputs) * weight).sum(), inputs.values())
    for name, mine, yours in zip(NAMES, ours, theirs, strict=True):
        torch.testing.assert_close(mine, yours, rtol=1e-9, atol=1e-10, msg=name)


def test_steps_that_underflow_forget_and_do_no_harm(each_scan):
    inputs = made(length=200, dtype=torch.float32)
    inputs["delta"] = 300 + 100 * inputs["delta"].abs()
    for value in inputs.values():
        value.requires_grad_()
    y = scan(**inputs, delta_softplus=True)
    y.sum().backward()
    assert torch.isfinite(y).all()
    assert all(torch.isfinite(value.grad).all() for value in inputs.values())


def test_the_past_alone_decides(each_scan):
    inputs = made(length=50, dtype=torch.float32)
    changed = {name: value.clone() for name, value in inputs.items()}
    for name in ("u", "delta", "B", "C", "z"):
        changed[name][..., 30:] += 1
    before, after = (scan(**given, delta_softplus=True) for given in (inputs, changed))
    torch.testing.assert_close(before[..., :30], after[..., :30], rtol=0, atol=0)
    assert not torch.equal(before[..., 30:], after[..., 30:])


class _Largest(TorchDispatchMode):
    """Remembers the largest tensor any operation made."""

    numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for made_tensor in result if isinstance(result, tuple | list) else [result]:
            if isinstance(made_tensor, torch.Tensor):
                self.numel = max(self.numel, made_tensor.numel())
        return result


def test_no_array_holds_the_states_of_all_steps(each_scan):
    batch, channels, length, states = 2, 64, 1024, 16
    inputs = made(batch, channels, length, states, torch.float32)
    for value in inputs.values():
        value.requires_grad_()
    with _Largest() as largest:
        y = scan(**inputs, delta_softplus=True)
        forward = largest.numel
        y.sum().backward()
    everything = batch * channels * length * states
    assert forward <= everything / 8
    assert largest.numel <= everything / 4


def test_half_precision_is_summed_in_single(each_scan):
    inputs = made(length=300, dtype=torch.float32)
    rounded = {name: value.bfloat16() for name, value in inputs.items()}
    y = scan(**rounded, delta_softplus=True)
    assert y.dtype == torch.bfloat16
    exact = scan(**{name: value.double() for name, value in rounded.items()}, delta_softplus=True)
    torch.testing.assert_close(y.double(), exact, rtol=1e-2, atol=1e-2)


def test_autocast_leaves_the_sums_alone(each_scan):
    inputs = made(length=100, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        within = scan(**inputs, delta_softplus=True)
    torch.testing.assert_close(within, scan(**inputs, delta_softplus=True), rtol=0, atol=0)


@pytest.mark.parametrize("name", ["delta", "B", "C", "D", "z", "delta_bias"])
def test_shapes_that_do_not_fit_are_named(name):
    inputs = made()
    inputs[name] = inputs[name][..., :1].repeat_interleave(inputs[name].shape[-1] + 1, -1)
    with pytest.raises(ConfigError, match=f"{name} must be"):
        scan(**inputs)


def test_nothing_to_scan_is_an_error(each_scan):
    with pytest.raises(ConfigError, match="no steps"):
        scan(**made(length=0))


def test_what_has_no_kernel_goes_through_torch(each_scan):
    assert scan_path("cpu") == each_scan
    assert scan_path("meta") == "torch"


@pytest.mark.golden
@pytest.mark.golden_files("models_motion/selective_scan*.npz")
def test_golden_selective_scan(golden_file, golden_deviations, each_scan):
    stored = np.load(golden_file)
    for case in sorted({name.split("/")[0] for name in stored.files}):
        inputs = tensors(stored, f"{case}/in/")
        y, last = scan_with_state(**inputs, delta_softplus=True)
        plain = scan(inputs["u"], F.softplus(inputs["delta"]), inputs["A"], inputs["B"], inputs["C"])
        ours = {"y": y, "last_state": last, "y_plain": plain}
        for name, theirs in tensors(stored, f"{case}/out/").items():
            golden_deviations(f"selective_scan ({each_scan})", deviation(ours[name], theirs))
