"""Trading: from a probability to a signal, a size, a verdict, an order and a book; money is decimal throughout."""

from ledgerline.decisions.trading.answer import judge_again, judge_session
from ledgerline.decisions.trading.model import FAMILY, PriceModel, PriceVectorRefused
from ledgerline.decisions.trading.policy import TradingPolicy, TradingPolicyInvalid, trading_policy

__all__ = [
    "FAMILY",
    "PriceModel",
    "PriceVectorRefused",
    "TradingPolicy",
    "TradingPolicyInvalid",
    "judge_again",
    "judge_session",
    "trading_policy",
]
