"""Readers beside writers: a live job records decisions while others read and verify the same log."""

import threading
from types import ModuleType

import sqlalchemy as sa

from ledgerline.audit import Kind, Leaf, Ledger, Parent
from ledgerline.audit.schema import LEAF
from ledgerline.audit.verify import entries_holding
from ledgerline.decisions.deployment import current, record_deployment


def test_a_reader_waits_for_no_writer(ledger: Ledger, line: ModuleType) -> None:
    leaf = record_deployment(ledger, line.approved_model(ledger))
    with ledger.log.transaction():
        deployment = current(ledger, "fraud")
    assert deployment is not None
    assert deployment.id == leaf.id


def test_a_writer_waits_for_no_reader(ledger: Ledger) -> None:
    with ledger.log.reading() as connection:
        connection.execute(sa.select(LEAF)).all()
        ledger.log.append(Leaf(Kind.REQUEST, {"sha256": "written meanwhile"}))
    assert ledger.log.latest(Kind.REQUEST) is not None


def test_a_reader_sees_one_moment_while_others_write(ledger: Ledger) -> None:
    count = sa.select(sa.func.count()).select_from(LEAF)
    with ledger.log.reading() as connection:
        before = connection.execute(count).scalar()
        ledger.log.append(Leaf(Kind.REQUEST, {"sha256": "written meanwhile"}))
        assert connection.execute(count).scalar() == before


def test_the_chain_holds_while_it_grows(ledger: Ledger) -> None:
    """Leaves and edges are read one after the other; an entry between the two must not look like a forgery."""
    root = ledger.log.append(Leaf(Kind.REQUEST, {"sha256": "root"}))
    stopping = threading.Event()

    def grow() -> None:
        number = 0
        while not stopping.is_set():
            number += 1
            ledger.log.append(Leaf(Kind.DECISION, {"decision_id": str(number)}), [Parent(root, "request")])

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        while entries_holding(ledger.log) < 100:
            pass
    finally:
        stopping.set()
        writer.join()
