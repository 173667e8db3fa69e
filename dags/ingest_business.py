"""Business data comes in: card payments and what became of them."""

import logging
from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import CronTriggerTimetable, dag, task
from wiring import ACCEPTED, task_defaults

log = logging.getLogger(__name__)


@dag(
    schedule=CronTriggerTimetable("0 6 * * *", timezone="UTC", interval=timedelta(days=1), run_immediately=False),
    catchup=False,
    max_active_runs=1,
    tags=["ingestion", "business"],
    default_args=task_defaults("data-engineering"),
)
def ingest_business() -> None:
    """Land and judge the business datasets.

    1. **datasets** that the source's mapping fills.
    2. **land**: raw bytes are kept as received, rows are typed. A file that cannot be read is refused with a reason.
    3. **validate**: Great Expectations decides row by row. Landed = accepted + quarantined.
    4. **report** builds the Data Docs and says what stands accepted now.
    5. **publish** emits one asset event a dataset: `build_features` runs when all that it needs are in.

    A scheduled or backfilled run takes the files of the days that ended within its data interval; a run that somebody
    triggers takes everything that is there. Every task may run twice: what has landed stays landed. A scheduled run
    after which nothing else stands accepted than was published last emits nothing.
    """

    @task
    def datasets() -> list[str]:
        from ledgerline.core.settings import Settings
        from pipelines.ingestion import mapped_datasets

        return mapped_datasets(Settings())

    @task
    def land(dataset: str, dag_run: Any = None) -> dict[str, Any]:
        from ledgerline.audit import Ledger
        from pipelines import ingestion

        days = _days_ended(dag_run)
        window = ingestion.Window(*days) if days else None
        landed = ingestion.land(Ledger.open(), dataset, window=window, progress=log.info)
        counts = {"new": len(landed.new), "refused": len(landed.refused), "left": len(landed.left)}
        return {"dataset": dataset, "batches": list(landed.batches), **counts}

    @task
    def validate(landed: dict[str, Any]) -> dict[str, Any]:
        from ledgerline.audit import Ledger
        from pipelines.validation import validate_batches

        receipts = validate_batches(Ledger.open(), landed["batches"], progress=log.info)
        counts = {name: sum(getattr(receipt, name) for receipt in receipts) for name in _COUNTS}
        return {"dataset": landed["dataset"], "batches": len(receipts), **counts}

    @task(inlets=list(ACCEPTED.values()))
    def report(validated: list[dict[str, Any]], inlet_events: Any = None, dag_run: Any = None) -> dict[str, Any]:
        from ledgerline.audit import Ledger
        from pipelines.validation import build_data_docs

        ledger = Ledger.open()
        log.info("Data Docs: %s", build_data_docs(ledger))
        stands = {run["dataset"]: _accepted(ledger, run["dataset"]) for run in validated}
        published = {name: _last_published(inlet_events[ACCEPTED[name]]) for name in stands}
        if _days_ended(dag_run) and all(published[name] == stands[name]["receipts"] for name in stands):
            log.info("nothing else stands accepted than was published last: nothing to publish")
            return {}
        return stands

    stands = report(validate.expand(landed=land.expand(dataset=datasets())))
    for name, asset in ACCEPTED.items():

        @task(task_id=f"publish_{name}", outlets=[asset])
        def publish(dataset: str, stands: dict[str, Any], outlet_events: Any = None) -> None:
            from airflow.sdk.exceptions import AirflowSkipException

            if dataset not in stands:
                raise AirflowSkipException(f"{dataset}: nothing new, or not in this source")
            outlet_events[ACCEPTED[dataset]].extra = stands[dataset]

        publish(name, stands)


_COUNTS = ("landed", "accepted", "quarantined")


def _days_ended(dag_run: Any) -> tuple[datetime, datetime] | None:
    """Return the midnights between which a run's days lie, or None for a run that somebody triggered."""
    if dag_run.run_type == "manual" or dag_run.data_interval_start is None:
        return None
    midnight = {"hour": 0, "minute": 0, "second": 0, "microsecond": 0}
    return dag_run.data_interval_start.replace(**midnight), dag_run.data_interval_end.replace(**midnight)


def _accepted(ledger: Any, dataset: str) -> dict[str, Any]:
    """Return what stands accepted of a dataset now: the receipts' ids as one hash, and counts."""
    from ledgerline.core.clock import instant_text
    from ledgerline.core.identity import content_id
    from pipelines.ingestion import source_as_of
    from pipelines.validation import accepted_receipts

    receipts = accepted_receipts(ledger, dataset)
    rows = sum(receipt.identity["accepted"] for receipt in receipts)
    ids = content_id([receipt.id for receipt in receipts])
    return {
        "as_of": instant_text(source_as_of(ledger.settings)),
        "receipts": ids,
        "batches": len(receipts),
        "rows": rows,
    }


def _last_published(events: Any) -> str | None:
    """Return the receipts' hash in an asset's newest event."""
    newest = list(events.ascending(False).limit(1))
    return newest[0].extra.get("receipts") if newest else None


ingest_business()
