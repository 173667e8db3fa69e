"""Market data comes in: daily bars, corporate actions, what the symbols stand for. An Airflow DAG for each session."""

from datetime import timedelta

from ingestion import ingest_dag

from ledgerline.core.contracts import Domain
from pipelines.orchestration.session_timetable import SessionTimetable

ingest_market = ingest_dag(
    Domain.MARKET,
    # Vendors publish a session's bars within the hour; there is no run on a holiday, and an early close is earlier.
    schedule=SessionTimetable("XNYS", delay=timedelta(hours=1)),
)
