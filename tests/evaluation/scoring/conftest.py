import collections

import pytest

from madata.video import decode


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    """No weights and nothing remembered."""
    monkeypatch.setenv("MADANCE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MADANCE_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


@pytest.fixture
def decodes(monkeypatch):
    """How often each file was decoded, by folder and name."""
    count = collections.Counter()
    original = decode.Decoder.frames

    def counted(self, *arguments, **named):
        count[f"{self.path.parent.name}/{self.path.name}"] += 1
        return original(self, *arguments, **named)

    monkeypatch.setattr(decode.Decoder, "frames", counted)
    return count
