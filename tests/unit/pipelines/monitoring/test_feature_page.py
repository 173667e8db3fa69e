"""The page about a feature version stays a page whatever stands in the data."""

import json
import re
from datetime import UTC, datetime

import polars as pl
import pytest

from feature_store.versions.manifest import Manifest
from feature_store.views.ledger_monthly import LEDGER_MONTHLY
from ledgerline.audit import Kind, RecordedLeaf
from pipelines.monitoring.feature_page import render
from pipelines.monitoring.feature_page.describe import FeatureFacts, ViewDescription
from pipelines.monitoring.feature_page.profile import exact_figures, profile

MOMENT = datetime(2024, 1, 1, tzinfo=UTC)


def described(value: str) -> ViewDescription:
    """Describe a version of one text feature that has one value."""
    rows = pl.DataFrame({"purpose": [value, value], "available_at": [MOMENT, MOMENT]})
    exact = exact_figures(rows.lazy(), ["purpose"])["purpose"]
    found = profile("purpose", exact, rows, None, None, bins=10)
    manifest = Manifest(LEDGER_MONTHLY.name, LEDGER_MONTHLY.fingerprint, ("purpose",), MOMENT, (), (), None)
    leaf = RecordedLeaf(1, manifest.version, Kind.FEATURE_VERSION, manifest.identity, {}, MOMENT, b"")
    return ViewDescription(
        view=LEDGER_MONTHLY,
        leaf=leaf,
        manifest=manifest,
        definition_matches=True,
        sources=(),
        features=(FeatureFacts("purpose", "", "", (), found),),
        first=MOMENT,
        newest_event=MOMENT,
        newest_available=MOMENT,
        sampled=2,
        compared=0,
        recent_days=28,
        alert_psi=0.25,
        trained=None,
        uses=(),
        versions=(leaf,),
        now=MOMENT,
    )


@pytest.mark.parametrize("value", ["<!--<script>", "</script><img>", "<!-- car"])
def test_category_of_markup_cannot_reach_beyond_the_drawn_values(value):
    found = re.search(r'<script type="application/json" id="plots">(.*?)</script>', render(described(value)), re.S)
    assert found is not None
    assert "<" not in found.group(1)
    assert json.loads(found.group(1))[0]["labels"] == [value]
