"""Sealed files open to what they were, and only as they were."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledgerline.audit import sealing
from ledgerline.audit.sealing import Unopened, new_key, seal_file, seal_text, unseal_file, unseal_text

KEY = new_key()
FILES = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "_CHUNK_BYTES", 16)


def sealed(folder: Path, content: bytes) -> Path:
    (folder / "plain").write_bytes(content)
    seal_file(KEY, folder / "plain", folder / "sealed")
    return folder / "sealed"


def opened(folder: Path) -> bytes:
    unseal_file(KEY, folder / "sealed", folder / "opened")
    return (folder / "opened").read_bytes()


@FILES
@given(content=st.binary(max_size=100))
def test_any_file_opens_to_its_bytes_and_seals_to_the_same_ones_again(tmp_path: Path, content: bytes):
    once = sealed(tmp_path, content).read_bytes()
    assert opened(tmp_path) == content
    assert sealed(tmp_path, content).read_bytes() == once


@FILES
@given(content=st.binary(max_size=100), data=st.data())
def test_a_sealed_file_that_was_changed_anywhere_does_not_open(tmp_path: Path, content: bytes, data: st.DataObject):
    path = sealed(tmp_path, content)
    whole = bytearray(path.read_bytes())
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole)
    with pytest.raises(Unopened):
        opened(tmp_path)


@FILES
@given(content=st.binary(min_size=1, max_size=100), data=st.data())
def test_a_sealed_file_that_was_cut_does_not_open(tmp_path: Path, content: bytes, data: st.DataObject):
    path = sealed(tmp_path, content)
    whole = path.read_bytes()
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(Unopened):
        opened(tmp_path)


@FILES
@given(st.text(max_size=30), st.text(max_size=10))
def test_any_text_opens_under_its_own_key_and_place_alone(text: str, place: str):
    kept = seal_text(KEY, text, place)
    assert unseal_text(KEY, kept, place) == text
    for key, where in ((new_key(), place), (KEY, f"{place}.")):
        with pytest.raises(Unopened):
            unseal_text(key, kept, where)
