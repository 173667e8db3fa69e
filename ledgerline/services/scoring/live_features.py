"""The online features of a running job, and the span of time in which they can be answered exactly."""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import polars as pl

from feature_store.definition import FeatureValue
from feature_store.errors import NoLongerKept, StateLost
from feature_store.online import DISORDER, OnlineFeatures
from feature_store.stores import EventStore
from feature_store.view import FeatureView
from ledgerline.core.clock import instant_text, parse_instant
from ledgerline.core.errors import LedgerlineError

_SAID_EVERY = 50_000

_log = logging.getLogger(__name__)


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
        store: An empty store that remembers; None for this process's memory.
        as_of: The moment that the state was made for, timezone-aware.

    Attributes:
        newest: Until when payments are known, UTC: ``as_of``, or the ``event_time`` of a newer payment; None while
            none is known at all.
        lost: Whether the store was found to have lost what it was given: nothing can be answered any more.
    """

    def __init__(
        self, view: FeatureView, state: pl.DataFrame, store: EventStore | None = None, *, as_of: datetime
    ) -> None:
        self._view = view
        self._online = OnlineFeatures(view, store)
        self._online.bootstrap(state, as_of=as_of, progress=_say_progress)
        self.lost = False
        self._as_of = as_of
        self.newest = as_of if state["available_at"].count() else None

    def __len__(self) -> int:
        """Return how many events are remembered."""
        return len(self._online)

    def vector(self, event: Mapping[str, Any]) -> dict[str, float]:
        """Return the features of a payment, itself included.

        Args:
            event: As :meth:`ScoreRequest.event_values` gives it.

        Raises:
            OutOfSpan: What its windows need is forgotten already, or nothing that is known could lie in them.
            StoreUnavailable: The store does not answer.
            StateLost: The store lost what it was given.
        """
        row = _row(event)
        self._check_some_history(row["event_time"])
        try:
            vector = self._online.vector(row)
        except NoLongerKept as forgotten:
            raise OutOfSpan(
                f"{instant_text(row['event_time'])} is more than {DISORDER} before the newest that is known "
                f"({instant_text(self.newest or self._as_of)}); what its windows need is no longer kept"
            ) from forgotten
        except StateLost:
            self.lost = True
            raise
        return {name: _number(name, value) for name, value in vector.items()}

    def observe(self, event: Mapping[str, Any]) -> None:
        """Remember a payment that was decided on."""
        row = _row(event)
        self._online.observe(row)
        self.newest = max(self.newest or self._as_of, row["event_time"])

    def _check_some_history(self, event_time: datetime) -> None:
        if self.newest is not None and event_time > self.newest + self._view.horizon:
            raise OutOfSpan(
                f"{instant_text(event_time)} is more than {self._view.horizon} after the newest that is known "
                f"({instant_text(self.newest)}); no history would count; deploy a model with newer features"
            )


def _say_progress(done: int, of: int) -> None:
    if done % _SAID_EVERY == 0 or done == of:
        _log.info("%s of %s remembered events taken up", f"{done:,}", f"{of:,}")


def _number(name: str, value: FeatureValue) -> float:
    if not isinstance(value, (int, float)):
        raise NotANumber(f"feature {name} is {value!r}; a scoring job's models read numbers alone")
    return value


def _row(event: Mapping[str, Any]) -> dict[str, Any]:
    event_time = parse_instant(event["event_time"])
    return {**event, "event_time": event_time, "available_at": event_time}
