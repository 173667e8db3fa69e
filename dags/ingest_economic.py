"""Economic data comes in, by an Airflow DAG: series with their revisions."""

from ingestion import ingest_dag
from wiring import every_day

from ledgerline.core.contracts import Domain

ingest_economic = ingest_dag(
    Domain.ECONOMIC,
    # US agencies release in the morning of New York.
    schedule=every_day("0 14 * * *"),
)
