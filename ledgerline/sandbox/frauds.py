"""Which payments are fraudulent: the three scenarios of the Fraud Detection Handbook's simulator."""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from ledgerline.sandbox.cards import Payments

_LARGE_CENTS = 22_000
_TERMINAL_DAYS = 28
_CUSTOMER_DAYS = 14
_STOLEN_SHARE = 3  # one payment in three of a compromised card
_STOLEN_FACTOR = 5

# How many are compromised a day, and in a world of how many: smaller worlds keep the share, so that their
# fraud stays near the published 0.84 % instead of drowning 400 terminals in 2 new bad ones a day.
_TERMINALS_A_DAY = (2, 10_000)
_CUSTOMERS_A_DAY = (3, 5_000)


class Scenario(IntEnum):
    """Why a payment is fraudulent."""

    NONE = 0
    LARGE_AMOUNT = 1
    COMPROMISED_TERMINAL = 2
    STOLEN_CARD = 3


def commit_frauds(
    payments: Payments, *, customers: int, terminals: int, days: int, generator: np.random.Generator
) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
    """Return the amounts in cents after fraud, and the scenario of each payment.

    Scenario 1: every amount above 220. Scenario 2: every payment at a compromised terminal for 28 days. Scenario 3: a
    third of the payments of compromised cards for 14 days, at five times the amount. A later scenario overrides an
    earlier one. At the published size 2 terminals and 3 cards are compromised each day; other sizes in proportion,
    at least one of each in the first day.

    Args:
        payments: The legitimate payments; left as they are.
        customers: Size of the world.
        terminals: Size of the world.
        days: Length of the world.
        generator: Where all randomness comes from.
    """
    scenario = np.where(payments.cents > _LARGE_CENTS, Scenario.LARGE_AMOUNT, Scenario.NONE).astype(np.int8)
    compromised = _compromised_terminals(terminals, days, generator)
    scenario[compromised[payments.terminal, payments.day]] = Scenario.COMPROMISED_TERMINAL

    cents = payments.cents.copy()
    by_customer = np.argsort(payments.customer, kind="stable")
    bounds = np.searchsorted(payments.customer[by_customer], np.arange(customers + 1))
    day = payments.day
    for first_day in range(days):
        cards = generator.choice(customers, _newly_compromised(_CUSTOMERS_A_DAY, customers, first_day), replace=False)
        theirs = np.concatenate([by_customer[:0], *(by_customer[bounds[card] : bounds[card + 1]] for card in cards)])
        exposed = theirs[(day[theirs] >= first_day) & (day[theirs] < first_day + _CUSTOMER_DAYS)]
        stolen = generator.choice(exposed, exposed.size // _STOLEN_SHARE, replace=False)
        cents[stolen] *= _STOLEN_FACTOR
        scenario[stolen] = Scenario.STOLEN_CARD
    return cents, scenario


def _compromised_terminals(terminals: int, days: int, generator: np.random.Generator) -> NDArray[np.bool_]:
    compromised = np.zeros((terminals, days), dtype=np.bool_)
    for day in range(days):
        chosen = generator.choice(terminals, _newly_compromised(_TERMINALS_A_DAY, terminals, day), replace=False)
        compromised[chosen, day : day + _TERMINAL_DAYS] = True
    return compromised


def _newly_compromised(per_day: tuple[int, int], population: int, day: int) -> int:
    """Return how many of ``population`` fall on ``day``, in whole numbers whose sum keeps the daily share."""
    count, of = per_day

    def until(days: int) -> int:
        return -(-days * count * population // of)

    return min(population, until(day + 1) - until(day))
