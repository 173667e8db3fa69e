"""What is found by the beginning of its id is found by a range of an index, on every engine."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from ledgerline.audit import Ledger, UnknownLeaf
from ledgerline.core.settings import Settings
from ledgerline.decisions.record import UnknownDecision, get_decision

LOOKUPS: dict[str, Callable[[Ledger], Any]] = {
    "decision": lambda ledger: get_decision(ledger, "c0ffee"),
    "leaf": lambda ledger: ledger.log.get("c0ffee"),
}


@pytest.fixture
def ledger(url: str, tmp_path: Path) -> Ledger:
    found = Ledger.open(Settings(home=tmp_path / "home", database=url))
    with pytest.raises(UnknownDecision):
        get_decision(found, "c0ffee")  # its tables are there from now on
    return found


@pytest.mark.parametrize("table", LOOKUPS)
def test_the_beginning_of_an_id_is_looked_up_in_an_index(ledger: Ledger, table: str):
    asked: list[tuple[str, Any]] = []
    with ledger.log.reading() as connection:
        engine = connection.engine

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        with pytest.raises((UnknownDecision, UnknownLeaf)):
            LOOKUPS[table](ledger)
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)
    plans = [_plan(ledger, *each) for each in asked if f"FROM {table}" in each[0]]
    assert plans
    assert [plan for plan in plans if not _searches(plan)] == []


def _searches(plan: list[str]) -> bool:
    """Whether a plan goes to a place in an index with both ends of the range, and reads no table through."""
    text = "\n".join(plan)
    return ("SEARCH" in text and ">? AND " in text and "<?" in text and "SCAN" not in text) or (
        "Index Cond" in text and ">=" in text and "<" in text and "Seq Scan" not in text
    )


def _plan(ledger: Ledger, statement: str, parameters: Any) -> list[str]:
    with ledger.log.reading() as connection:
        if connection.dialect.name == "sqlite":
            return [row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
        # Small tables are read through, whatever the question: what is asked is whether an index could answer it.
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        return [row[0] for row in connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)]
