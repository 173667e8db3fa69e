"""Alternative data comes in: posts that name a symbol."""

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable
from ingestion import ingest_dag

from ledgerline.core.contracts import Domain

ingest_alternative = ingest_dag(
    Domain.ALTERNATIVE,
    # The files of a day are complete by then.
    schedule=CronTriggerTimetable("0 5 * * *", timezone="UTC", interval=timedelta(days=1), run_immediately=False),
)
