"""Who pays where, when and how much: the legitimate card payments of a simulated city.

The model and its constants are those of the Fraud Detection Handbook (Le Borgne, Siblini, Lebichot, Bontempi, 2022,
chapter 3, "Simulated dataset"), written anew from its published description.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DAY_SECONDS = 86_400

_SIDE = 100.0  # the city is a square of this side
_RADIUS = 5.0  # a customer uses the terminals nearer than this
_MEAN_AMOUNT = (5.0, 100.0)
_MAX_PAYMENTS_PER_DAY = 4.0
_NOON_SECONDS = 43_200
_TIME_SPREAD_SECONDS = 20_000
_CUSTOMERS_AT_ONCE = 500  # bounds the distance matrix to 500 x terminals


@dataclass(frozen=True, slots=True)
class Payments:
    """Card payments in order of time; the position in the arrays is the payment's id.

    Attributes:
        customer: Whose card, ``0 .. customers - 1``, int32.
        terminal: Where, ``0 .. terminals - 1``, int32.
        cents: Amount in cents, int32.
        seconds: Seconds since the start of the world, int32.
    """

    customer: NDArray[np.int32]
    terminal: NDArray[np.int32]
    cents: NDArray[np.int32]
    seconds: NDArray[np.int32]

    @property
    def day(self) -> NDArray[np.int32]:
        """Day of each payment, from 0."""
        return (self.seconds // DAY_SECONDS).astype(np.int32)


@dataclass(frozen=True, slots=True)
class Reach:
    """Which terminals each customer can use: ``terminals[starts[c] : starts[c] + counts[c]]`` for customer ``c``."""

    terminals: NDArray[np.int32]
    starts: NDArray[np.int64]
    counts: NDArray[np.int64]


def simulate_payments(*, customers: int, terminals: int, days: int, generator: np.random.Generator) -> Payments:
    """Draw the payments of ``customers`` at ``terminals`` over ``days``.

    Customers who live out of reach of every terminal never pay, as in the published simulator.

    Args:
        customers: How many customers.
        terminals: How many terminals.
        days: How many days.
        generator: Where all randomness comes from; equal generators give equal payments.
    """
    homes = generator.uniform(0, _SIDE, (customers, 2))
    mean_amount = generator.uniform(*_MEAN_AMOUNT, customers)
    payments_per_day = generator.uniform(0, _MAX_PAYMENTS_PER_DAY, customers)
    reach = _terminals_in_reach(homes, generator.uniform(0, _SIDE, (terminals, 2)))

    counts = generator.poisson(payments_per_day[:, None], (customers, days))
    counts[reach.counts == 0] = 0
    customer = np.repeat(np.arange(customers, dtype=np.int32), counts.sum(axis=1))
    day = np.repeat(np.tile(np.arange(days, dtype=np.int32), customers), counts.ravel())

    in_day = generator.normal(_NOON_SECONDS, _TIME_SPREAD_SECONDS, customer.size).astype(np.int32)
    awake = (in_day > 0) & (in_day < DAY_SECONDS)
    customer, seconds = customer[awake], (day * DAY_SECONDS + in_day)[awake]

    cents = _amounts_in_cents(mean_amount[customer], generator)
    pick = (generator.random(customer.size) * reach.counts[customer]).astype(np.int64)
    terminal = reach.terminals[reach.starts[customer] + pick]

    order = np.argsort(seconds, kind="stable")
    return Payments(customer[order], terminal[order], cents[order], seconds[order].astype(np.int32))


def _amounts_in_cents(mean: NDArray[np.float64], generator: np.random.Generator) -> NDArray[np.int32]:
    amount = generator.normal(mean, mean / 2)
    redrawn = generator.uniform(0, 2 * mean)
    cents: NDArray[np.int32] = np.rint(np.where(amount < 0, redrawn, amount) * 100).astype(np.int32)
    return cents


def _terminals_in_reach(homes: NDArray[np.float64], places: NDArray[np.float64]) -> Reach:
    found = [np.nonzero(near) for near in _near(homes, places)]
    counts = np.concatenate([np.bincount(rows, minlength=_CUSTOMERS_AT_ONCE) for rows, _ in found])[: len(homes)]
    return Reach(
        terminals=np.concatenate([columns for _, columns in found]).astype(np.int32),
        starts=np.concatenate([[0], np.cumsum(counts)[:-1]]),
        counts=counts,
    )


def _near(homes: NDArray[np.float64], places: NDArray[np.float64]) -> Iterator[NDArray[np.bool_]]:
    for start in range(0, len(homes), _CUSTOMERS_AT_ONCE):
        some = homes[start : start + _CUSTOMERS_AT_ONCE]
        squared = (some[:, :1] - places[:, 0]) ** 2 + (some[:, 1:] - places[:, 1]) ** 2
        yield squared < _RADIUS**2
