"""Accepted data becomes a feature version."""

import logging
from datetime import datetime
from typing import Any

from airflow.sdk import dag, task
from wiring import ACCEPTED, CARD_SPENDING, WORKSPACE_POOL, task_defaults

log = logging.getLogger(__name__)

INPUTS = (ACCEPTED["transactions"], ACCEPTED["fraud_labels"])


@dag(
    schedule=INPUTS,
    catchup=False,
    max_active_runs=1,
    tags=["features", "fraud"],
    default_args=task_defaults("data-engineering"),
)
def build_features() -> None:
    """Build and seal the view `card_spending`.

    Runs when payments and labels are both in. The `as_of` comes with the asset events: a run has no data interval. The
    build computes only days that something new can influence, and one task at a time works in the DVC workspace (pool
    `workspace`). The same inputs give the same version; then `train_fraud` finds its work done.
    """

    @task(pool=WORKSPACE_POOL, outlets=[CARD_SPENDING])
    def build(triggering_asset_events: Any = None, outlet_events: Any = None) -> dict[str, Any]:
        from ledgerline.audit import Ledger
        from ledgerline.core.clock import instant_text
        from pipelines import features

        as_of = _latest_as_of(triggering_asset_events)
        version = features.build(Ledger.open(), "card_spending", as_of=as_of, progress=log.info)
        outlet_events[CARD_SPENDING].extra = {
            "feature_version": version.id,
            "as_of": instant_text(as_of) if as_of else None,
            "rows": version.rows,
        }
        return {
            "feature_version": version.id,
            "tag": version.tag,
            "rows": version.rows,
            "partitions": version.partitions,
            "built": version.built,
        }

    build()


def _latest_as_of(events: Any) -> datetime | None:
    """Return the latest ``as_of`` of the events that set the run off; None when somebody triggered it."""
    found = [event.extra["as_of"] for asset in INPUTS for event in events.get(asset, ())]
    return max(map(datetime.fromisoformat, found), default=None)


build_features()
