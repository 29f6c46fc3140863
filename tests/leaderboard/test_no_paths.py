"""What is published says nothing of the machine it was made on."""

import io
import zipfile

import pytest
from click.testing import CliRunner

from madata.cli import madance
from madata.manifest import read_table


def texts(path):
    """The bytes of a file, and of what is compressed in it."""
    data = path.read_bytes()
    if path.suffix == ".parquet":
        data += read_table(path).to_csv().encode()
    if path.suffix in (".npz", ".zip"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            data += b"".join(archive.read(name) for name in archive.namelist())
    return data


@pytest.mark.parametrize(
    ("words", "target"),
    [
        (["site", "good", "alike", "--out"], "site"),
        (["submission", "pack", "good", "--out"], "good.zip"),
        (
            ["submission", "export", "good", "--format", "every-eval-ever", "--organization", "us", "--out"],
            "records",
        ),
        (["table", "good", "--task", "motion", "--format", "json", "--out"], "table.json"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_no_folder_of_the_machine_is_published(runs, words, target):
    given = [str(runs / word) if (runs / word).exists() else word for word in words]
    done = CliRunner().invoke(madance, [*given, str(runs / target)])
    assert done.exit_code == 0, done.output or done.exception
    out = runs / target
    files = [path for path in out.rglob("*") if path.is_file()] if out.is_dir() else [out]
    assert files
    for path in files:
        assert str(runs.parent).encode() not in texts(path), path


def test_no_folder_of_the_machine_is_in_a_run(runs):
    for path in (runs / "good").iterdir():
        assert str(runs.parent).encode() not in texts(path), path
