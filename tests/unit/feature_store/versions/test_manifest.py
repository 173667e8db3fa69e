"""A manifest is the same bytes for the same version, and names everything that DVC keeps for it."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from feature_store.versions.manifest import InputFile, Manifest, Partition
from ledgerline.audit import Kind, Leaf
from ledgerline.core.identity import content_id, sha256_bytes


@pytest.fixture
def manifest():
    return Manifest(
        view="card_spending",
        fingerprint="f" * 64,
        features=("amount", "is_night"),
        as_of=datetime(2018, 10, 1, tzinfo=UTC),
        inputs=(InputFile("transactions", "a" * 64, "b" * 64, "data/accepted/transactions/a.parquet"),),
        partitions=(
            Partition("2018-09-29", "data/features/card_spending/2018-09-29-c.parquet", "c" * 64, 9),
            Partition("2018-09-30", "data/features/card_spending/2018-09-30-d.parquet", "d" * 64, 4),
        ),
        online_state="e" * 64,
    )


def test_manifest_is_read_as_it_was_written(manifest):
    assert Manifest.from_bytes(manifest.to_bytes()) == manifest


def test_written_form_is_the_documented_one(manifest):
    body = json.loads(manifest.to_bytes())

    assert body["as_of"] == "2018-10-01T00:00:00.000000Z"
    assert set(body) == {"view", "fingerprint", "features", "as_of", "inputs", "partitions", "online_state"}
    assert set(body["partitions"][0]) == {"date", "path", "sha256", "rows"}
    assert set(body["inputs"][0]) == {"dataset", "receipt", "sha256", "path"}


def test_one_instant_in_two_time_zones_is_one_version(manifest):
    elsewhere = replace(manifest, as_of=manifest.as_of.astimezone(timezone(timedelta(hours=2))))

    assert elsewhere.version == manifest.version


def test_version_is_the_id_of_its_leaf(manifest):
    identity = {"view": "card_spending", "fingerprint": "f" * 64, "manifest": sha256_bytes(manifest.to_bytes())}

    assert manifest.version == content_id({"kind": "feature_version", "identity": identity})


def test_files_and_rows_are_those_of_inputs_and_partitions(manifest):
    assert manifest.rows == 13
    assert list(manifest.files.values()) == ["b" * 64, "c" * 64, "d" * 64]


def test_version_is_what_the_evidence_log_calls_it(manifest):
    assert manifest.version == Leaf(Kind.FEATURE_VERSION, manifest.identity).id
