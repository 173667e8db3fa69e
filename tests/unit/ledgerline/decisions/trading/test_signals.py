"""Votes, and what they come to."""

from typing import Any

import pytest

from ledgerline.decisions.trading import TradingPolicy
from ledgerline.decisions.trading.signals import (
    RiskLevel,
    Signal,
    Vote,
    combined,
    opinion,
    price_vote,
    risk_level,
    technical_vote,
)


@pytest.mark.parametrize(
    ("probability", "vote"), [(0.61, Vote.BUY), (0.6, Vote.HOLD), (0.5, Vote.HOLD), (0.4, Vote.HOLD), (0.39, Vote.SELL)]
)
def test_the_model_votes_beyond_its_thresholds_only(probability: float, vote: Vote, policy: TradingPolicy) -> None:
    assert price_vote(probability, policy.signals) is vote


@pytest.mark.parametrize(
    ("rsi", "macd", "vote"),
    [
        (29.0, 1.0, Vote.BUY),
        (29.0, -1.0, Vote.HOLD),
        (71.0, -1.0, Vote.SELL),
        (71.0, 1.0, Vote.HOLD),
        (50.0, 1.0, Vote.HOLD),
        (70.0, -1.0, Vote.HOLD),
        (None, 1.0, Vote.HOLD),
        (29.0, None, Vote.HOLD),
    ],
)
def test_indicators_vote_where_both_agree(
    rsi: float | None, macd: float | None, vote: Vote, policy: TradingPolicy
) -> None:
    assert technical_vote(rsi, macd, 0.0, policy.signals) is vote


def test_macd_on_its_signal_line_is_no_reason_to_buy(policy: TradingPolicy) -> None:
    assert technical_vote(29.0, 0.0, 0.0, policy.signals) is Vote.HOLD
    assert technical_vote(71.0, 0.0, 0.0, policy.signals) is Vote.SELL


@pytest.mark.parametrize(
    ("votes", "level", "signal"),
    [
        ((Vote.BUY, Vote.HOLD), RiskLevel.LOW, Signal.BUY),
        ((Vote.HOLD, Vote.BUY), RiskLevel.MEDIUM, Signal.BUY),
        ((Vote.BUY, Vote.BUY), RiskLevel.HIGH, Signal.BUY_SMALL),
        ((Vote.SELL, Vote.HOLD), RiskLevel.LOW, Signal.SELL),
        ((Vote.SELL, Vote.SELL), RiskLevel.HIGH, Signal.SELL_SMALL),
        ((Vote.BUY, Vote.SELL), RiskLevel.LOW, Signal.HOLD),
        ((Vote.HOLD, Vote.HOLD), RiskLevel.HIGH, Signal.HOLD),
    ],
)
def test_votes_that_contradict_each_other_cancel_out(
    votes: tuple[Vote, Vote], level: RiskLevel, signal: Signal
) -> None:
    assert combined(*votes, level) is signal


@pytest.mark.parametrize(
    ("volatility", "level"),
    [(0.3, RiskLevel.LOW), (0.31, RiskLevel.MEDIUM), (0.71, RiskLevel.HIGH), (None, RiskLevel.HIGH)],
)
def test_unknown_risk_counts_as_high(volatility: float | None, level: RiskLevel, policy: TradingPolicy) -> None:
    assert risk_level(volatility, policy.signals) is level


def test_daily_volatility_is_judged_by_the_year(policy: TradingPolicy) -> None:
    indicators: dict[str, Any] = {"rsi_14": 50.0, "macd": 0.1, "macd_signal": 0.0, "volatility_20d": 0.05}
    found = opinion(0.7, indicators, policy.signals)
    assert found.risk == pytest.approx(0.7937, abs=1e-4)
    assert found.signal is Signal.BUY_SMALL
