"""Business data comes in, by an Airflow DAG: card payments and what became of them, credit applications, books."""

from ingestion import ingest_dag
from wiring import every_day

from ledgerline.core.contracts import Domain

ingest_business = ingest_dag(
    Domain.BUSINESS,
    # The files of a day are complete by then.
    schedule=every_day("0 6 * * *"),
)
