"""Histories as decisions saw them, against an oracle that looks at every version for every decision."""

from dataclasses import dataclass

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_store.histories import Versions, as_known


@dataclass(frozen=True)
class Version:
    entity: int
    event: int
    arrival: int
    regime: int
    decides: bool


def versions_of(found: list[Version]) -> Versions:
    def column(name: str, kind: type) -> np.ndarray:
        return np.array([getattr(version, name) for version in found], dtype=kind)

    return Versions(
        entity=column("entity", np.int64),
        event=column("event", np.int64),
        arrival=column("arrival", np.int64),
        regime=column("regime", np.int64),
        decides=column("decides", np.bool_),
    )


@st.composite
def arrivals(draw: st.DrawFn) -> list[Version]:
    """Draw rows that mostly come in order, sometimes late, sometimes again; no two versions of a row at one instant."""
    found: dict[tuple[int, int, int], Version] = {}
    for entity in range(draw(st.integers(1, 2))):
        decides_from, regime_from = draw(st.integers(0, 20)), draw(st.integers(0, 30))
        for event in draw(st.lists(st.integers(0, 15), max_size=12, unique=True)):
            for late in draw(st.lists(st.sampled_from((0, 0, 0, 1, 4)), min_size=1, max_size=3)):
                arrival = event + late
                found[entity, event, arrival] = Version(
                    entity, event, arrival, int(arrival >= regime_from), arrival >= decides_from
                )
    return draw(st.permutations(list(found.values())))


def oracle(found: list[Version], lookback: int) -> dict[int, list[int]]:
    """Return, for each decision, the versions that it saw, the oldest first."""
    seen = {}
    for number, version in enumerate(found):
        own = [(each.arrival, place) for place, each in enumerate(found) if each.entity == version.entity]
        firsts = [place for _, place in sorted(own) if found[place].event == version.event]
        if firsts[0] != number or not version.decides:
            continue
        newest = {
            found[place].event: place
            for arrival, place in sorted(own)
            if arrival <= version.arrival and found[place].event <= version.event
        }
        seen[number] = [newest[event] for event in sorted(newest)][-lookback - 1 :]
    return seen


@settings(max_examples=300, deadline=None)
@given(found=arrivals(), lookback=st.integers(1, 6))
def test_every_decision_reads_back_over_exactly_what_it_knew(found, lookback):
    histories = as_known(versions_of(found), lookback=lookback)

    read = {}
    for row in histories.decided:
        begin = row - min(int(histories.position[row]), lookback)
        read[int(histories.version[row])] = histories.version[begin : row + 1].tolist()
    assert read == oracle(found, lookback)
    assert len(histories.decided) == len(read)


@settings(max_examples=100, deadline=None)
@given(found=arrivals())
def test_a_history_never_mixes_entities_or_regimes_of_decisions(found):
    histories = as_known(versions_of(found), lookback=5)

    ends = [*histories.start[1:], histories.version.size]
    for begin, end in zip(histories.start, ends, strict=False):
        assert len({found[version].entity for version in histories.version[begin:end]}) == 1
        decided = [row for row in histories.decided if begin <= row < end]
        assert decided == list(range(decided[0], end))
        assert len({found[histories.version[row]].regime for row in decided}) == 1
