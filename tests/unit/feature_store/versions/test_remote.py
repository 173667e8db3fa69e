"""The DVC remote is read with every byte checked."""

import hashlib
from pathlib import Path

import pytest

from feature_store.errors import RemoteDamaged
from feature_store.versions.remote import Remote, TrackedFile, md5_of, tracked_files

DVC_FILE = b"outs:\n- md5: 0123456789abcdef0123456789abcdef\n  size: 5\n  hash: md5\n  path: a.parquet\n"


@pytest.fixture
def store(tmp_path):
    """Put bytes into a remote as DVC lays them out; return the file that they stand for."""

    def put(path: str, content: bytes) -> TrackedFile:
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        location = object_path(tmp_path / "remote", md5)
        location.parent.mkdir(parents=True, exist_ok=True)
        location.write_bytes(content)
        return TrackedFile(path, md5, hashlib.sha256(content).hexdigest())

    return put


def object_path(remote: Path, md5: str) -> Path:
    return remote / "files" / "md5" / md5[:2] / md5[2:]


def test_whole_remote_passes_and_gives_files_back(store, tmp_path):
    files = [store(f"folder/{number}", b"x" * number) for number in range(5)]
    remote = Remote(str(tmp_path / "remote"))

    remote.verify(files, remedy="")
    paths = remote.fetch_all(files, tmp_path / "out")

    assert [path.read_bytes() for path in paths] == [b"x" * number for number in range(5)]
    assert paths[3] == tmp_path / "out" / "folder" / "3"


def test_missing_and_changed_objects_are_named_and_counted(store, tmp_path):
    files = [store(name, name.encode()) for name in ("whole", "gone", "changed")]
    object_path(tmp_path / "remote", files[1].md5).unlink()
    object_path(tmp_path / "remote", files[2].md5).write_bytes(b"other")

    with pytest.raises(RemoteDamaged, match=r"2 of 3 objects.*gone: .* is missing; changed: .* now hashes to"):
        Remote(str(tmp_path / "remote")).verify(files, remedy="")


def test_object_is_put_in_the_place_of_a_changed_one_also_where_the_remote_is_no_folder(store, tmp_path):
    file = store("a", b"content")
    copy, changed = tmp_path / "copy", tmp_path / "changed"
    copy.write_bytes(b"content")
    changed.write_bytes(b"c0ntent")
    for url in (str(tmp_path / "remote"), str(tmp_path / "empty"), "memory://put"):
        remote = Remote(url)
        remote.put(file, copy)
        remote.put(file, copy)
        remote.verify([file], remedy="")
        with pytest.raises(RemoteDamaged, match="does not keep"):
            remote.put(file, changed)
        assert remote.fetch(file, tmp_path / "out").read_bytes() == b"content"
    assert list((tmp_path / "remote").rglob("*.repair")) == []


def test_object_that_has_the_right_md5_but_another_sha256_is_refused(store, tmp_path):
    """MD5 collisions can be made; DVC would not notice."""
    file = store("a", b"content")
    forged = TrackedFile("a", file.md5, "0" * 64)

    with pytest.raises(RemoteDamaged, match="now hashes to"):
        Remote(str(tmp_path / "remote")).fetch(forged, tmp_path / "out")
    assert not (tmp_path / "out" / "a").exists()


def test_file_that_is_there_already_is_kept_where_the_remote_is_damaged(store, tmp_path):
    file = store("a", b"content")
    object_path(tmp_path / "remote", file.md5).write_bytes(b"other")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").write_bytes(b"mine")

    with pytest.raises(RemoteDamaged):
        Remote(str(tmp_path / "remote")).fetch(file, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a"]
    assert (tmp_path / "out" / "a").read_bytes() == b"mine"


def test_dvc_names_are_read_from_dvc_files():
    (file,) = tracked_files({"a.parquet": "s"}, {"a.parquet": DVC_FILE})

    assert file == TrackedFile("a.parquet", "0123456789abcdef0123456789abcdef", "s", size=5)


def test_file_without_a_dvc_file_is_an_error():
    with pytest.raises(RemoteDamaged, match=r"1 of 2 files, e\.g\. b"):
        tracked_files({"a": "s", "b": "t"}, {"a": DVC_FILE, "b": None})


def test_md5_is_that_of_the_whole_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"ab" * 700_000)

    assert md5_of(path) == hashlib.md5(b"ab" * 700_000, usedforsecurity=False).hexdigest()
