"""From a probability and indicators to a signal: two votes, and a look at how rough the sea is."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from ledgerline.decisions.trading.policy import SignalRules

SESSIONS_A_YEAR = 252


class Vote(StrEnum):
    """One adviser's opinion."""

    BUY = "BUY"
    SELL = "SELL"
    HOLD = "HOLD"


class RiskLevel(StrEnum):
    """How rough a symbol is at present."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"


class Signal(StrEnum):
    """What the votes come to."""

    BUY = "BUY"
    SELL = "SELL"
    BUY_SMALL = "BUY_SMALL"
    SELL_SMALL = "SELL_SMALL"
    HOLD = "HOLD"

    @property
    def is_small(self) -> bool:
        """Whether half the size is meant."""
        return self in {Signal.BUY_SMALL, Signal.SELL_SMALL}

    @property
    def buys(self) -> bool:
        """Whether it asks to buy."""
        return self in {Signal.BUY, Signal.BUY_SMALL}

    @property
    def sells(self) -> bool:
        """Whether it asks to sell."""
        return self in {Signal.SELL, Signal.SELL_SMALL}


@dataclass(frozen=True, slots=True)
class Opinion:
    """Everything that led to a signal.

    Attributes:
        price_vote: The model's.
        technical_vote: The indicators'.
        risk: Annualised volatility of the last 20 sessions; None where it is unknown.
        risk_level: What that amounts to; unknown counts as high.
        signal: What to do.
    """

    price_vote: Vote
    technical_vote: Vote
    risk: float | None
    risk_level: RiskLevel
    signal: Signal


def opinion(probability_up: float, indicators: Mapping[str, float | None], rules: SignalRules) -> Opinion:
    """Return the signal and what led to it.

    Args:
        probability_up: The model's, in [0, 1].
        indicators: At least ``rsi_14``, ``macd``, ``macd_signal`` and ``volatility_20d`` (daily), None where unknown.
        rules: The thresholds.
    """
    price = price_vote(probability_up, rules)
    technical = technical_vote(indicators["rsi_14"], indicators["macd"], indicators["macd_signal"], rules)
    daily = indicators["volatility_20d"]
    risk = None if daily is None or not math.isfinite(daily) else daily * math.sqrt(SESSIONS_A_YEAR)
    level = risk_level(risk, rules)
    return Opinion(price, technical, risk, level, combined(price, technical, level))


def price_vote(probability_up: float, rules: SignalRules) -> Vote:
    """Return BUY above one threshold, SELL below the other, HOLD between them."""
    if probability_up > rules.buy_above:
        return Vote.BUY
    return Vote.SELL if probability_up < rules.sell_below else Vote.HOLD


def technical_vote(rsi: float | None, macd: float | None, macd_signal: float | None, rules: SignalRules) -> Vote:
    """Return BUY or SELL where the relative strength index and MACD agree on it, otherwise HOLD.

    Args:
        rsi: Relative strength index, 0 to 100; oversold is a reason to buy, overbought one to sell.
        macd: The MACD line; above its signal line is a reason to buy, else one to sell.
        macd_signal: The signal line.
        rules: The thresholds.
    """
    if rsi is None or macd is None or macd_signal is None:
        return Vote.HOLD
    strength = Vote.SELL if rsi > rules.rsi_overbought else Vote.BUY if rsi < rules.rsi_oversold else Vote.HOLD
    trend = Vote.BUY if macd > macd_signal else Vote.SELL
    return strength if strength is trend else Vote.HOLD


def risk_level(annual_volatility: float | None, rules: SignalRules) -> RiskLevel:
    """Return how rough a symbol is; what is unknown is not taken to be calm."""
    if annual_volatility is None or annual_volatility > rules.risk_high:
        return RiskLevel.HIGH
    return RiskLevel.MEDIUM if annual_volatility > rules.risk_medium else RiskLevel.LOW


def combined(price: Vote, technical: Vote, level: RiskLevel) -> Signal:
    """Count the votes: one that is opposed by none decides, two that contradict each other cancel out."""
    votes = {price, technical} - {Vote.HOLD}
    if len(votes) != 1:
        return Signal.HOLD
    if votes == {Vote.BUY}:
        return Signal.BUY_SMALL if level is RiskLevel.HIGH else Signal.BUY
    return Signal.SELL_SMALL if level is RiskLevel.HIGH else Signal.SELL
