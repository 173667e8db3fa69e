"""What is asked of the exchange, read strictly: what is not understood is refused, and never guessed."""

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from ledgerline.sandbox.exchange.engine import NewOrder
from ledgerline.sandbox.exchange.faults import MOST_SECONDS, FaultKind
from ledgerline.sandbox.exchange.journal import Side, TimeInForce
from ledgerline.sandbox.exchange.messages import NEW_YORK
from ledgerline.sandbox.exchange.refusals import malformed, unprocessable

_Choice = TypeVar("_Choice", Side, TimeInForce)

_LONGEST_ID = 128
_LARGEST_QUANTITY = 10**9
_MOST_BARS = 10_000
_USUAL_BARS = 1_000


class ClockRequest(BaseModel):
    """How the market's clock is to move: run, stand, or make some steps."""

    model_config = ConfigDict(extra="forbid")

    run: bool | None = Field(default=None, description="true: let sessions pass; false: let the clock stand.")
    seconds_per_session: float | None = Field(default=None, ge=0.01, le=86_400, description="With run: how fast.")
    steps: int | None = Field(default=None, ge=1, le=10_000, description="So many sessions pass at once.")


class FaultRequest(BaseModel):
    """What is to go wrong."""

    model_config = ConfigDict(extra="forbid")

    path: str = Field(pattern=r"^/v2/", description="A request's path; with * at its end, how it begins.")
    kind: FaultKind
    times: int = Field(default=1, ge=1, le=1_000)
    method: str | None = Field(default=None, pattern=r"^(GET|POST|DELETE)$")
    seconds: float = Field(default=30.0, ge=0, le=MOST_SECONDS, description="Of a time-out.")


def new_order(body: Any) -> NewOrder:
    """Read an order.

    Raises:
        Refused: It is none that this exchange takes.
    """
    if not isinstance(body, dict):
        raise malformed("request body format is invalid")
    for key, only in (("type", "market"), ("order_class", "simple"), ("extended_hours", False)):
        if body.get(key, only) not in (only, "", None):
            raise unprocessable(f"{key} {body[key]!r} is not supported here; there is {only!r}")
    for key in ("notional", "limit_price", "stop_price", "trail_price", "trail_percent", "legs"):
        if body.get(key) is not None:
            raise unprocessable(f"{key} is not supported here: orders are for whole shares, at the market")
    name = body.get("client_order_id")
    if name is not None and not (isinstance(name, str) and 0 < len(name) <= _LONGEST_ID):
        raise unprocessable(f"client_order_id must be a text of at most {_LONGEST_ID} characters")
    return NewOrder(
        client_order_id=name,
        symbol=str(body.get("symbol", "")),
        side=_one_of(Side, body, "side"),
        quantity=_whole(body.get("qty")),
        time_in_force=_one_of(TimeInForce, body, "time_in_force"),
    )


def instant(text: str) -> datetime:
    """Read an instant, or a date: midnight in New York.

    Raises:
        Refused: It is neither.
    """
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise malformed(f"invalid date or time: {text!r}") from None
    if len(text) <= len("2018-10-01"):
        return read.replace(tzinfo=NEW_YORK)
    return read if read.tzinfo else read.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class BarsRequest:
    """Which bars are asked for.

    Attributes:
        symbols: Of which symbols, in order.
        start, end: Bars that begin from one instant to another, both included; None for the usual.
        limit: At most so many.
        after: The symbol and session of the last bar of the page before.
        descending: Whether the newest come first.
    """

    symbols: tuple[str, ...]
    start: datetime | None
    end: datetime | None
    limit: int
    after: tuple[str, date] | None
    descending: bool

    @classmethod
    def of(cls, query: dict[str, str]) -> "BarsRequest":
        """Read a query.

        Raises:
            Refused: It asks for what this exchange does not have.
        """
        symbols = tuple(sorted({name.strip() for name in query.get("symbols", "").split(",") if name.strip()}))
        if not symbols:
            raise malformed("symbols is required")
        if query.get("timeframe") not in ("1Day", "1D"):
            raise malformed(f"invalid timeframe: {query.get('timeframe')!r}; there is 1Day")
        if query.get("adjustment", "raw") != "raw":
            raise malformed(f"invalid adjustment: {query['adjustment']!r}; there is raw")
        if query.get("sort", "asc") not in ("asc", "desc"):
            raise malformed(f"invalid sort: {query['sort']!r}")
        limit = query.get("limit", str(_USUAL_BARS))
        if not (limit.isdecimal() and 1 <= int(limit) <= _MOST_BARS):
            raise malformed(f"invalid limit: {limit!r}; 1 to {_MOST_BARS}")
        return cls(
            symbols=symbols,
            start=instant(query["start"]) if "start" in query else None,
            end=instant(query["end"]) if "end" in query else None,
            limit=int(limit),
            after=_place(query["page_token"]) if query.get("page_token") else None,
            descending=query.get("sort") == "desc",
        )


def page_token(symbol: str, session: date) -> str:
    """Return the token of the page after a bar."""
    return base64.urlsafe_b64encode(f"{symbol}|D|{session.isoformat()}".encode()).decode()


def _place(token: str) -> tuple[str, date]:
    try:
        symbol, _, session = base64.urlsafe_b64decode(token).decode().split("|")
        return symbol, date.fromisoformat(session)
    except (binascii.Error, ValueError):
        raise malformed(f"invalid page_token: {token!r}") from None


def _one_of(choices: type[_Choice], body: dict[str, Any], name: str) -> _Choice:
    try:
        return choices(str(body.get(name)))
    except ValueError:
        raise unprocessable(f"invalid {name}: {body.get(name)!r}; there is {', '.join(choices)}") from None


def _whole(text: Any) -> int:
    try:
        quantity = Decimal(str(text))
    except InvalidOperation:
        raise unprocessable(f"qty {text!r} is no number") from None
    if not (quantity.is_finite() and 0 < quantity <= _LARGEST_QUANTITY and quantity == quantity.to_integral_value()):
        raise unprocessable(f"qty must be a whole number of shares above 0, not {text!r}")
    return int(quantity)
