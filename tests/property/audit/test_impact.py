"""What was made from something, against a plain walk over every edge; and the trace, against one over every parent."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledgerline.audit import EvidenceLog, Kind, Leaf, Parent
from ledgerline.audit.graph import BULK, EDGES
from ledgerline.audit.impact import impact
from ledgerline.audit.log import NewLeaf
from ledgerline.audit.trace import trace

ROLES = {(kind.child, parent): kind.role for kind in EDGES for parent in kind.parents}

Made = list[tuple[Kind, list[int]]]
"""What is recorded: each entry's kind, and which of those before it are its parents."""


@st.composite
def graphs(draw: st.DrawFn) -> Made:
    """Draw entries whose edges lead between kinds as the grammar has it, in any number and to any of these kinds."""
    kinds = draw(st.lists(st.sampled_from(list(Kind)), min_size=1, max_size=25))
    kinds += draw(st.lists(st.sampled_from([Kind.DEPLOYMENT, *BULK]), max_size=25))
    made: Made = []
    for kind in kinds:
        fit = [place for place, (other, _) in enumerate(made) if (kind, other) in ROLES]
        made.append((kind, draw(st.lists(st.sampled_from(fit), max_size=4)) if fit else []))
    return made


@contextmanager
def recorded(made: Made) -> Iterator[tuple[EvidenceLog, list[str]]]:
    leaves = [Leaf(kind, {"number": number}) for number, (kind, _) in enumerate(made)]
    new = [
        NewLeaf(leaf, [Parent(leaves[parent].id, ROLES.get((kind, made[parent][0]), "odd")) for parent in parents])
        for leaf, (kind, parents) in zip(leaves, made, strict=True)
    ]
    with TemporaryDirectory() as folder:
        log = EvidenceLog(f"sqlite:///{Path(folder) / 'evidence.db'}")
        with log.transaction() as transaction:
            log.record_all(transaction, new)
        yield log, [leaf.id for leaf in leaves]


def below(made: Made, start: int) -> set[int]:
    """Every entry with a way up to ``start``, in the order of the log: parents come before their children."""
    found = {start}
    for place, (_, parents) in enumerate(made):
        if found & set(parents):
            found.add(place)
    return found - {start}


def hold(log: EvidenceLog, ids: list[str], made: Made, start: int, most: int) -> None:
    """Compare what is said of one entry with the plain walk."""
    said, expected = impact(log, ids[start], most_children_read=most), below(made, start)
    assert dict(said.counts) == Counter(made[place][0] for place in expected)
    for kind in Kind:
        places = [place for place in sorted(expected) if made[place][0] is kind]
        assert sorted(said.ids(kind)) == sorted(ids[place] for place in places)
        if kind in BULK and places:
            assert (said.many[kind].first.id, said.many[kind].last.id) == (ids[places[0]], ids[places[-1]])
    few = [ids[place] for place in sorted(expected) if made[place][0] not in BULK]
    assert [leaf.id for leaf in said.leaves] == few


@pytest.mark.parametrize("most", [0, 1, 3, 10_000], ids=["all counted", "nearly all", "some", "none counted"])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_impact_is_what_a_walk_over_every_edge_finds(most: int, data: st.DataObject):
    made = data.draw(graphs())
    with recorded(made) as (log, ids):
        for start in data.draw(st.sets(st.integers(0, len(made) - 1), min_size=1, max_size=4)):
            hold(log, ids, made, start, most)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_where_nothing_is_counted_edges_may_lead_anywhere(data: st.DataObject):
    kinds = data.draw(st.lists(st.sampled_from(list(Kind)), min_size=1, max_size=20))
    made = [
        (kind, data.draw(st.lists(st.integers(0, place - 1), max_size=3)) if place else [])
        for place, kind in enumerate(kinds)
    ]
    with recorded(made) as (log, ids):
        hold(log, ids, made, data.draw(st.integers(0, len(made) - 1)), 10_000)


@settings(max_examples=40, deadline=None)
@given(made=graphs())
def test_a_trace_is_what_a_walk_over_every_parent_finds(made: Made):
    with recorded(made) as (log, ids):
        steps = list(trace(log, log.get(ids[-1])).walk())
    behind = {len(made) - 1}
    for place in range(len(made) - 1, -1, -1):
        behind |= set(made[place][1]) if place in behind else set()
    assert {step.leaf.id for step in steps if not step.met_before} == {ids[place] for place in behind}
    written_out = {step.leaf.id: [parent.leaf.id for parent in step.parents] for step in steps if not step.met_before}
    assert written_out == {ids[place]: [ids[parent] for parent in made[place][1]] for place in behind}
