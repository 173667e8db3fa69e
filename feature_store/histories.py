"""What was known when: the rows of an entity, as each decision about it saw them.

A table view's row is decided when its source row arrives. Source rows may come late, and may be restated later; so what
a decision saw is not a slice of the table. Where rows of an entity arrive in order it nearly is, and many decisions
share one history. That is what is made here: *histories*, each a run of rows in event order of which the last ones are
decided in it, laid one behind the other so that indicators run over all of them at once. A late row, a restatement, or
a change of whatever else the reading of the past depends on, starts a new history.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Versions:
    """Rows of a source as they arrived, of every entity together; a restated row is a further version.

    Attributes:
        entity: A whole number for each version's entity.
        event: When each is about, in microseconds or any other unit; unique in an entity but for restatements.
        arrival: From when each was known.
        regime: A number for each that changes where the entity's past must be read anew, e.g. when a split counts.
        decides: Whether a decision is wanted where the version is the first of its row.
    """

    entity: Integers
    event: Integers
    arrival: Integers
    regime: Integers
    decides: Flags


@dataclass(frozen=True, slots=True)
class Histories:
    """Histories, one behind the other.

    Attributes:
        version: For each row, which version it is.
        position: For each row, how many rows of its history lie before it.
        start: Row at which each history begins.
        decided: Rows that are decided in their history; each decision stands once.
    """

    version: Integers
    position: Integers
    start: Integers
    decided: Integers

    @property
    def history(self) -> Integers:
        """Return, for each row, the number of its history."""
        return np.repeat(np.arange(self.start.size), np.diff(np.append(self.start, self.version.size)))


def as_known(versions: Versions, *, lookback: int) -> Histories:
    """Return the histories in which the first version of every row is decided.

    A decision sees the versions of its entity that arrived no later, for each row the newest, and no row that is about
    later than its own. Two versions that arrive at one instant are known to each other's decisions.

    Args:
        versions: In any order.
        lookback: How many rows before its own a decision needs; a history begins no earlier than that.
    """
    order = np.lexsort((versions.event, versions.arrival, versions.entity))
    entity = versions.entity[order]
    entities = np.split(order, np.flatnonzero(np.diff(entity)) + 1) if order.size else []
    found = [(own[rows], decided) for own in entities for rows, decided in _of_entity(versions, own, lookback)]
    if not found:
        none = np.empty(0, np.int64)
        return Histories(none, none, none, none)
    sizes = np.array([rows.size for rows, _ in found])
    start = np.cumsum(sizes) - sizes
    ends = start + sizes
    return Histories(
        version=np.concatenate([rows for rows, _ in found]),
        position=np.arange(ends[-1]) - np.repeat(start, sizes),
        start=start,
        decided=np.concatenate([np.arange(end - decided, end) for end, (_, decided) in zip(ends, found, strict=True)]),
    )


def _of_entity(versions: Versions, order: Integers, lookback: int) -> Iterator[tuple[Integers, int]]:
    """Yield one entity's histories: places in ``order``, and how many of the last of them are decided."""
    event, regime, decides = versions.event[order], versions.regime[order], versions.decides[order]
    newest_before = np.append(event[0] - 1, np.maximum.accumulate(event)[:-1])
    in_order = event > newest_before
    goes_on = in_order[1:] & in_order[:-1] & (regime[1:] == regime[:-1]) & (decides[1:] == decides[:-1])
    starts = np.flatnonzero(np.append(True, ~goes_on))
    orderly = int(np.argmin(np.append(in_order, False)))  # so many rows at the beginning came in order
    for start, end in zip(starts, np.append(starts[1:], order.size), strict=True):
        restated = not in_order[start] and event[start] in event[:start]
        if not decides[start] or restated:
            continue
        if start <= orderly and in_order[start]:
            past = np.arange(max(0, int(start) - lookback), int(start))
        else:
            past = _newest_versions(event[:start], event[start], lookback)
        yield np.append(past, np.arange(start, end)), int(end - start)


def _newest_versions(event: Integers, before: np.int64, lookback: int) -> Integers:
    """Return where the newest version of each of the last rows about a time before ``before`` stands, by that time."""
    earlier = np.flatnonzero(event < before)
    by_event = earlier[np.argsort(event[earlier], kind="stable")]
    is_newest = np.append(np.diff(event[by_event]) != 0, True)[: by_event.size]
    newest: Integers = by_event[is_newest][-lookback:]
    return newest
