import numpy as np
import pytest

from ledgerline.sandbox.cards import DAY_SECONDS, Payments, simulate_payments


@pytest.fixture(scope="module")
def payments() -> Payments:
    return simulate_payments(customers=700, terminals=900, days=40, generator=np.random.default_rng(5))


def test_payments_come_in_order_of_time(payments: Payments) -> None:
    assert (np.diff(payments.seconds) >= 0).all()


def test_no_payment_falls_on_the_first_second_or_outside_the_days(payments: Payments) -> None:
    in_day = payments.seconds % DAY_SECONDS
    assert in_day.min() > 0
    assert payments.seconds.max() < 40 * DAY_SECONDS


def test_hours_follow_the_normal_distribution_cut_at_midnight(payments: Payments) -> None:
    in_day = payments.seconds % DAY_SECONDS
    # N(43200, 20000) cut at +-2.16 sigma keeps its mean and has sigma 17,980.
    assert abs(in_day.mean() - 43_200) < 500
    assert abs(in_day.std() - 17_980) < 400


def test_customers_make_up_to_four_payments_a_day_on_average(payments: Payments) -> None:
    per_day = np.bincount(payments.customer, minlength=700) / 40
    assert per_day.max() < 5.5
    # Two a day on average, less the 3.1 % outside the day and the customers out of every terminal's reach.
    assert 1.7 < per_day.mean() < 2.0


def test_amounts_are_cents_and_never_negative(payments: Payments) -> None:
    assert payments.cents.dtype == np.int32
    assert payments.cents.min() >= 0
    assert abs(payments.cents.mean() - 5_350) < 200


def test_each_customer_uses_only_terminals_in_reach(payments: Payments) -> None:
    # The published draw, step by step: the same generator gives the same homes and places.
    generator = np.random.default_rng(5)
    homes = generator.uniform(0, 100, (700, 2))
    generator.uniform(5, 100, 700)
    generator.uniform(0, 4, 700)
    places = generator.uniform(0, 100, (900, 2))
    distance = np.hypot(*(homes[payments.customer] - places[payments.terminal]).T)
    assert distance.max() < 5
    used = np.zeros((700, 900), dtype=bool)
    used[payments.customer, payments.terminal] = True
    reachable = np.hypot(*(homes[:, None] - places[None]).transpose(2, 0, 1)) < 5
    assert (used & ~reachable).sum() == 0
    assert (used & reachable).sum() > 0.9 * reachable[np.unique(payments.customer)].sum()


def test_world_without_a_terminal_in_reach_has_no_payments() -> None:
    empty = simulate_payments(customers=1, terminals=1, days=30, generator=np.random.default_rng(1))
    assert empty.seconds.size == 0
