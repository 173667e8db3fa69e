"""What the trading job may do: `policies/trading.yaml` as a checked value."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ledgerline.core.errors import LedgerlineError
from ledgerline.core.identity import content_id
from ledgerline.core.strict_yaml import read_yaml


class TradingPolicyInvalid(LedgerlineError):
    """The trading policy does not say what it must."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SignalRules(_Section):
    """From which values on somebody votes.

    Attributes:
        buy_above, sell_below: Probabilities that the price rises.
        rsi_overbought, rsi_oversold: Of the relative strength index, 0 to 100.
        risk_high, risk_medium: Of the annualised volatility over 20 sessions, as a share.
    """

    buy_above: float = Field(gt=0, lt=1)
    sell_below: float = Field(gt=0, lt=1)
    rsi_overbought: float = Field(gt=0, lt=100)
    rsi_oversold: float = Field(gt=0, lt=100)
    risk_high: float = Field(gt=0)
    risk_medium: float = Field(gt=0)

    @model_validator(mode="after")
    def _ordered(self) -> "SignalRules":
        if not (self.sell_below < self.buy_above and self.rsi_oversold < self.rsi_overbought):
            raise ValueError("sell_below must lie below buy_above, and rsi_oversold below rsi_overbought")
        if self.risk_medium > self.risk_high:
            raise ValueError("risk_medium must not exceed risk_high")
        return self


class SizingRules(_Section):
    """How much is bought.

    Attributes:
        cash_share: Of the free cash, for one position.
        small_share: Of that, while a symbol's risk is high; also the share of a position that a small sale closes.
    """

    cash_share: Decimal = Field(gt=0, le=1)
    small_share: Decimal = Field(gt=0, le=1)


class RiskLimits(_Section):
    """What no order may exceed. Shares are of the account's equity unless said otherwise; money is in its currency.

    Attributes:
        position_share: Of one symbol.
        stop_loss: Of a position's cost: the loss from which it is closed.
        drawdown: Below the highest equity ever marked.
        loss_per_day: Against the equity of the previous session's close.
        loss_per_trade: What a position may lose until its stop.
        largest_notional, smallest_notional: Of one order.
        price_move: Of the previous close: a price that moved further is not believed.
    """

    position_share: Decimal = Field(gt=0, le=1)
    stop_loss: Decimal = Field(gt=0, lt=1)
    drawdown: Decimal = Field(gt=0, lt=1)
    loss_per_day: Decimal = Field(gt=0)
    loss_per_trade: Decimal = Field(gt=0)
    largest_notional: Decimal = Field(gt=0)
    smallest_notional: Decimal = Field(gt=0)
    price_move: Decimal = Field(gt=0)


class TradingPolicy(_Section):
    """The whole policy.

    Attributes:
        signals: When to act.
        sizing: How much.
        limits: When not to.
    """

    signals: SignalRules
    sizing: SizingRules
    limits: RiskLimits

    @property
    def id(self) -> str:
        """Content id: which policy an order was judged by."""
        return content_id(self.model_dump(mode="json"))


def trading_policy(project: Path) -> TradingPolicy:
    """Read ``policies/trading.yaml`` of a project.

    Raises:
        TradingPolicyInvalid: The file is missing or unreadable, or a field is missing, unknown or out of range.
    """
    path = project / "policies" / "trading.yaml"
    try:
        document: Any = read_yaml(path.read_text(encoding="utf-8"))
        return TradingPolicy.model_validate(document)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as unreadable:
        raise TradingPolicyInvalid(f"{path} cannot be read: {unreadable}") from unreadable
    except ValidationError as invalid:
        problems = "; ".join(
            f"{'.'.join(map(str, error['loc'])) or 'document'}: {error['msg']}"
            for error in invalid.errors(include_url=False)
        )
        raise TradingPolicyInvalid(f"{path}: {problems}") from invalid
