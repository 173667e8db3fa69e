"""Who reads a column, by what feature versions say, on every engine."""

from types import ModuleType

import pytest

from ledgerline.audit import EvidenceLog, Kind, Leaf, Parent, UnknownLeaf
from ledgerline.audit.column_impact import column_impact
from ledgerline.audit.impact import impact, impact_of

AMOUNT = "transactions.amount_minor"


def version(log: EvidenceLog, line, name: str, **detail: object) -> str:
    """Record one more feature version over the line's first receipt."""
    leaf = Leaf(Kind.FEATURE_VERSION, {"view": "payments", "manifest": name}, detail)
    return log.append(leaf, [Parent(line.ids["receipt 0"], "accepted")])


def test_what_reads_a_column_is_named_and_everything_made_from_it_is_counted_once(log: EvidenceLog, lines: ModuleType):
    first, second = (lines.whole_line(log, number) for number in (1, 2))
    found = column_impact(log, AMOUNT)
    assert dict(found.features) == {"payments": ("amount",)}
    assert [leaf.id for leaf in found.versions] == [first.ids["features"], second.ids["features"]]
    each = [impact(log, line.ids["features"]) for line in (first, second)]
    assert dict(found.below.counts) == {kind: sum(one.counts[kind] for one in each) for kind in each[0].counts}
    assert (found.below.counts[Kind.DECISION], found.below.counts[Kind.ORDER_INTENT]) == (2, 2)


def test_a_version_that_reads_other_columns_is_left_out(log: EvidenceLog, lines: ModuleType):
    line = lines.whole_line(log, 1)
    version(log, line, "other", columns={"night": ["transactions.event_time"]})
    assert [leaf.id for leaf in column_impact(log, AMOUNT).versions] == [line.ids["features"]]
    assert len(column_impact(log, "transactions.event_time").versions) == 2


def test_versions_that_do_not_say_what_they_read_are_counted_and_not_guessed(log: EvidenceLog, lines: ModuleType):
    line = lines.whole_line(log, 1)
    version(log, line, "old", rows=3)
    found = column_impact(log, AMOUNT)
    assert (found.silent, [leaf.id for leaf in found.versions]) == (1, [line.ids["features"]])


@pytest.mark.parametrize("column", ["transactions.currency", "transactions.amount", "transactions", ""])
def test_a_column_that_nothing_reads_is_refused(log: EvidenceLog, lines: ModuleType, column: str):
    lines.whole_line(log, 1)
    with pytest.raises(UnknownLeaf, match="1 say what they read"):
        column_impact(log, column)


@pytest.mark.parametrize("most", [0, 10_000], ids=["counted", "read"])
def test_what_two_things_have_led_to_is_counted_once_together(log: EvidenceLog, lines: ModuleType, most: int):
    line = lines.whole_line(log, 1)
    starts = [log.get(line.ids[name]) for name in ("receipt 0", "receipt 1")]
    together, alone = impact_of(log, starts, most_children_read=most), impact(log, line.ids["receipt 0"])
    assert together.counts[Kind.DECISION] == alone.counts[Kind.DECISION] == 1
    assert len(list(together.ids(Kind.DECISION))) == 1
