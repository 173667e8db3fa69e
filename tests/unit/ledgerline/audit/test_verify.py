"""Verification: an honest log holds, and whatever is done to one is found and named, on every engine."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from ledgerline.audit import EvidenceLog, Kind, Leaf, Parent
from ledgerline.audit.checkpoint import Checkpoint, SignedCheckpoint
from ledgerline.audit.merkle import leaf_hash
from ledgerline.audit.note import NoteSigner
from ledgerline.audit.schema import CHECKPOINT, EDGE, LEAF, NAME, TREE_NODE
from ledgerline.audit.tree import sign_checkpoint
from ledgerline.audit.verify import EvidenceBroken, Problem, Trust, check_log, entries_holding
from ledgerline.audit.witness import Witness, observe
from ledgerline.core.clock import FixedClock, instant_text, parse_instant

SIZE, WITNESSED = 12, 8


@pytest.fixture
def trust(
    log: EvidenceLog, clock: FixedClock, signer: NoteSigner, witness: Witness, witness_signer: NoteSigner
) -> Trust:
    """A log of requests and decisions, whose first entries a witness has seen; whom to trust over it."""
    log.append(Leaf(Kind.DEPLOYMENT, {"bundle": "b"}))
    deployment = Leaf(Kind.DEPLOYMENT, {"bundle": "b"}).id
    for number in range(1, SIZE):
        clock.instant += timedelta(minutes=10)
        if number % 2:
            last = log.append(Leaf(Kind.REQUEST, {"sha256": f"request {number}"}))
        else:
            parents = [Parent(last, "request"), Parent(deployment, "deployment")]
            log.append(Leaf(Kind.DECISION, {"decision_id": f"decision {number}"}, {"n": number}), parents)
        if number + 1 in (3, WITNESSED, SIZE):
            sign_checkpoint(log, signer, clock.now())
        if number + 1 in (3, WITNESSED):
            observe(witness, log, clock.now())
    return Trust(signer.key, witness.published, (witness_signer.key,))


def execute(log: EvidenceLog, *statements: sa.Executable) -> None:
    with log.transaction() as transaction:
        if transaction.dialect.name == "sqlite":
            transaction.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
        for statement in statements:
            transaction.execute(statement)


def found(log: EvidenceLog, trust: Trust | None) -> list[tuple[int, Problem]]:
    return [(finding.sequence, finding.problem) for finding in check_log(log, trust).findings]


def at(sequence: int, **values: object) -> sa.Update:
    return sa.update(LEAF).where(LEAF.c.sequence == sequence).values(values)


def id_at(log: EvidenceLog, sequence: int) -> str:
    with log.reading() as connection:
        return str(connection.execute(sa.select(LEAF.c.id).where(LEAF.c.sequence == sequence)).scalar_one())


def test_an_honest_log_holds(log: EvidenceLog, trust: Trust):
    verification = check_log(log, trust)
    assert verification.holds
    assert (verification.entries, verification.edges) == (SIZE, 10)
    assert (verification.checkpoints, verification.witnessed) == (3, WITNESSED)


def test_a_part_of_an_honest_log_holds(log: EvidenceLog, trust: Trust):
    for first in range(1, SIZE + 1):
        for last in (first, SIZE):
            verification = check_log(log, trust, first=first, last=last)
            assert (verification.findings, verification.entries) == ((), last - first + 1)


def test_an_empty_log_holds(log: EvidenceLog):
    assert entries_holding(log) == 0


def test_hashes_alone_are_checked_when_asked(log: EvidenceLog, trust: Trust):
    execute(log, sa.update(EDGE).values(role="other"))
    assert check_log(log, trust, hashes_only=True).holds
    assert not check_log(log, trust).holds


@pytest.mark.parametrize("changes", [{"n": "9"}, {"more": 1}], ids=["changed", "added"])
def test_a_changed_detail_is_named(log: EvidenceLog, trust: Trust, rewrite, changes):
    rewrite(log, id_at(log, 5), "detail", **changes)
    assert found(log, trust)[0] == (5, Problem.CHANGED)
    with pytest.raises(EvidenceBroken, match="entry 5"):
        entries_holding(log)


def test_an_entry_changed_with_its_hash_is_named_by_the_witnesss_copy(log: EvidenceLog, trust: Trust, rewrite):
    rewrite(log, id_at(log, 5), "detail", hashed=True, n=9)
    assert found(log, trust)[0] == (5, Problem.REWRITTEN)


def test_without_a_witness_it_is_named_by_the_first_root_that_does_not_hold(log: EvidenceLog, trust: Trust, rewrite):
    rewrite(log, id_at(log, 5), "detail", hashed=True, n=9)
    assert found(log, Trust(trust.log_key)) == [(4, Problem.UNPROVEN)]


def test_an_entry_that_is_no_entry_any_more_is_named(log: EvidenceLog, trust: Trust):
    for sequence, content in ((5, b"no JSON"), (6, b"[]"), (7, b'{"id":1}')):
        execute(log, at(sequence, entry=content, hash=leaf_hash(content)))
    assert {(n, Problem.MALFORMED) for n in (5, 6, 7)} <= set(found(log, trust))


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"kind": "request"}, Problem.MISNAMED),
        ({"recorded_at": "2001-01-01T00:00:00.000000Z"}, Problem.MISNAMED),
        ({"id": "0" * 64}, Problem.MISNAMED),
    ],
    ids=["kind", "time", "id"],
)
def test_a_column_that_says_something_else_than_the_entry_is_named(log, trust, values, problem):
    execute(log, at(5, **values))
    assert found(log, trust)[0] == (5, problem)


@pytest.mark.parametrize(
    "statement",
    [
        sa.update(EDGE).where(EDGE.c.child == 5, EDGE.c.position == 0).values(role="other"),
        sa.update(EDGE).where(EDGE.c.child == 5, EDGE.c.position == 0).values(parent=2),
        sa.delete(EDGE).where(EDGE.c.child == 5, EDGE.c.position == 1),
        sa.delete(EDGE).where(EDGE.c.child == 5),
        sa.insert(EDGE).values(child=5, position=2, parent=1, role="more"),
    ],
    ids=["role", "parent", "one dropped", "all dropped", "one added"],
)
def test_a_changed_edge_is_named(log: EvidenceLog, trust: Trust, statement: sa.Executable):
    execute(log, statement)
    assert found(log, trust) == [(5, Problem.EDGE)]


def test_a_dropped_entry_is_named(log: EvidenceLog, trust: Trust):
    execute(log, sa.delete(NAME).where(NAME.c.leaf == 4), sa.delete(EDGE).where(EDGE.c.parent == 4))
    execute(log, sa.delete(LEAF).where(LEAF.c.sequence == 4))
    assert (4, Problem.MISSING) in found(log, trust)
    assert found(log, trust)[0][0] == 4


def test_an_entry_dropped_and_its_gap_closed_is_named(log: EvidenceLog, trust: Trust):
    execute(log, sa.delete(EDGE), sa.delete(NAME), sa.delete(LEAF).where(LEAF.c.sequence == 4))
    for sequence in range(5, SIZE + 1):
        execute(log, sa.update(LEAF).where(LEAF.c.sequence == sequence).values(sequence=sequence - 1))
    problems = found(log, trust)
    assert (4, Problem.REWRITTEN) in problems
    assert (SIZE, Problem.MISSING) in problems


def test_entries_that_changed_places_are_named(log: EvidenceLog, trust: Trust):
    execute(log, sa.delete(EDGE), sa.delete(NAME))
    for old, new in ((4, 99), (6, 4), (99, 6)):
        execute(log, sa.update(LEAF).where(LEAF.c.sequence == old).values(sequence=new))
    problems = found(log, trust)
    assert {(4, Problem.REWRITTEN), (6, Problem.REWRITTEN)} <= set(problems)


def test_a_log_cut_short_is_named_at_the_first_entry_that_is_gone(log: EvidenceLog, trust: Trust):
    execute(log, sa.delete(NAME).where(NAME.c.leaf > 6), sa.delete(EDGE).where(EDGE.c.child > 6))
    execute(log, sa.delete(LEAF).where(LEAF.c.sequence > 6), sa.delete(CHECKPOINT), sa.delete(TREE_NODE))
    assert found(log, trust) == [(7, Problem.MISSING)]


def test_history_signed_again_with_the_logs_own_key_is_named_by_the_witness(
    log: EvidenceLog, trust: Trust, rewrite, signer: NoteSigner, clock: FixedClock
):
    rewrite(log, id_at(log, 5), "detail", hashed=True, n=9)
    execute(log, sa.delete(CHECKPOINT), sa.delete(TREE_NODE))
    sign_checkpoint(log, signer, clock.now())
    assert found(log, trust) == [(5, Problem.REWRITTEN), (9, Problem.UNPROVEN)]
    assert check_log(log, Trust(signer.key)).holds  # the log's own word is worth nothing against its own key


def test_a_checkpoint_that_the_log_has_not_signed_is_named(log: EvidenceLog, trust: Trust, witness_signer: NoteSigner):
    forged = SignedCheckpoint.sign(
        Checkpoint(trust.log_key.name, SIZE, b"r" * 32),
        witness_signer.__class__.of(trust.log_key.name, witness_signer.private),
    )
    execute(log, sa.update(CHECKPOINT).where(CHECKPOINT.c.size == SIZE).values(note=str(forged.note)))
    assert found(log, trust) == [(SIZE, Problem.FORGED)]


def test_a_checkpoint_published_without_the_witnesss_key_counts_for_nothing(
    log: EvidenceLog, trust: Trust, signer: NoteSigner
):
    stranger = Trust(trust.log_key, trust.witness, (signer.key,))
    verification = check_log(log, stranger)
    assert (verification.holds, verification.witnessed, verification.witnessed_at) == (True, 0, None)


@pytest.mark.parametrize("hours", [-1, 1])
def test_an_entry_that_gives_itself_another_time_is_named(log: EvidenceLog, trust: Trust, rewrite, hours: int):
    """It is not witnessed yet, so its hash can be made to fit; its neighbours' times and the witness's cannot."""
    with log.reading() as connection:
        recorded = connection.execute(sa.select(LEAF.c.recorded_at).where(LEAF.c.sequence == 9)).scalar_one()
    moved = instant_text(parse_instant(recorded) + timedelta(hours=hours))
    rewrite(log, id_at(log, 9), None, hashed=True, recorded_at=moved)
    execute(log, at(9, recorded_at=moved), sa.delete(CHECKPOINT), sa.delete(TREE_NODE))
    assert (10 if hours > 0 else 9, Problem.BACK_DATED) in found(log, trust)


def test_an_entry_dated_before_the_witness_that_did_not_see_it_is_named(
    log: EvidenceLog, trust: Trust, clock: FixedClock, signer: NoteSigner, witness: Witness
):
    """A clock that is wrong, or a hand that inserts something into the past, after the witness was here."""
    observe(witness, log, clock.now() + timedelta(days=1))
    log.append(Leaf(Kind.REQUEST, {"sha256": "late"}))
    assert found(log, trust) == [(SIZE + 1, Problem.BACK_DATED)]


def test_a_stored_subtree_that_is_not_the_entries_is_named(log: EvidenceLog, clock: FixedClock, signer: NoteSigner):
    for number in range(300):
        log.append(Leaf(Kind.REQUEST, {"sha256": str(number)}))
    sign_checkpoint(log, signer, clock.now())
    assert check_log(log, Trust(signer.key)).holds
    execute(log, sa.update(TREE_NODE).values(root=b"x" * 32))
    assert found(log, Trust(signer.key)) == [(1, Problem.UNPROVEN)]


@pytest.mark.parametrize(
    "damage",
    [
        sa.delete(NAME).where(NAME.c.leaf == 5),
        sa.update(NAME).where(NAME.c.leaf == 5).values(leaf=6),
        sa.insert(NAME).values(name="more", leaf=5),
    ],
    ids=["lost", "moved", "added"],
)
def test_an_entry_that_is_not_found_by_its_name_any_more_is_named(
    log: EvidenceLog, trust: Trust, damage: sa.Executable
):
    execute(log, damage)
    assert {problem for _, problem in found(log, trust)} == {Problem.MISNAMED}


def test_more_is_checked_of_the_kinds_that_have_more_to_check(log: EvidenceLog, trust: Trust):
    checks = {Kind.DECISION: lambda leaf: "not so" if leaf.detail["n"] == 4 else None}
    (finding,) = check_log(log, trust, checks=checks).findings
    assert (finding.sequence, finding.problem, finding.detail) == (5, Problem.SIGNATURE, "not so")


def test_progress_is_told(log: EvidenceLog, trust: Trust):
    told: list[tuple[int, int]] = []
    check_log(log, trust, progress=lambda done, of: told.append((done, of)))
    assert told[-1] == (SIZE, SIZE)
