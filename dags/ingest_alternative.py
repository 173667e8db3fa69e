"""Alternative data comes in, by an Airflow DAG: posts that name a symbol."""

from ingestion import ingest_dag
from wiring import every_day

from ledgerline.core.contracts import Domain

ingest_alternative = ingest_dag(
    Domain.ALTERNATIVE,
    # The files of a day are complete by then.
    schedule=every_day("0 5 * * *"),
)
