"""How old the newest row of each view's newest version is."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from feature_store.views import VIEWS, View
from ledgerline.audit import Ledger, RecordedLeaf
from ledgerline.core.clock import instant_text
from ledgerline.core.errors import LedgerlineError
from pipelines.features import read_features, versions
from pipelines.ingestion import mapped_datasets, source_as_of
from pipelines.monitoring.policy import FreshnessLimits
from pipelines.training.inputs import feature_manifest

_DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class ViewFreshness:
    """One view's age.

    Attributes:
        view: Which.
        version: Leaf id of its newest version.
        newest: When its newest row is about, UTC; None where it has no rows.
        present: The present of the view's first source, by the mapping; the version's own where nothing is mapped.
        limit_days: How much may lie between: what its first source is allowed.
    """

    view: str
    version: str
    newest: datetime | None
    present: datetime
    limit_days: float

    @property
    def age_seconds(self) -> float | None:
        """What lies between; None where there are no rows."""
        return (self.present - self.newest).total_seconds() if self.newest else None

    @property
    def exceeded(self) -> str | None:
        """The sentence of the alert, or None."""
        if self.newest is None or self.age_seconds is None:
            return f"view {self.view}: version {self.version[:12]} has no rows"
        if self.age_seconds <= self.limit_days * _DAY_SECONDS:
            return None
        return (
            f"view {self.view}: the newest row of version {self.version[:12]} is of {instant_text(self.newest)}, "
            f"{self.age_seconds / _DAY_SECONDS:.1f} days before {instant_text(self.present)}; {self.limit_days:g} are "
            f"allowed; `ledgerline features build {self.view}` takes up what came since"
        )

    def values(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "version": self.version,
            "newest": instant_text(self.newest) if self.newest else None,
            "present": instant_text(self.present),
            "age_seconds": self.age_seconds,
            "limit_days": self.limit_days,
        }


def view_freshness(ledger: Ledger, limits: FreshnessLimits) -> list[ViewFreshness]:
    """Return the age of every view that has a version, in the order in which views are declared.

    Raises:
        RemoteDamaged: A sealed file is wrong here, and the remote cannot give it back.
    """
    try:
        mapped = mapped_datasets(ledger.settings)
    except LedgerlineError:  # there is no source now; what was built from it is still here
        mapped = []
    return [
        _of(ledger, view, built[-1], limits, mapped)
        for view in VIEWS.values()
        if (built := versions(ledger, view.name))
    ]


def _of(ledger: Ledger, view: View, version: RecordedLeaf, limits: FreshnessLimits, mapped: list[str]) -> ViewFreshness:
    primary = view.sources[0].name
    moment = source_as_of(ledger.settings, primary) if primary in mapped else feature_manifest(ledger, version).as_of
    newest = read_features(ledger, version.id).select(pl.col("event_time").max()).collect().item()
    found = newest if isinstance(newest, datetime) else None
    return ViewFreshness(view.name, version.id, found, moment.astimezone(UTC), limits.of(primary))
