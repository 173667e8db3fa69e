"""The offline executor's inner loops, compiled: windows of every decision, entity by entity.

Events are known by *position*: 0 for the first to arrive. Decisions are numbered as they were made; each has a
``limit``, the position of the last event that it sees. Both are given *grouped*: entity after entity, in that order
within each, with where each entity begins. A loop works through a range of entities on its own, releases Python's lock
and writes rows that no other range writes; so ranges may run at once, and what comes out does not depend on how many
there are.
"""

import numpy as np
from numpy.typing import NDArray

from feature_store.compiling import compiled

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

COUNT, SUM, MEAN, MIN, MAX, STD, LAST, EW_MEAN = range(8)


@compiled
def grouped(codes, groups):  # type: ignore[no-untyped-def]
    """Return the positions of every group one after the other, ascending within each, and where each group begins."""
    begins = np.zeros(groups + 1, np.int64)
    for code in codes:
        begins[code + 1] += 1
    for group in range(groups):
        begins[group + 1] += begins[group]
    free = begins[:-1].copy()
    order = np.empty(codes.size, np.int64)
    for position in range(codes.size):
        code = codes[position]
        order[free[code]] = position
        free[code] += 1
    return order, begins


@compiled
def gather(values, places, first, last, found):  # type: ignore[no-untyped-def]
    """Write the values at ``places[first:last]`` to the same rows of ``found``."""
    for row in range(first, last):
        found[row] = values[places[row]]


@compiled
def _first_at_least(keys, size, near, target):  # type: ignore[no-untyped-def]
    """Return the first place of ``keys[:size]``, ascending, that holds ``target`` or more; a guess is tried first."""
    if near < size and keys[near] < target:
        low, step = near + 1, 1
        place = low
        while place < size and keys[place] < target:
            low = place + 1
            step *= 2
            place += step
        high = min(place, size)
    else:
        high, step = min(near, size), 1
        place = high - 1
        while place >= 0 and keys[place] >= target:
            high = place
            step *= 2
            place -= step
        low = max(place + 1, 0)
    while low < high:
        middle = (low + high) >> 1
        if keys[middle] < target:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def add_up(  # type: ignore[no-untyped-def]
    first, last, begins, position, since, delay, until, reach, values, decision_begins, at, limit, totals
):
    """Add up what the windows of every decision hold: how many events, and the sums of their values.

    An event counts from the first decision that sees it and is made at ``since + delay`` or later, to the last made
    before ``until + reach``. Adding at the first, taking away after the last and summing up is exact.

    Args:
        first: First entity to work on.
        last: One behind the last.
        begins: Where each entity's contributions begin.
        position: Grouped; the position of each contribution's event.
        since: Grouped; microseconds since 1970.
        delay: Microseconds.
        until: Grouped; microseconds since 1970.
        reach: Microseconds.
        values: Grouped; what each contributes, one row a sum.
        decision_begins: Where each entity's decisions begin.
        at: Grouped; when each decision was made, ascending within an entity.
        limit: Grouped; the last position that each sees, ascending within an entity.
        totals: Grouped like the decisions: one column for the count and one for each sum, zero at first; written.
    """
    width = values.shape[0]
    for entity in range(first, last):
        begin, end_of = decision_begins[entity], decision_begins[entity + 1]
        size = end_of - begin
        if size == 0:
            continue
        times, limits, steps = at[begin:end_of], limit[begin:end_of], totals[begin:end_of]
        start = end = seen = 0
        for event in range(begins[entity], begins[entity + 1]):
            seen = _first_at_least(limits, size, seen, position[event])
            start = _first_at_least(times, size, start, since[event] + delay)
            end = _first_at_least(times, size, end, until[event] + reach)
            enters = max(start, seen)
            if end > enters:
                steps[enters, 0] += 1
                for column in range(width):
                    steps[enters, 1 + column] += values[column, event]
                if end < size:
                    steps[end, 0] -= 1
                    for column in range(width):
                        steps[end, 1 + column] -= values[column, event]
        for place in range(1, size):
            for column in range(width + 1):
                steps[place, column] += steps[place - 1, column]


@compiled
def finish(first, last, decisions, decision_begins, counts, totals, how, divide_by, empty, found):  # type: ignore[no-untyped-def]
    """Turn counts and sums into a window of every decision.

    Args:
        first: First entity to work on.
        last: One behind the last.
        decisions: Grouped; the numbers of the decisions.
        decision_begins: Where each entity's decisions begin.
        counts: Grouped; how many events the window holds.
        totals: Grouped; the sum of their values.
        how: ``COUNT``, ``SUM`` or ``MEAN``.
        divide_by: Steps a unit.
        empty: The value of an empty window.
        found: One value a decision by its number; written.
    """
    for index in range(decision_begins[first], decision_begins[last]):
        count = counts[index]
        if how == COUNT:
            value = float(count)
        elif count == 0:
            value = empty
        elif how == SUM:
            value = totals[index] / divide_by
        else:
            value = totals[index] / count / divide_by
        found[decisions[index]] = value


@compiled
def _ascends(times):  # type: ignore[no-untyped-def]
    for place in range(1, times.size):  # noqa: SIM110  # numba compiles no generators
        if times[place] < times[place - 1]:
            return False
    return True


@compiled
def _in_event_order(times):  # type: ignore[no-untyped-def]
    """Return the places of events ordered by time; of one time, as they arrived."""
    return np.arange(times.size) if _ascends(times) else np.argsort(times, kind="mergesort")


@compiled
def _as_good(value, other, how):  # type: ignore[no-untyped-def]
    return value <= other if how == MIN else value >= other


@compiled
def _extremes(  # type: ignore[no-untyped-def]
    times, events, values, decisions, at, limit, how, delay, reach, divide_by, empty, found
):
    """Find the least or greatest value of every window of one entity whose events came in order.

    Windows then only move forward: what a later and better value follows will not be needed again. So each event is
    looked at once, however many a window holds.
    """
    queue = np.empty(times.size, np.int64)
    first = last = seen = 0
    for index in range(at.size):
        while seen < times.size and times[seen] <= at[index] - delay and events[seen] <= limit[index]:
            while last > first and _as_good(values[seen], values[queue[last - 1]], how):
                last -= 1
            queue[last] = seen
            last += 1
            seen += 1
        while last > first and times[queue[first]] <= at[index] - reach:
            first += 1
        found[decisions[index]] = values[queue[first]] / divide_by if last > first else empty


@compiled
def _deviation(events, values, order, limit, mean, count):  # type: ignore[no-untyped-def]
    """Return the deviation from their mean of so many of the newest events that a decision sees."""
    squares, left, place = 0.0, count, order.size - 1
    while left > 0:
        event = order[place]
        if events[event] <= limit:
            squares += (values[event] - mean) * (values[event] - mean)
            left -= 1
        place -= 1
    return np.sqrt(squares / count)


@compiled
def _settled(how, taken, lag, total, best, weighted, weights, divide_by, empty):  # type: ignore[no-untyped-def]
    """Return a window's value from what was gathered of its events."""
    if how == COUNT:
        return float(taken)
    if taken == 0 or (how == LAST and taken <= lag):
        return empty
    if how == SUM:
        return total / divide_by
    if how == MEAN:
        return total / taken / divide_by
    if how == EW_MEAN:
        return weighted / weights / divide_by
    return best / divide_by


@compiled
def look_back(  # type: ignore[no-untyped-def]
    first, last, events, begins, happened, values, decisions, decision_begins, at, limit,
    how, delay, reach, rows, lag, half_life, divide_by, empty, found,
):  # fmt: skip
    """Compute one window of every decision by going back through the events of its entity, newest first.

    Args:
        first: First entity to work on.
        last: One behind the last.
        events: Grouped; the positions of the events.
        begins: Where each entity's events begin.
        happened: Grouped; ``event_time``, microseconds since 1970.
        values: Grouped; the measure in whole steps.
        decisions: Grouped; the numbers of the decisions.
        decision_begins: Where each entity's decisions begin.
        at: Grouped; when each decision was made.
        limit: Grouped; the last position that each sees.
        how: One of the constants of this module.
        delay: Microseconds before the decision at which the window ends.
        reach: Microseconds before the decision at which it begins; exclusive.
        rows: At most so many events.
        lag: For ``LAST``.
        half_life: For ``EW_MEAN``, microseconds.
        divide_by: Steps a unit.
        empty: The value of an empty window.
        found: One value a decision by its number; written.
    """
    for entity in range(first, last):
        start, stop = begins[entity], begins[entity + 1]
        if how in (MIN, MAX) and rows >= stop - start and _ascends(happened[start:stop]):
            begin, end = decision_begins[entity], decision_begins[entity + 1]
            _extremes(
                happened[start:stop], events[start:stop], values[start:stop], decisions[begin:end], at[begin:end],
                limit[begin:end], how, delay, reach, divide_by, empty, found,
            )  # fmt: skip
            continue
        order = _in_event_order(happened[start:stop])
        times = happened[start:stop][order]
        near = 0
        for index in range(decision_begins[entity], decision_begins[entity + 1]):
            near = _first_at_least(times, times.size, near, at[index] - delay + 1)
            after = at[index] - reach
            taken, newest, best, total = 0, 0, 0, 0
            weighted = weights = 0.0
            place = near - 1
            while place >= 0 and times[place] > after and taken < rows:
                event = start + order[place]
                if events[event] <= limit[index]:
                    value = values[event]
                    if taken == 0:
                        newest, best = times[place], value
                    if how == MIN:
                        best = min(best, value)
                    elif how == MAX:
                        best = max(best, value)
                    elif how == LAST:
                        best = value
                    elif how == EW_MEAN:
                        weight = 2.0 ** (-((newest - times[place]) / half_life))
                        weighted += weight * value
                        weights += weight
                    else:
                        total += value
                    taken += 1
                    if how == LAST and taken > lag:
                        break
                place -= 1
            if how == STD and taken > 0:
                mean = total / taken
                spread = _deviation(events[start:stop], values[start:stop], order[:near], limit[index], mean, taken)
                found[decisions[index]] = spread / divide_by
            else:
                found[decisions[index]] = _settled(how, taken, lag, total, best, weighted, weights, divide_by, empty)


@compiled
def list_back(  # type: ignore[no-untyped-def]
    first, last, events, begins, happened, values, decisions, decision_begins, at, limit,
    delay, reach, divide_by, found,
):  # fmt: skip
    """List the newest events of each decision's entity, oldest first; NaN stays where there are fewer.

    Args are those of :func:`look_back`; ``found`` has one row a decision and one column an event, NaN at first.
    """
    rows = found.shape[1]
    for entity in range(first, last):
        start, stop = begins[entity], begins[entity + 1]
        order = _in_event_order(happened[start:stop])
        times = happened[start:stop][order]
        near = 0
        for index in range(decision_begins[entity], decision_begins[entity + 1]):
            near = _first_at_least(times, times.size, near, at[index] - delay + 1)
            after = at[index] - reach
            taken, place = 0, near - 1
            while place >= 0 and times[place] > after and taken < rows:
                event = start + order[place]
                if events[event] <= limit[index]:
                    taken += 1
                    found[decisions[index], rows - taken] = values[event] / divide_by
                place -= 1


@compiled
def newest_seen(first, last, events, begins, happened, decisions, decision_begins, at, limit, found):  # type: ignore[no-untyped-def]
    """Find ``event_time`` of the newest event that each decision sees; where there is none, ``found`` stays as it is.

    Args are those of :func:`look_back`.
    """
    for entity in range(first, last):
        start, stop = begins[entity], begins[entity + 1]
        order = _in_event_order(happened[start:stop])
        times = happened[start:stop][order]
        near = 0
        for index in range(decision_begins[entity], decision_begins[entity + 1]):
            near = _first_at_least(times, times.size, near, at[index] + 1)
            place = near - 1
            while place >= 0 and events[start + order[place]] > limit[index]:
                place -= 1
            if place >= 0:
                found[decisions[index]] = times[place]
