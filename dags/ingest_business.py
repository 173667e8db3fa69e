"""Business data comes in: card payments and what became of them, credit applications, books."""

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable
from ingestion import ingest_dag

from ledgerline.core.contracts import Domain

ingest_business = ingest_dag(
    Domain.BUSINESS,
    # The files of a day are complete by then.
    schedule=CronTriggerTimetable("0 6 * * *", timezone="UTC", interval=timedelta(days=1), run_immediately=False),
)
