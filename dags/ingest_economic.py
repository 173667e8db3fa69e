"""Economic data comes in: series with their revisions."""

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable
from ingestion import ingest_dag

from ledgerline.core.contracts import Domain

ingest_economic = ingest_dag(
    Domain.ECONOMIC,
    # US agencies release in the morning of New York.
    schedule=CronTriggerTimetable("0 14 * * *", timezone="UTC", interval=timedelta(days=1), run_immediately=False),
)
