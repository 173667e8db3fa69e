import numpy as np
import pytest

from ledgerline.sandbox.cards import Payments, simulate_payments
from ledgerline.sandbox.frauds import Scenario, commit_frauds

CUSTOMERS, TERMINALS, DAYS = 600, 1_200, 60


@pytest.fixture(scope="module")
def payments() -> Payments:
    return simulate_payments(customers=CUSTOMERS, terminals=TERMINALS, days=DAYS, generator=np.random.default_rng(11))


@pytest.fixture(scope="module")
def frauds(payments: Payments) -> tuple[np.ndarray, np.ndarray]:
    return commit_frauds(
        payments, customers=CUSTOMERS, terminals=TERMINALS, days=DAYS, generator=np.random.default_rng(12)
    )


def test_every_amount_above_220_is_fraudulent(payments: Payments, frauds: tuple[np.ndarray, np.ndarray]) -> None:
    _, scenario = frauds
    assert (scenario[payments.cents > 22_000] != Scenario.NONE).all()
    assert (payments.cents[scenario == Scenario.LARGE_AMOUNT] > 22_000).all()


def test_compromised_terminal_is_bad_for_every_payment_in_at_most_28_days(
    payments: Payments, frauds: tuple[np.ndarray, np.ndarray]
) -> None:
    _, scenario = frauds
    bad = scenario == Scenario.COMPROMISED_TERMINAL
    assert bad.sum() > 0
    for terminal in np.unique(payments.terminal[bad]):
        days = payments.day[bad & (payments.terminal == terminal)]
        here = (payments.terminal == terminal) & (payments.day >= days.min()) & (payments.day <= days.max())
        if np.ptp(days) < 28:  # compromised once
            assert (scenario[here] != Scenario.NONE).all()


def test_stolen_cards_pay_a_multiple_of_five_times_the_amount(
    payments: Payments, frauds: tuple[np.ndarray, np.ndarray]
) -> None:
    cents, scenario = frauds
    stolen = scenario == Scenario.STOLEN_CARD
    assert stolen.sum() > 0
    assert (cents[~stolen] == payments.cents[~stolen]).all()
    positive = stolen & (payments.cents > 0)
    factor = cents[positive] // payments.cents[positive]
    assert (factor * payments.cents[positive] == cents[positive]).all()
    assert set(factor) <= {5, 25, 125}


def test_a_third_of_a_stolen_cards_payments_are_fraudulent() -> None:
    one_card = Payments(
        customer=np.zeros(90, dtype=np.int32),
        terminal=np.arange(90, dtype=np.int32),
        cents=np.full(90, 100, dtype=np.int32),
        seconds=np.zeros(90, dtype=np.int32),
    )
    _, scenario = commit_frauds(one_card, customers=1, terminals=100_000, days=1, generator=np.random.default_rng(3))
    assert (scenario == Scenario.STOLEN_CARD).sum() == 30


def test_small_world_keeps_the_published_share_of_fraud(frauds: tuple[np.ndarray, np.ndarray]) -> None:
    _, scenario = frauds
    assert 0.003 < (scenario != Scenario.NONE).mean() < 0.02
