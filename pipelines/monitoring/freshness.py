"""How old the newest accepted row of each dataset is."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from ledgerline.audit import Ledger
from ledgerline.core.clock import instant_text, parse_instant
from pipelines.ingestion import mapped_datasets, source_as_of
from pipelines.monitoring.policy import FreshnessLimits
from pipelines.validation import accepted_receipts

_DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Freshness:
    """One dataset's age.

    Attributes:
        dataset: Which.
        newest: When its newest accepted row is about, UTC; None where nothing was accepted.
        present: The dataset's own present, by the mapping.
        age_days: What lies between.
        limit_days: How much may.
    """

    dataset: str
    newest: datetime | None
    present: datetime
    age_days: float | None
    limit_days: float

    @property
    def exceeded(self) -> str | None:
        """The sentence of the alert, or None."""
        if self.newest is None or self.age_days is None:
            return f"{self.dataset}: nothing has been accepted"
        if self.age_days <= self.limit_days:
            return None
        return (
            f"{self.dataset}: the newest row is of {instant_text(self.newest)}, {self.age_days:.1f} days before "
            f"{instant_text(self.present)}; {self.limit_days:g} are allowed"
        )

    def values(self) -> dict[str, Any]:
        """Return JSON values."""
        texts = {"newest": instant_text(self.newest) if self.newest else None, "present": instant_text(self.present)}
        return {name: value for name, value in (asdict(self) | texts).items() if name != "dataset"}


def freshness(ledger: Ledger, limits: FreshnessLimits) -> list[Freshness]:
    """Return the age of every dataset that the source has, at its own present; the wall clock does not count."""
    return [_of(ledger, dataset, limits.of(dataset)) for dataset in mapped_datasets(ledger.settings)]


def _of(ledger: Ledger, dataset: str, limit: float) -> Freshness:
    present = source_as_of(ledger.settings, dataset).astimezone(UTC)
    instants = [leaf.detail["event_time_max"] for leaf in accepted_receipts(ledger, dataset)]
    newest = max((parse_instant(text) for text in instants if text), default=None)
    age = (present - newest).total_seconds() / _DAY_SECONDS if newest else None
    return Freshness(dataset, newest, present, age, limit)
