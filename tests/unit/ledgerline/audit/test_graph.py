"""The grammar of edges: it names what the code records, and whatever is done to an edge is found and named."""

import ast
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest
import sqlalchemy as sa

from ledgerline.audit import EvidenceLog, Kind, Leaf, Parent
from ledgerline.audit.graph import BULK, EDGES, EdgeType
from ledgerline.audit.merkle import leaf_hash
from ledgerline.audit.note import NoteSigner
from ledgerline.audit.schema import EDGE, LEAF
from ledgerline.audit.tree import sign_checkpoint
from ledgerline.audit.verify import Problem, Trust, check_log
from ledgerline.audit.witness import Witness, observe
from ledgerline.core.clock import FixedClock
from ledgerline.core.identity import canonical_json

ROOT = Path(__file__).parents[4]
BREAKS = ["elsewhere", "to its like", "dropped", "in another role"]
CASES = [pytest.param(kind, how, id=f"{kind.child} {kind.role} {how}") for kind in EDGES for how in BREAKS]

# An entry that was changed with its hash and all is found by the grammar alone, but where it does not say itself which
# parents it has in a role: there the witness's copy of its hash is what names it.
ONLY_THE_WITNESS = {
    (Kind.FEATURE_VERSION, "accepted"): {"to its like", "dropped"},
    (Kind.DEPLOYMENT, "online_state"): {"to its like"},
    (Kind.MONITORING, "bundle"): {"to its like", "dropped"},
    (Kind.MONITORING, "features"): {"to its like", "dropped"},
    (Kind.FORECAST, "deployment"): {"to its like"},
    (Kind.SCORED_BATCH, "deployment"): {"to its like"},
    (Kind.ORDER_INTENT, "decision"): {"dropped"},
    (Kind.ORDER_INTENT, "account"): {"to its like"},
}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, lines: ModuleType) -> Path:
    """Two whole lines, so that every parent has its like."""
    path = tmp_path_factory.mktemp("lines") / "evidence.db"
    log = EvidenceLog(f"sqlite:///{path}", FixedClock(datetime(2018, 10, 1, tzinfo=UTC)))
    for number in (1, 2):
        lines.whole_line(log, number)
    return path


@pytest.fixture
def log(tmp_path: Path, clock: FixedClock, recorded: Path) -> EvidenceLog:
    """A copy of the lines, to break."""
    with closing(sqlite3.connect(recorded)) as whole, closing(sqlite3.connect(tmp_path / "evidence.db")) as copy:
        whole.backup(copy)
    return EvidenceLog(f"sqlite:///{tmp_path / 'evidence.db'}", clock)


def with_edge(log: EvidenceLog, kind: EdgeType) -> tuple[int, list[tuple[int, str]], int]:
    """Return an entry that has an edge of a type, its edges as ``(parent's sequence, role)``, and which one it is."""
    with log.reading() as connection:
        statement = sa.select(EDGE.c.child).join(LEAF, LEAF.c.sequence == EDGE.c.child)
        child = connection.execute(
            statement.where(LEAF.c.kind == kind.child.value, EDGE.c.role == kind.role).order_by(EDGE.c.child.desc())
        ).scalars()
        sequence = next(child)
        rows = connection.execute(sa.select(EDGE).where(EDGE.c.child == sequence).order_by(EDGE.c.position)).all()
    edges = [(row.parent, row.role) for row in rows]
    return sequence, edges, next(at for at, (_, role) in enumerate(edges) if role == kind.role)


def broken(log: EvidenceLog, kind: EdgeType, how: str) -> tuple[int, list[tuple[int, str]]]:
    """Return an entry and its edges after one of them was broken."""
    sequence, edges, at = with_edge(log, kind)
    parent, role = edges[at]
    present = {parent for parent, _ in edges}
    if how == "dropped":
        return sequence, edges[:at] + edges[at + 1 :]
    if how == "in another role":
        others = [each.role for each in EDGES if each.child is kind.child and each.role != role]
        return sequence, [*edges[:at], (parent, (others or ["other"])[0]), *edges[at + 1 :]]
    with log.reading() as connection:
        kinds = dict(connection.execute(sa.select(LEAF.c.sequence, LEAF.c.kind)).all())
    alike = how == "to its like"
    fits = (each for each, its in kinds.items() if (its == kinds[parent] if alike else its not in kind.parents))
    return sequence, [*edges[:at], (next(each for each in fits if each not in present), role), *edges[at + 1 :]]


def write(log: EvidenceLog, sequence: int, edges: list[tuple[int, str]], *, entry_too: bool) -> None:
    """Store other edges of an entry, and make the entry's own bytes and its hash fit where asked."""
    with log.transaction() as transaction:
        transaction.execute(sa.delete(EDGE).where(EDGE.c.child == sequence))
        rows = [
            {"child": sequence, "position": position, "parent": parent, "role": role}
            for position, (parent, role) in enumerate(edges)
        ]
        if rows:
            transaction.execute(sa.insert(EDGE), rows)
        if not entry_too:
            return
        ids = dict(transaction.execute(sa.select(LEAF.c.sequence, LEAF.c.id)).all())
        entry = json.loads(transaction.execute(sa.select(LEAF.c.entry).where(LEAF.c.sequence == sequence)).scalar_one())
        entry["parents"] = [[ids[parent], role] for parent, role in edges]
        content = canonical_json(entry)
        values = {"entry": content, "hash": leaf_hash(content)}
        transaction.execute(sa.update(LEAF).where(LEAF.c.sequence == sequence).values(values))


def found(log: EvidenceLog, trust: Trust | None = None) -> set[tuple[int, Problem]]:
    return {(finding.sequence, finding.problem) for finding in check_log(log, trust, grammar=EDGES).findings}


def test_whole_lines_hold_every_edge_type_and_fit_the_grammar(log: EvidenceLog):
    assert check_log(log, grammar=EDGES).findings == ()
    assert all(with_edge(log, kind) for kind in EDGES)


@pytest.mark.parametrize(("kind", "how"), CASES)
def test_a_broken_edge_is_named(log: EvidenceLog, kind: EdgeType, how: str):
    sequence, edges = broken(log, kind, how)
    write(log, sequence, edges, entry_too=False)
    assert found(log) == {(sequence, Problem.EDGE)}


@pytest.mark.parametrize(("kind", "how"), CASES)
def test_an_edge_broken_with_the_entry_and_its_hash_is_named_by_the_witness(
    log: EvidenceLog,
    clock: FixedClock,
    signer: NoteSigner,
    witness: Witness,
    witness_signer: NoteSigner,
    kind: EdgeType,
    how: str,
):
    sign_checkpoint(log, signer, clock.now())
    observe(witness, log, clock.now())
    sequence, edges = broken(log, kind, how)
    write(log, sequence, edges, entry_too=True)
    trust = Trust(signer.key, witness.published, (witness_signer.key,))
    assert (sequence, Problem.REWRITTEN) in found(log, trust)
    assert {entry for entry, _ in found(log, trust)} == {sequence}


@pytest.mark.parametrize(("kind", "how"), CASES)
def test_without_a_witness_it_is_named_by_the_grammar_where_the_entry_says_its_parents(
    log: EvidenceLog, kind: EdgeType, how: str
):
    sequence, edges = broken(log, kind, how)
    write(log, sequence, edges, entry_too=True)
    hidden = how in ONLY_THE_WITNESS.get((kind.child, kind.role), set())
    assert found(log) == (set() if hidden else {(sequence, Problem.EDGE)})


def test_an_entry_that_must_be_made_from_nothing_has_no_parents(log: EvidenceLog):
    first = log.leaves(Kind.RAW_FILE)[0]
    log.append(Leaf(Kind.RAW_FILE, {"sha256": "another"}), [Parent(first.id, "raw")])
    (finding,) = check_log(log, grammar=EDGES).findings
    assert "raw_file has no parent as its raw" in finding.detail


def test_edges_are_any_where_no_grammar_is_given(log: EvidenceLog):
    log.append(Leaf(Kind.DECISION, {"decision_id": "1"}), [Parent(log.leaves(Kind.RAW_FILE)[0].id, "odd")])
    assert check_log(log).holds
    assert not check_log(log, grammar=EDGES).holds


def test_each_kind_has_a_role_once_and_nothing_of_which_there_are_few_is_made_from_the_bulk():
    assert len({(kind.child, kind.role) for kind in EDGES}) == len(EDGES)
    assert all(kind.child in BULK for kind in EDGES if set(kind.parents) & set(BULK))


def roles_recorded() -> Iterator[str]:
    """Yield every role that is written out in the code that records."""
    for folder in ("ledgerline", "pipelines"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Parent":
                    said = [*node.args[1:], *(keyword.value for keyword in node.keywords if keyword.arg == "role")]
                    yield from (str(role.value) for role in said if isinstance(role, ast.Constant))


def test_the_grammar_has_every_role_that_the_code_records():
    assert set(roles_recorded()) | {"account"} == {kind.role for kind in EDGES}
