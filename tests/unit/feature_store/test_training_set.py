"""What sealed rows of events give to entity rows that name them."""

from dataclasses import replace
from datetime import timedelta

import pytest

from feature_store.training_set import KnownFeatures
from feature_store.versions.files import VersionFiles
from feature_store.versions.manifest import Manifest, Partition
from feature_store.versions.sealed import SealedVersion
from ledgerline.core.identity import sha256_file


@pytest.fixture
def sealed(view, frames, payment, tmp_path):
    """Seal payments of one customer, the last of which came late, under a TTL of a quarter of an hour."""
    short_lived = replace(view, ttl=timedelta(minutes=15))
    events, labels = frames([payment("first", 0), payment("second", 9), payment("late", 20, known=60)])
    rows = short_lived.compute({"transactions": events, "fraud_labels": labels})
    path = tmp_path / "2024-01-01.parquet"
    rows.write_parquet(path)
    partition = Partition("2024-01-01", path.name, sha256_file(path), rows.height)
    names, as_of = short_lived.feature_names, rows["available_at"].max()
    manifest = Manifest(view.name, short_lived.fingerprint, names, as_of, (), (partition,), None)
    version = SealedVersion(manifest, tag="", commit="", is_current=True)
    return short_lived, rows, version, VersionFiles(tmp_path, str(tmp_path / "remote"))


def test_event_read_by_its_id_has_the_ttl_of_when_it_came_and_never_expires_after(sealed):
    view, rows, version, files = sealed
    named = rows.select("transaction_id", at=rows["available_at"] + timedelta(days=100))

    found = KnownFeatures.of(view, version, view.feature_names, named.columns).as_known(named, "at", files, print)

    assert found.equals(rows.select(view.feature_names))
    assert found["count"].to_list() == [1, 2, None]  # the last was too old already when it came
