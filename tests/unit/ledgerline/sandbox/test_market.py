import numpy as np
import pytest

from ledgerline.sandbox.market import (
    ABNORMAL_VOLUME,
    MOVED_SESSIONS,
    VOLUME_SESSIONS,
    Market,
    planted,
    simulate_market,
)

SIZE = {"symbols": 40, "sessions": 500, "future": 20}


def market(signal: float = 1.0, seed: int = 3, **size: int) -> Market:
    return simulate_market(**SIZE | size, signal=signal, generator=np.random.default_rng(seed))


def information_coefficient(found: Market) -> float:
    """Correlation, session by session, of what is planted by close t and the return from close t + 1 to t + 2."""
    scale = found.returns.std(axis=0)
    coefficients = []
    for now in range(VOLUME_SESSIONS, len(found.returns) - 2):
        seen = planted(
            found.returns[now + 1 - MOVED_SESSIONS : now + 1],
            scale,
            found.volume[now + 1 - VOLUME_SESSIONS : now + 1],
            found.mood[now],
        )
        coefficients.append(np.corrcoef(seen, found.returns[now + 2])[0, 1])
    return float(np.mean(coefficients))


def test_planted_signal_shows_two_sessions_later_as_strong_as_it_is_asked_for() -> None:
    assert information_coefficient(market(1.0)) > 0.1
    assert 0.03 < information_coefficient(market(0.5)) < information_coefficient(market(1.0))
    assert abs(information_coefficient(market(0.0))) < 0.02


def test_signal_changes_returns_and_nothing_that_is_drawn() -> None:
    with_signal, without = market(1.0), market(0.0)
    np.testing.assert_array_equal(with_signal.mood, without.mood)
    np.testing.assert_array_equal(with_signal.roughness, without.roughness)
    assert np.corrcoef(with_signal.returns.ravel(), without.returns.ravel())[0, 1] > 0.9


def test_moves_turn_round_where_volume_is_abnormal_and_go_on_where_it_is_not() -> None:
    up = np.full((MOVED_SESSIONS, 1), 0.01)
    quiet, loud = np.ones((VOLUME_SESSIONS, 1)), np.ones((VOLUME_SESSIONS, 1))
    loud[-1] = 2 * ABNORMAL_VOLUME
    silence = np.array([np.nan])
    assert planted(up, np.array([0.01]), loud, silence)[0] < 0 < planted(up, np.array([0.01]), quiet, silence)[0]


def test_good_mood_lifts_and_silence_does_nothing() -> None:
    still, usual, scale = np.zeros((MOVED_SESSIONS, 3)), np.ones((VOLUME_SESSIONS, 3)), np.full(3, 0.01)
    bad, none, good = planted(still, scale, usual, np.array([-1.0, np.nan, 1.0]))
    assert bad < none == 0 < good


def test_longer_future_leaves_the_past_as_it_is() -> None:
    short, long = market(future=5), market(future=60)
    np.testing.assert_array_equal(long.returns[:505], short.returns)
    np.testing.assert_array_equal(long.volume[:505], short.volume)


def test_volume_goes_with_the_size_of_the_move() -> None:
    found = market()
    usual = found.volume / np.median(found.volume, axis=0)
    assert np.corrcoef(np.abs(found.returns).ravel(), np.log(usual).ravel())[0, 1] > 0.3


def test_market_has_calm_and_rough_spells_that_last() -> None:
    rough = market().roughness > 0.004
    assert 0.05 < rough.mean() < 0.6
    assert (rough[1:] == rough[:-1]).mean() > 0.95


def test_market_of_more_sessions_than_the_calendar_has_is_refused() -> None:
    with pytest.raises(ValueError, match="before its present"):
        market(sessions=50_000)
