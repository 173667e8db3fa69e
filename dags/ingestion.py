"""The shape that all ingest DAGs have. Not a DAG file itself (`.airflowignore`)."""

import logging
from datetime import datetime
from typing import Any

from airflow.sdk import DAG, dag, task
from wiring import ACCEPTED, NEWLY_ACCEPTED, task_defaults

from ledgerline.core.contracts import CONTRACTS, Domain

log = logging.getLogger(__name__)

DOC = """
Land and judge the datasets of the {domain} domain: {names}.

1. **datasets**: which of them the source's mapping fills. None of them is no error: the run ends there.
2. **ingest**, mapped over them: raw bytes are kept as received, rows are typed, a file that cannot be read is refused
   with a reason; then Great Expectations decides row by row. Landed = accepted + quarantined.
3. **publish** builds the Data Docs and emits one asset event for each dataset: `build_features` looks what is due.

A scheduled or backfilled run takes the files of the days that ended within its data interval; a run that somebody
triggers takes everything that is there. Every task may run twice: what has landed stays landed. A scheduled run after
which nothing else stands accepted than was published last emits nothing.
"""


def ingest_dag(domain: Domain, *, schedule: Any) -> DAG:
    """Return the DAG that brings one domain in.

    Args:
        domain: Whose datasets, by their contracts.
        schedule: When: one run for the files of each day.
    """
    ours = [name for name, made in CONTRACTS.items() if made.domain is domain]

    @dag(
        dag_id=f"ingest_{domain}",
        schedule=schedule,
        catchup=False,
        max_active_runs=1,
        tags=["ingestion", str(domain)],
        default_args=task_defaults("data-engineering"),
        doc_md=DOC.format(domain=domain, names=", ".join(ours)),
    )
    def ingest_domain() -> None:
        @task
        def datasets() -> list[str]:
            from ledgerline.core.settings import Settings
            from pipelines.ingestion import mapped_datasets

            mapped = mapped_datasets(Settings())
            return [name for name in ours if name in mapped]

        @task
        def ingest(dataset: str, dag_run: Any = None) -> dict[str, Any]:
            from ledgerline.audit import Ledger
            from pipelines import ingestion
            from pipelines.validation import validate_batches

            ledger, days = Ledger.open(), days_ended(dag_run)
            window = ingestion.Window(*days) if days else None
            landed = ingestion.land(ledger, dataset, window=window, progress=log.info)
            receipts = validate_batches(ledger, landed.batches, progress=log.info)
            counts = {name: sum(getattr(receipt, name) for receipt in receipts) for name in _COUNTS}
            files = {"new": len(landed.new), "refused": len(landed.refused), "left": len(landed.left)}
            return {"dataset": dataset, "batches": len(receipts), **files, **counts}

        @task(inlets=[ACCEPTED[name] for name in ours], outlets=[NEWLY_ACCEPTED])
        def publish(
            ingested: list[dict[str, Any]], inlet_events: Any = None, outlet_events: Any = None, dag_run: Any = None
        ) -> dict[str, Any]:
            from ledgerline.audit import Ledger
            from pipelines.validation import build_data_docs

            ledger = Ledger.open()
            log.info("Data Docs: %s", build_data_docs(ledger))
            stands = {run["dataset"]: accepted_now(ledger, run["dataset"]) for run in ingested}
            published = {name: last_published(inlet_events[ACCEPTED[name]]) for name in stands}
            if days_ended(dag_run) and all(published[name] == stands[name]["receipts"] for name in stands):
                log.info("nothing else stands accepted than was published last: nothing to publish")
                return {}
            for name, extra in stands.items():
                outlet_events[NEWLY_ACCEPTED].add(ACCEPTED[name], extra=extra)
            return stands

        publish(ingest.expand(dataset=datasets()))

    return ingest_domain()


_COUNTS = ("landed", "accepted", "quarantined")


def days_ended(dag_run: Any) -> tuple[datetime, datetime] | None:
    """Return the midnights between which a run's days lie, or None for a run that somebody triggered."""
    if dag_run.run_type == "manual" or dag_run.data_interval_start is None:
        return None
    midnight = {"hour": 0, "minute": 0, "second": 0, "microsecond": 0}
    return dag_run.data_interval_start.replace(**midnight), dag_run.data_interval_end.replace(**midnight)


def accepted_now(ledger: Any, dataset: str) -> dict[str, Any]:
    """Return what stands accepted of a dataset now: the receipts' ids as one hash, and counts."""
    from ledgerline.core.identity import content_id
    from pipelines.validation import accepted_receipts

    receipts = accepted_receipts(ledger, dataset)
    rows = sum(receipt.identity["accepted"] for receipt in receipts)
    return {"receipts": content_id([receipt.id for receipt in receipts]), "batches": len(receipts), "rows": rows}


def last_published(events: Any) -> str | None:
    """Return the receipts' hash in an asset's newest event."""
    newest = list(events.ascending(False).limit(1))
    return newest[0].extra.get("receipts") if newest else None
