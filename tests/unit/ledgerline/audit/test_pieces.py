"""A log that several processes read in pieces: what is said of it is what one reader says, whatever was done to it."""

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledgerline.audit import EvidenceLog, Kind, Leaf, Parent, RecordedLeaf, pieces
from ledgerline.audit.checkpoint import Checkpoint, SignedCheckpoint
from ledgerline.audit.log import NewLeaf
from ledgerline.audit.merkle import leaf_hash
from ledgerline.audit.note import NoteSigner
from ledgerline.audit.schema import CHECKPOINT, EDGE, LEAF, METADATA, NAME, TREE_NODE
from ledgerline.audit.tree import sign_checkpoint
from ledgerline.audit.verify import Problem, Trust, Verification, check_log
from ledgerline.audit.witness import Witness, observe
from ledgerline.core.clock import FixedClock, instant_text, parse_instant
from ledgerline.core.identity import canonical_json

BEGAN = datetime(2018, 10, 1, tzinfo=UTC)
TREE_SIZE = 300  # enough for subtrees to be stored


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces_of(4, monkeypatch.setattr)


def pieces_of(width: int, set_value: Callable[[object, str, int], None]) -> None:
    for name, value in (("LEAST_ENTRIES", 1), ("LEAST_HASHES", 1), ("_MOST_IN_A_PIECE", width)):
        set_value(pieces, name, value)
    set_value(pieces, "_PIECES_A_PROCESS", 1)


@dataclass(frozen=True)
class Recorded:
    """A log, and whom to trust over it."""

    log: EvidenceLog
    clock: FixedClock
    signer: NoteSigner
    trust: Trust


@pytest.fixture
def keys(signer: NoteSigner, witness_signer: NoteSigner) -> tuple[NoteSigner, NoteSigner]:
    return signer, witness_signer


def recorded(
    log: EvidenceLog,
    clock: FixedClock,
    keys: tuple[NoteSigner, NoteSigner],
    folder: Path,
    size: int,
    signed: tuple[int, ...] = (),
    witnessed: tuple[int, ...] = (),
) -> Recorded:
    """Record deployments, requests and decisions, signed and witnessed at some sizes."""
    signer, vouching = keys
    witness = Witness(folder, vouching, signer.key)
    deployment = Leaf(Kind.DEPLOYMENT, {"bundle": "b"})
    log.append(deployment)
    new: list[NewLeaf] = []
    for number in range(2, size + 1):
        request = Leaf(Kind.REQUEST, {"sha256": f"request {number // 2}"})
        decision = Leaf(Kind.DECISION, {"decision_id": f"decision {number}"}, {"n": number})
        behind = (Parent(request.id, "request"), Parent(deployment.id, "deployment"))
        new.append(NewLeaf(decision, behind) if number % 2 else NewLeaf(request))
        if number in signed or number in witnessed or number == size or number % 10 == 0:
            clock.instant += timedelta(minutes=10)
            with log.transaction() as transaction:
                log.record_all(transaction, new)
            new = []
        if number in signed or number in witnessed:
            sign_checkpoint(log, signer, clock.now())
        if number in witnessed:
            observe(witness, log, clock.now())
    return Recorded(log, clock, signer, Trust(signer.key, witness.published, (vouching.key,)))


def both_ways(log: EvidenceLog, trust: Trust | None, **asked: object) -> tuple[Verification, list[int]]:
    """Check with one reader and with several, see that they say the same, and return it with the several's progress."""
    alone = check_log(log, trust, **asked)
    told: list[int] = []
    assert check_log(log, trust, processes=2, progress=lambda done, of: told.append(done), **asked) == alone
    return alone, told


def execute(log: EvidenceLog, *statements: sa.Executable) -> None:
    with log.transaction() as transaction:
        if transaction.dialect.name == "sqlite":
            transaction.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
        for statement in statements:
            transaction.execute(statement)


def content_at(log: EvidenceLog, sequence: int) -> dict[str, object]:
    with log.reading() as connection:
        content = connection.execute(sa.select(LEAF.c.entry).where(LEAF.c.sequence == sequence)).scalar_one()
    return dict(json.loads(content))


def at(sequence: int, **values: object) -> sa.Update:
    return sa.update(LEAF).where(LEAF.c.sequence == sequence).values(values)


# What may be done to an entry, to what is stored beside it, or to the root that is signed at its size.


def change_bytes(made: Recorded, sequence: int) -> None:
    execute(made.log, at(sequence, entry=canonical_json({**content_at(made.log, sequence), "detail": {"n": -1}})))


def change_bytes_and_hash(made: Recorded, sequence: int) -> None:
    content = canonical_json({**content_at(made.log, sequence), "detail": {"n": -1}})
    execute(made.log, at(sequence, entry=content, hash=leaf_hash(content)))


def change_hash(made: Recorded, sequence: int) -> None:
    execute(made.log, at(sequence, hash=b"h" * 32))


def garble(made: Recorded, sequence: int) -> None:
    execute(made.log, at(sequence, entry=b"no entry", hash=leaf_hash(b"no entry")))


def change_kind(made: Recorded, sequence: int) -> None:
    execute(made.log, at(sequence, kind="halt"))


def change_id(made: Recorded, sequence: int) -> None:
    execute(made.log, at(sequence, id=f"{sequence:064d}"))


def change_stored_moment(made: Recorded, sequence: int) -> None:
    execute(made.log, at(sequence, recorded_at="2001-01-01T00:00:00.000000Z"))


def back_date(made: Recorded, sequence: int) -> None:
    date(made, sequence, timedelta(hours=-8))


def post_date(made: Recorded, sequence: int) -> None:
    date(made, sequence, timedelta(hours=8))


def date(made: Recorded, sequence: int, by: timedelta) -> None:
    said = content_at(made.log, sequence)
    said["recorded_at"] = moved = instant_text(parse_instant(str(said["recorded_at"])) + by)
    content = canonical_json(said)
    execute(made.log, at(sequence, entry=content, hash=leaf_hash(content), recorded_at=moved))


def drop(made: Recorded, sequence: int) -> None:
    execute(
        made.log,
        sa.delete(NAME).where(NAME.c.leaf == sequence),
        sa.delete(EDGE).where(sa.or_(EDGE.c.parent == sequence, EDGE.c.child == sequence)),
        sa.delete(LEAF).where(LEAF.c.sequence == sequence),
    )


def cut(made: Recorded, sequence: int) -> None:
    execute(
        made.log,
        sa.delete(NAME).where(NAME.c.leaf >= sequence),
        sa.delete(EDGE).where(EDGE.c.child >= sequence),
        sa.delete(LEAF).where(LEAF.c.sequence >= sequence),
    )


def change_role(made: Recorded, sequence: int) -> None:
    execute(made.log, sa.update(EDGE).where(EDGE.c.child == sequence).values(role="other"))


def lead_edges_elsewhere(made: Recorded, sequence: int) -> None:
    execute(made.log, sa.update(EDGE).where(EDGE.c.child == sequence, EDGE.c.position == 0).values(parent=1))


def drop_edges(made: Recorded, sequence: int) -> None:
    execute(made.log, sa.delete(EDGE).where(EDGE.c.child == sequence))


def add_edge(made: Recorded, sequence: int) -> None:
    execute(made.log, sa.insert(EDGE).values(child=sequence, position=9, parent=1, role="more"))


def drop_names(made: Recorded, sequence: int) -> None:
    execute(made.log, sa.delete(NAME).where(NAME.c.leaf == sequence))


def add_name(made: Recorded, sequence: int) -> None:
    execute(made.log, sa.insert(NAME).values(name=f"more {sequence}", leaf=sequence))


def forge_checkpoint(made: Recorded, sequence: int) -> None:
    stranger = NoteSigner.of(made.signer.key.name, Ed25519PrivateKey.generate())
    sign_other_root(made, stranger, sequence)


def sign_other_root_with_the_logs_key(made: Recorded, sequence: int) -> None:
    sign_other_root(made, made.signer, sequence)


def sign_other_root(made: Recorded, signer: NoteSigner, sequence: int) -> None:
    note = str(SignedCheckpoint.sign(Checkpoint(signer.key.name, sequence, b"r" * 32), signer).note)
    execute(
        made.log,
        sa.delete(CHECKPOINT).where(CHECKPOINT.c.size == sequence),
        sa.insert(CHECKPOINT).values(size=sequence, note=note, signed_at=instant_text(BEGAN)),
    )


def sign_again(made: Recorded, sequence: int) -> None:
    execute(made.log, sa.delete(CHECKPOINT), sa.delete(TREE_NODE))
    with contextlib.suppress(Exception):  # where a gap is, there is nothing to sign
        sign_checkpoint(made.log, made.signer, made.clock.now())


DAMAGES = [
    change_bytes,
    change_bytes_and_hash,
    change_hash,
    garble,
    change_kind,
    change_id,
    change_stored_moment,
    back_date,
    post_date,
    drop,
    cut,
    change_role,
    lead_edges_elsewhere,
    drop_edges,
    add_edge,
    drop_names,
    add_name,
    forge_checkpoint,
    sign_other_root_with_the_logs_key,
]


def unlucky(number: int) -> Callable[[RecordedLeaf], str | None]:
    return lambda leaf: "not so" if leaf.detail.get("n") == number else None


def test_an_honest_log_holds_and_is_read_piece_by_piece(log, clock, keys, tmp_path):
    made = recorded(log, clock, keys, tmp_path / "w", 21, signed=(3, 8, 21), witnessed=(4, 9, 16))
    found, told = both_ways(log, made.trust)
    assert (found.holds, found.entries, found.edges, found.checkpoints) == (True, 21, 20, 6)
    assert told == [4, 8, 12, 16, 20, 21]
    found, told = both_ways(log, made.trust, hashes_only=True)
    assert (found.holds, found.entries, found.checkpoints, told[:2]) == (True, 21, 6, [4, 8])


def test_any_part_of_an_honest_log_holds_in_pieces(log, clock, keys, tmp_path):
    made = recorded(log, clock, keys, tmp_path / "w", 14, signed=(3, 14), witnessed=(9,))
    for first, last in ((1, 13), (2, None), (4, 11), (5, 12), (6, 6), (14, None)):
        found, told = both_ways(log, made.trust, first=first, last=last)
        assert (found.findings, found.entries, told[-1]) == ((), (last or 14) - first + 1, found.entries)


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_found_is_what_one_reader_finds(log, clock, keys, tmp_path, damage):
    made = recorded(log, clock, keys, tmp_path / "w", 14, signed=(6, 14), witnessed=(9,))
    damage(made, 11)
    assert not both_ways(log, made.trust)[0].holds


@pytest.mark.parametrize("sequence", [4, 5])
def test_a_moment_that_goes_back_between_two_pieces_is_found(log, clock, keys, tmp_path, sequence):
    """Alone on its side, each piece is in order."""
    made = recorded(log, clock, keys, tmp_path / "w", 12)
    with log.reading() as connection:
        moments = dict(list(connection.execute(sa.select(LEAF.c.sequence, LEAF.c.recorded_at))))
    for each in range(1, sequence):
        moment = parse_instant(moments[each])
        date(made, each, timedelta(days=1) - (moment - BEGAN))
    found, _ = both_ways(log, None)
    assert next((finding.sequence, finding.problem) for finding in found.findings) == (sequence, Problem.BACK_DATED)


def test_stored_subtrees_that_are_not_the_entries_are_found(log, clock, keys, tmp_path, monkeypatch):
    pieces_of(64, monkeypatch.setattr)
    made = recorded(log, clock, keys, tmp_path / "w", TREE_SIZE, signed=(270, TREE_SIZE))
    assert both_ways(log, made.trust)[0].holds
    execute(log, sa.update(TREE_NODE).values(root=b"x" * 32))
    found, _ = both_ways(log, made.trust)
    assert [(finding.sequence, finding.problem) for finding in found.findings] == [(1, Problem.UNPROVEN)]
    found, _ = both_ways(log, made.trust, first=258)  # where reading begins with what is stored
    assert [finding.problem for finding in found.findings] == [Problem.UNPROVEN]


def test_more_checks_run_once_over_the_entries_of_their_kinds(log, clock, keys, tmp_path):
    made = recorded(log, clock, keys, tmp_path / "w", 13)
    seen: list[int] = []

    def look(leaf: RecordedLeaf) -> None:
        seen.append(leaf.sequence)

    assert check_log(log, made.trust, first=4, checks={Kind.DECISION: look}, processes=2).holds
    assert seen == [5, 7, 9, 11, 13]
    found, _ = both_ways(log, made.trust, checks={Kind.DECISION: unlucky(9)})
    assert [(finding.sequence, finding.problem) for finding in found.findings] == [(9, Problem.SIGNATURE)]
    assert both_ways(log, made.trust, checks={Kind.DECISION: unlucky(9)}, hashes_only=True)[0].holds


def test_a_log_of_few_entries_is_read_by_one(log, clock, keys, tmp_path, monkeypatch):
    made = recorded(log, clock, keys, tmp_path / "w", 12)
    monkeypatch.setattr(pieces, "LEAST_ENTRIES", 13)
    assert both_ways(log, made.trust)[1] == [12]


def test_a_log_in_memory_is_read_by_one(clock, keys, tmp_path):
    made = recorded(EvidenceLog("sqlite://", clock), clock, keys, tmp_path / "w", 12)
    found, told = both_ways(made.log, made.trust)
    assert (found.holds, told) == (True, [12])


def test_a_log_at_a_relative_place_is_the_one_that_is_read(clock, keys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = recorded(EvidenceLog("sqlite:///here.db", clock), clock, keys, tmp_path / "w", 12)
    found, told = both_ways(made.log, made.trust)
    assert (found.holds, told) == (True, [4, 8, 12])


@dataclass(frozen=True)
class Plan:
    """A random log, what is done to it, and how it is read."""

    size: int
    signed: tuple[int, ...]
    witnessed: tuple[int, ...]
    damages: tuple[tuple[Callable[[Recorded, int], None], int], ...]
    signed_again: bool
    width: int
    asked: dict[str, object]
    believes: str


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    size = draw(st.integers(2, 40))
    within = st.integers(1, size)
    sizes = st.lists(st.integers(2, size), max_size=3, unique=True).map(tuple)
    damaged = st.tuples(st.sampled_from(DAMAGES), within)
    first = draw(st.sampled_from([1, 1, 1, draw(within)]))
    return Plan(
        size,
        draw(sizes),
        draw(sizes),
        tuple(draw(st.lists(damaged, max_size=2))),
        draw(st.booleans()),
        draw(st.sampled_from([1, 2, 4, 8, 16])),
        {
            "first": first,
            "last": draw(st.sampled_from([None, None, draw(st.integers(first, size))])),
            "hashes_only": draw(st.booleans()),
            "checks": draw(st.sampled_from([{}, {Kind.DECISION: unlucky(draw(within))}])),
        },
        draw(st.sampled_from(["everybody", "the log", "nobody"])),
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(plan=plans())
def test_one_reader_and_several_say_the_same_of_any_log(url: str, keys, tmp_path_factory, plan: Plan):
    clock = FixedClock(BEGAN)
    log = EvidenceLog(url, clock)
    with log.transaction() as transaction:  # what the example before has left
        for table in reversed(METADATA.sorted_tables):
            transaction.execute(sa.delete(table))
    made = recorded(log, clock, keys, tmp_path_factory.mktemp("witness"), plan.size, plan.signed, plan.witnessed)
    for damage, sequence in plan.damages:
        with contextlib.suppress(sa.exc.SQLAlchemyError, ValueError):  # done already, nothing there, or no entry now
            damage(made, sequence)
    if plan.signed_again:
        sign_again(made, 1)
    trusts = {"everybody": made.trust, "the log": Trust(made.signer.key), "nobody": None}
    with pytest.MonkeyPatch.context() as patch:
        pieces_of(plan.width, patch.setattr)
        found, told = both_ways(log, trusts[plan.believes], **plan.asked)
    if found.holds and found.entries:  # then nothing was read twice
        assert told == sorted(set(told))
    log.dispose()
