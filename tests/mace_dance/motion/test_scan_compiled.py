from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from mace_dance.motion.scan import compiled, describe_scan, scan, scan_path, scan_with_state
from mace_dance.motion.scan.sequential import scan_sequentially
from madata.errors import ConfigError, MadanceError
from tests.mace_dance.motion.test_scan import NAMES, made

SHAPES = [(1, 1, 1, 1), (2, 3, 9, 4), (8, 37, 33, 16), (1, 300, 64, 5), (3, 257, 32, 16), (2, 20, 1100, 16)]


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("MADANCE_SCAN", raising=False)
    compiled.load_kernel.cache_clear()
    return tmp_path / "madance" / "kernels"


def with_gradients(function, inputs):
    """Output, last state and the gradient of a weighted sum for every input."""
    given = [value.clone().requires_grad_() for value in inputs.values()]
    y, last = function(*given)
    weight = torch.linspace(-1, 1, y.numel()).reshape(y.shape).to(y)
    return (y.detach(), last, *torch.autograd.grad((y * weight).sum(), given))


def through_scan(*given):
    return scan_with_state(*given, delta_softplus=True)


def in_double(inputs):
    return with_gradients(
        lambda *given: scan_sequentially(*given, True), {k: v.double() for k, v in inputs.items()}
    )


def assert_equal(ours, theirs, tolerance=2e-5):
    for name, mine, yours in zip(("y", "last", *NAMES), ours, theirs, strict=True):
        assert mine.dtype == torch.float32
        assert (mine - yours).abs().max() <= tolerance * yours.abs().max().clamp(min=1e-3), name


@pytest.mark.parametrize("shape", SHAPES)
def test_output_and_gradients_are_those_of_double_precision(shape, compiled_scan):
    inputs = made(*shape, dtype=torch.float32)
    assert_equal(with_gradients(through_scan, inputs), in_double(inputs))


def test_any_strides_will_do(compiled_scan):
    inputs = made(3, 40, 60, 8, torch.float32)
    expected = with_gradients(through_scan, inputs)

    def turned(value):
        wide = torch.zeros(*(2 * size for size in reversed(value.shape)))
        part = wide[tuple(slice(None, None, 2) for _ in value.shape)]
        return part.copy_(value.permute(*reversed(range(value.ndim)))).permute(*reversed(range(value.ndim)))

    def time_major(value):
        if value.ndim < 3:
            return value
        return (
            torch.cat([value, value], 1).permute(2, 0, 1).contiguous()[..., value.shape[1] :].permute(1, 2, 0)
        )

    for laid_out in (turned, time_major):
        given = {name: laid_out(value) for name, value in inputs.items()}
        assert not given["u"].is_contiguous()
        for mine, yours in zip(with_gradients(through_scan, given), expected, strict=True):
            torch.testing.assert_close(mine, yours, rtol=1e-6, atol=1e-6)


def test_what_is_left_out_is_left_out(compiled_scan):
    u, delta, A, B, C, *_ = made(2, 20, 40, 4, torch.float32).values()
    step = delta.abs()
    given = [value.clone().requires_grad_() for value in (u, step, A, B, C)]
    exact = [value.detach().double().requires_grad_() for value in given]
    ours, theirs = scan(*given), scan(*exact)
    torch.testing.assert_close(ours.double(), theirs, rtol=1e-4, atol=1e-4)
    gradients = (torch.autograd.grad(y.square().sum(), of) for y, of in ((ours, given), (theirs, exact)))
    for mine, yours in zip(*gradients, strict=True):
        torch.testing.assert_close(mine.double(), yours, rtol=1e-3, atol=1e-3)


def test_exponentials_are_exact_but_for_the_rounding_of_their_argument(compiled_scan):
    """One channel for each x, ``dt = softplus(x)`` or ``exp(dt A) = exp(x)``; within 1e-6 where |x| <= 5."""
    x = torch.cat([torch.linspace(-30, 30, 4001), torch.tensor([-80.0, 80.0])])
    bound = 5e-7 + 1e-7 * x.double().abs()
    ones = torch.ones(1, len(x), 2)
    weights = torch.ones(2, 1, 1, 2)
    nothing = torch.zeros(len(x), 1)
    given = (ones[..., :1], x[None, :, None], nothing, *weights[..., :1])
    _, step = scan_with_state(*given, delta_softplus=True)
    exact = torch.nn.functional.softplus(x.double(), threshold=100)
    assert ((step[0, :, 0] - exact).abs() / exact <= bound).all()
    once = torch.tensor([1.0, 0.0]).expand_as(ones)
    _, decay = scan_with_state(once, ones, x[:, None], *weights)
    exact = torch.exp(x.double())
    assert ((decay[0, :, 0] - exact).abs() / exact <= bound).all()


def test_what_is_not_a_number_is_not_hidden(compiled_scan):
    for name in ("u", "delta", "B", "z"):
        inputs = made(1, 5, 20, 4, torch.float32)
        inputs[name][0, 0, 10] = float("nan")
        y = scan(**inputs, delta_softplus=True)
        assert y[0, 0, 10].isnan()
        assert y[..., :10].isfinite().all()


def test_threads_change_nothing(compiled_scan):
    inputs = made(3, 300, 40, 8, torch.float32)
    alone = with_gradients(through_scan, inputs)
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 3)
    try:
        together = with_gradients(through_scan, inputs)
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(mine, yours) for mine, yours in zip(alone, together, strict=True))


def test_double_precision_never_takes_the_kernel(compiled_scan, monkeypatch):
    monkeypatch.setattr("mace_dance.motion.scan.scan_compiled", None)
    assert scan(**made()).dtype == torch.float64


def test_a_run_builds_nothing(empty_cache):
    scan(**made(dtype=torch.float32))
    assert scan_path("cpu") == "torch"
    assert not empty_cache.exists()
    assert "madance doctor --build-kernels" in describe_scan()[0]


def test_the_environment_chooses(kernel_cache, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(kernel_cache))
    for choice, path in (("auto", "compiled"), ("torch", "torch"), ("compiled", "compiled")):
        monkeypatch.setenv("MADANCE_SCAN", choice)
        assert scan_path("cpu") == path
        assert path in describe_scan()[0]
    monkeypatch.setenv("MADANCE_SCAN", "fast")
    with pytest.raises(ConfigError, match="MADANCE_SCAN=fast"):
        scan_path("cpu")


def test_a_kernel_asked_for_and_not_built_is_an_error(empty_cache, monkeypatch):
    monkeypatch.setenv("MADANCE_SCAN", "compiled")
    with pytest.raises(ConfigError, match="madance doctor --build-kernels"):
        scan(**made(dtype=torch.float32))


@pytest.mark.parametrize("compiler", ["no-such-compiler", "false"])
def test_a_build_that_fails_is_one_line_and_leaves_nothing(compiler, empty_cache, monkeypatch):
    monkeypatch.setenv("CXX", compiler)
    with pytest.raises(MadanceError, match=rf"^kernel\.cpp: {compiler} [^\n]*$"):
        compiled.build()
    assert not list(empty_cache.iterdir())
    assert scan_path("cpu") == "torch"


def test_a_file_that_is_no_library_is_not_used(empty_cache):
    path = compiled.kernel_file()
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half a library")
    assert scan_path("cpu") == "torch"
    assert "does not load" in describe_scan()[0]


@pytest.mark.slow
def test_a_kernel_that_computes_something_else_is_refused(kernel_cache, empty_cache, tmp_path, monkeypatch):
    right = compiled.kernel_file()
    wrong = tmp_path / "kernel.cpp"
    wrong.write_text(compiled._SOURCE.read_text().replace("0.693146978f", "0.69f"))
    monkeypatch.setattr(compiled, "_SOURCE", wrong)
    compiled._file_name.cache_clear()
    try:
        assert compiled.kernel_file() != right
        with pytest.raises(MadanceError, match="computes something else"):
            compiled.build()
    finally:
        compiled._file_name.cache_clear()
    assert not list(empty_cache.iterdir())


@pytest.mark.slow
def test_two_builds_at_once_do_no_harm(kernel_cache, empty_cache):
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: compiled.build(), range(2))
    assert first == second
    assert list(empty_cache.iterdir()) == [first]
    assert scan_path("cpu") == "compiled"
