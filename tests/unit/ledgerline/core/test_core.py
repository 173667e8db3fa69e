"""Content ids, storage, contracts and settings."""

import hashlib
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgerline.core.clock import instant_text, parse_instant
from ledgerline.core.contracts import CONTRACTS, Timeliness, UnknownContract, contract_named
from ledgerline.core.identity import canonical_json, content_id, sha256_file, source_fingerprint
from ledgerline.core.settings import Profile, Settings
from ledgerline.core.storage import ObjectCorrupt, ObjectMissing, ObjectStore, replacing, write_atomically

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), JSON, min_size=2, max_size=6))
def test_the_order_in_which_a_mapping_was_written_does_not_change_its_id(value: dict):
    assert content_id(value) == content_id(dict(reversed(value.items())))


def test_numbers_are_written_as_rfc_8785_says():
    assert canonical_json([333333333.33333329, 1e30, 4.50, 2e-3, 1e-27]) == b"[333333333.3333333,1e+30,4.5,0.002,1e-27]"


def test_equal_instants_in_different_zones_have_one_spelling():
    instant = datetime(2018, 4, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    assert instant_text(instant) == "2018-04-01T00:00:00.000000Z"


def test_instants_sort_as_their_texts_do_in_any_century():
    instants = [datetime(year, 1, 1, tzinfo=UTC) for year in (1, 300, 2018, 9999)]
    texts = [instant_text(instant) for instant in instants]
    assert sorted(texts) == texts
    assert [parse_instant(text) for text in texts] == instants


@pytest.mark.parametrize(
    "text", ["2018-04-01T00:00:31.000000Z", "2000-02-29T23:59:59.999999Z", "0001-01-01T00:00:00.000001Z"]
)
def test_an_instant_is_read_as_strptime_reads_it(text: str):
    slowly = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    assert (parse_instant(text), parse_instant(text).tzinfo) == (slowly, UTC)


@pytest.mark.parametrize(
    "text", ["2018-04-31T00:00:00.000000Z", "2018-04-01T24:00:00.000000Z", "2018-04-01", "2018-04-01T00:00:00.000000"]
)
def test_what_is_no_instant_is_refused(text: str):
    with pytest.raises(ValueError, match=r"."):
        parse_instant(text)


def test_an_instant_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="no time zone"):
        instant_text(datetime(2018, 4, 1))  # noqa: DTZ001


def test_an_edit_to_the_code_changes_its_fingerprint(tmp_path: Path):
    source = tmp_path / "room" / "code.py"
    source.parent.mkdir()
    source.write_text("x = 1\n")
    before = source_fingerprint([source.parent])
    source.write_text("x = 2\n")
    assert source_fingerprint([source.parent]) != before


@given(st.binary(max_size=300))
def test_what_was_put_comes_back_under_its_sha256(content: bytes):
    objects = ObjectStore("memory://objects")
    name = objects.put(content)
    assert name == hashlib.sha256(content).hexdigest()
    assert objects.get(name) == content


def test_an_object_is_read_only_and_hashes_to_its_name_on_disk(tmp_path: Path):
    objects = ObjectStore(tmp_path)
    path = Path(objects.location(objects.put(b"bytes")))
    assert path.stat().st_mode & 0o222 == 0
    assert sha256_file(path) == path.name


def test_a_changed_object_is_never_served(tmp_path: Path):
    objects = ObjectStore(tmp_path)
    name = objects.put(b"bytes")
    path = Path(objects.location(name))
    path.chmod(0o644)
    path.write_bytes(b"bytez")
    with pytest.raises(ObjectCorrupt, match="it was changed"):
        objects.get(name)
    with pytest.raises(ObjectCorrupt), objects.local(name):
        pass


def test_an_absent_object_is_named(tmp_path: Path):
    with pytest.raises(ObjectMissing, match="not in the store"):
        ObjectStore(tmp_path).get("0" * 64)


def test_a_file_put_leaves_nothing_half_written(tmp_path: Path):
    source = tmp_path / "source"
    source.write_bytes(b"x" * 100_000)
    objects = ObjectStore(tmp_path / "objects")
    assert objects.put_file(source) == sha256_file(source)
    assert list((tmp_path / "objects" / ".incoming").iterdir()) == []


def test_a_writer_that_fails_leaves_the_old_file(tmp_path: Path):
    path = tmp_path / "file"
    write_atomically(path, b"old")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=lambda contract: contract.name)
def test_every_contract_has_its_times_its_key_and_an_owner(contract):
    assert {"event_time", "available_at"} <= set(contract.column_names)
    assert set(contract.key) <= set(contract.column_names)
    assert contract.owner
    assert contract.timeliness in Timeliness


def test_an_unknown_contract_is_refused_with_the_names_that_exist():
    with pytest.raises(UnknownContract, match="transactions"):
        contract_named("transaction")


def test_settings_come_from_the_environment_and_state_stays_under_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("LEDGERLINE_HOME", str(tmp_path))
    monkeypatch.setenv("LEDGERLINE_PROFILE", "live")
    settings = Settings()
    assert settings.profile is Profile.LIVE
    assert settings.database_url == f"sqlite:///{tmp_path}/evidence.db"
    assert settings.workspace_path == tmp_path / "workspace"


def test_a_passphrase_is_not_shown(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LEDGERLINE_KEY_PASSPHRASE", "not for logs")
    assert "not for logs" not in repr(Settings())
