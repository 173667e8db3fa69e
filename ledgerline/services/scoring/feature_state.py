"""What monitoring saw last of the features, as Prometheus metrics: how fresh they are, and how skewed the live ones.

Monitoring measures and puts its look on record; this reads the newest look when Prometheus asks. So the figures are
those of the evidence log, and asking costs no measurement.
"""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from ledgerline.audit import Kind, Ledger
from ledgerline.core.clock import parse_instant
from ledgerline.core.errors import LedgerlineError

_MOST_FEATURES = 200  # of a family; an open view's data names as many as they like

_log = logging.getLogger(__name__)


class FeatureState(Collector):
    """Reads the newest look of monitoring, and says what it saw of the features.

    Args:
        ledger: The installation.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._held: tuple[str, Mapping[str, Any]] = ("", {})

    def describe(self) -> Iterable[Metric]:
        """Return nothing: what there is to say is known when it is asked for."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield the gauges; none before the first look, or while it cannot be read.

        ``ledgerline_feature_freshness_seconds`` is the time between a view's newest row and the present of its source,
        when monitoring looked; what has passed since is the look's own age.
        """
        try:
            seen = self._newest()
        except (LedgerlineError, SQLAlchemyError, ValueError) as unreadable:
            _log.warning("what monitoring saw last cannot be read just now: %s", unreadable)
            return
        if not seen:
            return
        yield from self._of_look(seen)
        yield from _of_views(seen.get("views", {}))
        yield from _of_skew(seen.get("skew", {}))

    def _newest(self) -> Mapping[str, Any]:
        """Return the newest look's report and when it was; empty before the first."""
        look = self._ledger.log.latest(Kind.MONITORING)
        if look is None:
            return {}
        if look.id != self._held[0]:
            report = json.loads(self._ledger.objects.get(str(look.identity["report"])))
            self._held = (look.id, {**report, "looked_at": look.detail["looked_at"]})
        return self._held[1]

    def _of_look(self, seen: Mapping[str, Any]) -> Iterator[Metric]:
        age = GaugeMetricFamily("ledgerline_monitoring_look_age_seconds", "Since monitoring looked last")
        age.add_metric([], (self._ledger.clock.now() - parse_instant(seen["looked_at"])).total_seconds())
        exceeded = GaugeMetricFamily("ledgerline_monitoring_exceeded", "Limits that were exceeded at the last look")
        exceeded.add_metric([], len(seen["exceeded"]))
        yield from (age, exceeded)


def _of_views(views: Mapping[str, Any]) -> Iterator[Metric]:
    fresh = GaugeMetricFamily(
        "ledgerline_feature_freshness_seconds",
        "From the newest row of a view's newest version to the present of its source",
        labels=["view"],
    )
    for view, seen in sorted(views.items()):
        if seen["age_seconds"] is not None:
            fresh.add_metric([view], seen["age_seconds"])
    yield fresh


def _of_skew(skews: Mapping[str, Any]) -> Iterator[Metric]:
    apart = GaugeMetricFamily(
        "ledgerline_feature_skew_psi",
        "Population stability index of what was served lately against the training set",
        labels=["family", "view", "feature"],
    )
    compared = GaugeMetricFamily(
        "ledgerline_feature_served_compared",
        "Live decisions that have a row offline by now",
        labels=["family", "view"],
    )
    differing = GaugeMetricFamily(
        "ledgerline_feature_served_differing_share",
        "Share of those that were served other features than the row has",
        labels=["family", "view"],
    )
    for family, seen in sorted(skews.items()):
        most = sorted(seen["features"].items(), key=lambda each: (-each[1], each[0]))[:_MOST_FEATURES]
        for feature, index in most:
            apart.add_metric([family, seen["view"], feature], index)
        compared.add_metric([family, seen["view"]], seen["compared"])
        if seen["differing_share"] is not None:
            differing.add_metric([family, seen["view"]], seen["differing_share"])
    yield from (apart, compared, differing)
