"""What a model's scores would have earned after costs: as a ranking, and by the rules that the live job follows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from ledgerline.decisions.trading.order import Side
from ledgerline.decisions.trading.performance import Performance, performance
from ledgerline.decisions.trading.policy import TradingPolicy
from ledgerline.decisions.trading.risk import Holding
from ledgerline.decisions.trading.signals import SESSIONS_A_YEAR, Signal, opinion
from ledgerline.decisions.trading.sizing import sized, stop_is_reached

_BASIS_POINT = 1e-4
_START_CASH = Decimal(100_000)


@dataclass(frozen=True, slots=True)
class LongShort:
    """Daily returns of a portfolio that is long what scores high and short what scores low.

    Attributes:
        gross: Before costs, a day.
        net: After costs, a day.
        turnover: Traded a day, as a share of the money in it.
    """

    gross: NDArray[np.float64]
    net: NDArray[np.float64]
    turnover: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SymbolDay:
    """What a rule looks at, of one share after one session.

    Attributes:
        symbol: Whose.
        probability_up: The model's.
        indicators: As :func:`ledgerline.decisions.trading.signals.opinion` takes them.
        price: At which an order that is decided now is filled: the next close, in shares of the first price.
        next_price: The close after that.
    """

    symbol: str
    probability_up: float
    indicators: Mapping[str, float | None]
    price: float
    next_price: float


@dataclass(frozen=True, slots=True)
class RuleBacktest:
    """What the live job's rules would have earned.

    Attributes:
        performance: Return, Sharpe ratio, drawdown and hits, after costs.
        orders: How many orders.
        signals: How often each signal came.
    """

    performance: Performance
    orders: int
    signals: Mapping[str, int]


def long_short(scores: NDArray[np.float64], returns: NDArray[np.float64], *, cost_bp: float) -> LongShort:
    """Hold every share in proportion to its rank, half of the money long and half short, and rebalance every day.

    Costs are paid on what is traded, per side. Borrowing shares is free, which flatters.

    Args:
        scores: Shape (days, shares); NaN where a share has none.
        returns: Of the day on which the position is held, same shape; NaN counts as none.
        cost_bp: Basis points a side.
    """
    weights = np.array([rank_weights(day) for day in scores]).reshape(scores.shape)
    gross = np.nansum(weights * np.nan_to_num(returns), axis=1)
    turnover = np.abs(np.diff(weights, axis=0, prepend=np.zeros((1, scores.shape[1])))).sum(axis=1)
    return LongShort(gross, gross - turnover * cost_bp * _BASIS_POINT, turnover)


def rank_weights(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights that rise with the rank, sum to zero, and whose sizes sum to one; ties share a rank."""
    weights = np.zeros(len(scores))
    known = np.flatnonzero(np.isfinite(scores))
    if len(known) < 2:
        return weights
    values, place, counts = np.unique(scores[known], return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    centred = ranks - ranks.mean()
    total = np.abs(centred).sum()
    if len(values) > 1 and total > 0:
        weights[known] = centred / total
    return weights


def annual(daily: NDArray[np.float64]) -> float:
    """Return the mean of daily returns as a simple yearly one."""
    return float(np.mean(daily)) * SESSIONS_A_YEAR if len(daily) else 0.0


def rule_backtest(days: Sequence[Sequence[SymbolDay]], policy: TradingPolicy, *, cost_bp: float) -> RuleBacktest:
    """Follow the live job's signals, sizes and stops over past sessions; orders are filled at the next close.

    Limits on the whole account (loss a day, drawdown) are left out: they would hide what the rules do.

    Args:
        days: Sessions in order, each with its shares.
        policy: The trading policy.
        cost_bp: Basis points a side.
    """
    cash, holdings = _START_CASH, dict[str, Holding]()
    prices: dict[str, Decimal] = {}
    marks, gains, orders = [float(_START_CASH)], list[float](), 0
    signals = dict.fromkeys((signal.value for signal in Signal), 0)
    cost = Decimal(str(cost_bp * _BASIS_POINT))
    for day in days:
        for share in sorted(day, key=lambda each: (-each.probability_up, each.symbol)):
            price = prices[share.symbol] = Decimal(repr(share.price))
            holding = holdings.get(share.symbol, Holding(Decimal(0), Decimal(0)))
            signal = _signal(share, holding, price, policy)
            signals[signal.value] += 1
            size = sized(
                signal, held=holding.quantity, cash=cash, price=price, sizing=policy.sizing, limits=policy.limits
            )
            if size is None:
                continue
            side, quantity = size
            orders += 1
            cash -= side.sign * quantity * price + quantity * price * cost
            if side is Side.BUY:
                holdings[share.symbol] = Holding(quantity, price)
                continue
            gains.append(float((price - holding.cost) * quantity - 2 * quantity * price * cost))
            left = holding.quantity - quantity
            holdings.pop(share.symbol)
            if left:
                holdings[share.symbol] = Holding(left, holding.cost)
        prices |= {share.symbol: Decimal(repr(share.next_price)) for share in day}
        worth = sum((held.quantity * prices[symbol] for symbol, held in holdings.items()), Decimal(0))
        marks.append(float(cash + worth))
    return RuleBacktest(performance(marks, gains), orders, signals)


def _signal(share: SymbolDay, holding: Holding, price: Decimal, policy: TradingPolicy) -> Signal:
    if stop_is_reached(held=holding.quantity, cost=holding.cost, price=price, limits=policy.limits):
        return Signal.SELL
    return opinion(share.probability_up, share.indicators, policy.signals).signal
