import os

import pytest

from madata.curation.sources import collect, probe_all
from madata.engine import Watch
from madata.errors import MadanceError, MediaError
from madata.shard import Shard


def put(folder, name, content=b"x"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def collected(folder, tmp_path, out=None):
    return collect([folder], out=out or tmp_path / "out")


def test_same_names_do_not_collide_and_same_contents_are_one(tmp_path):
    folder = tmp_path / "in"
    put(folder, "a/clip.mp4", b"one")
    put(folder, "b/clip.mp4", b"two")
    put(folder, "c/other.mp4", b"one")
    found = collected(folder, tmp_path)
    ids = [source.source_id for source in found.sources]
    assert len(set(ids)) == 2
    assert all(source_id.startswith("clip-") for source_id in ids)
    assert found.duplicates == (("c/other.mp4", ids[0]),)


@pytest.mark.parametrize(
    "name", ["a b.mp4", "舞.mp4", "new\nline.mp4", "-rf.mp4", "..mp4", os.fsdecode(b"bad\xff.mp4")]
)
def test_any_name_gives_a_safe_id_and_a_printable_name(tmp_path, name):
    put(tmp_path / "in", "x" + name if name.startswith(".") else name)
    (source,) = collected(tmp_path / "in", tmp_path).sources
    assert source.source_id.replace("-", "").isalnum()
    assert not source.source_id.startswith("-")
    collected(tmp_path / "in", tmp_path).names[source.source_id].encode("utf-8")


def test_what_is_passed_over_is_said(tmp_path):
    folder = tmp_path / "in"
    put(folder, "a.mp4")
    put(folder, "a.info.json", b'{"title": "t"}')
    put(folder, ".hidden.mp4")
    put(folder, "out/clips/b.mp4", b"clip")
    found = collected(folder, tmp_path, out=folder / "out")
    assert [source.path.name for source in found.sources] == ["a.mp4"]
    assert found.ignored == ((".hidden.mp4", "hidden"),)
    assert found.provenance == {found.sources[0].source_id: {"title": "t"}}


def test_nothing_to_do_is_an_error(tmp_path):
    (tmp_path / "in").mkdir()
    with pytest.raises(MadanceError, match="no video"):
        collected(tmp_path / "in", tmp_path)
    with pytest.raises(MadanceError, match="no such file"):
        collected(tmp_path / "absent", tmp_path)


def test_downloads_that_were_not_finished_and_files_that_cannot_be_read_are_named(tmp_path, monkeypatch):
    import madata.curation.sources as module

    folder = tmp_path / "in"
    put(folder, "a.mp4", b"one")
    put(folder, "b.mp4", b"two")
    put(folder, "c.mp4.part", b"half")
    read = module.remembered_sha256

    def unreadable(path):
        if path.name == "b.mp4":
            raise PermissionError(13, "Permission denied")
        return read(path)

    monkeypatch.setattr(module, "remembered_sha256", unreadable)
    found = collected(folder, tmp_path)
    assert [source.path.name for source in found.sources] == ["a.mp4"]
    assert [(name, reason) for name, reason, _ in found.unusable] == [
        ("c.mp4.part", "unfinished"),
        ("b.mp4", "unreadable"),
    ]


def test_hashing_and_probing_say_how_far_they_are(tmp_path):
    folder = tmp_path / "in"
    for number in range(5):
        put(folder, f"{number}.mp4", f"no video {number}".encode())
    said = []

    class Listener(Watch):
        def files(self, what, done, total):
            said.append((what, done, total))

    found = collect([folder], out=tmp_path / "out", jobs=3, watch=Listener())
    described = probe_all(found.sources, jobs=3, watch=Listener())
    assert said == [(what, done, 5) for what in ("hashing", "probing") for done in (1, 2, 3, 4, 5)]
    assert all(isinstance(info, MediaError) for info in described.values())


def test_parts_share_the_files_and_copies_meet(tmp_path):
    """Three machines find every content once, and every copy of it, whatever it is called."""
    for number in range(30):
        (tmp_path / f"{number:02d}.mp4").write_bytes(b"x" * (number + 1))
        (tmp_path / f"copy-of-{number:02d}.mp4").write_bytes(b"x" * (number + 1))
    (tmp_path / "notes.txt").touch()
    whole = collect([tmp_path], out=tmp_path / "out")
    parts = [collect([tmp_path], out=tmp_path / "out", shard=Shard(index, 3)) for index in (1, 2, 3)]
    assert {source for part in parts for source in part.sources} == set(whole.sources)
    assert sorted(pair for part in parts for pair in part.duplicates) == sorted(whole.duplicates)
    assert all(len(part.sources) > 4 for part in parts)
    assert [len(part.ignored) for part in parts] == [1, 0, 0]
