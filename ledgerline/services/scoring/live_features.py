"""The online features of a running job, and the span of time in which they can be answered exactly."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import polars as pl

from feature_store.definition import FeatureValue
from feature_store.online import DISORDER, OnlineFeatures
from feature_store.view import FeatureView
from ledgerline.core.clock import instant_text, parse_instant
from ledgerline.core.errors import LedgerlineError


class OutOfSpan(LedgerlineError):
    """A payment lies so far before or after the others that its features would be silently wrong."""


class NotANumber(LedgerlineError):
    """A view has a feature that is null for this payment, or a sequence."""


class LiveFeatures:
    """Online features that start from a feature version's state and take up every payment that is decided on.

    A payment is available for decisions from the moment it is about. Not shared between threads while it changes.

    Args:
        view: The view.
        state: The feature version's recent events, from :func:`feature_store.online.recent_events`.
    """

    def __init__(self, view: FeatureView, state: pl.DataFrame) -> None:
        self._view = view
        self._online = OnlineFeatures(view)
        self._online.bootstrap(state)
        newest = state["available_at"].max()
        self.newest = newest if isinstance(newest, datetime) else None

    def __len__(self) -> int:
        """Return how many events are remembered."""
        return len(self._online)

    def vector(self, event: Mapping[str, Any]) -> dict[str, float]:
        """Return the features of a payment, itself included.

        Args:
            event: As :meth:`ScoreRequest.event_values` gives it.

        Raises:
            OutOfSpan: What its windows need is forgotten already, or nothing that is known could lie in them.
        """
        row = _row(event)
        self._check_span(row["event_time"])
        return {name: _number(name, value) for name, value in self._online.vector(row).items()}

    def observe(self, event: Mapping[str, Any]) -> None:
        """Remember a payment that was decided on."""
        row = _row(event)
        self._online.observe(row)
        self.newest = max(self.newest or row["event_time"], row["event_time"])

    def _check_span(self, event_time: datetime) -> None:
        if self.newest is None:
            return
        if event_time < self.newest - DISORDER:
            raise OutOfSpan(
                f"{instant_text(event_time)} is more than {DISORDER} before the newest payment known "
                f"({instant_text(self.newest)}); what its windows need is no longer kept"
            )
        if event_time > self.newest + self._view.horizon:
            raise OutOfSpan(
                f"{instant_text(event_time)} is more than {self._view.horizon} after the newest payment known "
                f"({instant_text(self.newest)}); no history would count; deploy a model with newer features"
            )


def _number(name: str, value: FeatureValue) -> float:
    if not isinstance(value, (int, float)):
        raise NotANumber(f"feature {name} is {value!r}; a scoring job's models read numbers alone")
    return value


def _row(event: Mapping[str, Any]) -> dict[str, Any]:
    event_time = parse_instant(event["event_time"])
    return {**event, "event_time": event_time, "available_at": event_time}
