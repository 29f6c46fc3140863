"""``madance weights tiny``: what it says of what it made, and of what it cannot make."""

from click.testing import CliRunner

from madata.cli import madance


def test_a_system_without_a_tiny_network_is_not_taken_for_another(tmp_path):
    done = CliRunner().invoke(madance, ["weights", "tiny", "edge", "--out", str(tmp_path / "tiny")])
    assert str(done.exception).startswith("edge has no tiny network; these have: animate-anyone, bailando,")
    done = CliRunner().invoke(madance, ["weights", "tiny", "mmet", "--out", str(tmp_path / "tiny")])
    assert str(done.exception) == "no tiny network called 'mmet'; did you mean 'mnet'?"
    assert not (tmp_path / "tiny").exists()


def test_a_tiny_network_is_said_with_its_size_and_its_use(tmp_path):
    out = tmp_path / "tiny"
    done = CliRunner().invoke(madance, ["weights", "tiny", "mnet", "--out", str(out), "--seed", "3"])
    assert done.exit_code == 0, done.output
    assert "random weights, seed 3 (2 files, 0." in done.output
    assert f"madance generate mnet --set weights={out}" in done.output
