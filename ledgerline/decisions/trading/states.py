"""The life of an order, from the moment it is on record to the moment nothing can happen to it any more."""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType


class OrderState(StrEnum):
    """Where an order stands, as far as we know."""

    DENIED = "denied"  # a risk rule said no; it never leaves
    COMMITTED = "committed"  # on record, not sent yet
    SENDING = "sending"  # it may have left: a kill from here on leaves its fate unknown until the venue is asked
    UNKNOWN = "unknown"  # it was sent and no answer came
    ACCEPTED = "accepted"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    NOT_SENT = "not_sent"  # its time passed, and the venue has never heard of it

    @property
    def is_final(self) -> bool:
        """Whether nothing more can come of it."""
        return self in _FINAL

    @property
    def may_have_left(self) -> bool:
        """Whether the venue has to be asked before anything else is done."""
        return self in {OrderState.SENDING, OrderState.UNKNOWN}


_FINAL = frozenset(
    {
        OrderState.DENIED,
        OrderState.FILLED,
        OrderState.CANCELED,
        OrderState.EXPIRED,
        OrderState.REJECTED,
        OrderState.NOT_SENT,
    }
)

# Source: Alpaca's order lifecycle, docs.alpaca.markets, "Orders at Alpaca". What is not listed is still open.
_VENUE_STATES: Mapping[str, OrderState] = MappingProxyType(
    {
        "partially_filled": OrderState.PARTIALLY_FILLED,
        "filled": OrderState.FILLED,
        "canceled": OrderState.CANCELED,
        "replaced": OrderState.CANCELED,
        "expired": OrderState.EXPIRED,
        "done_for_day": OrderState.ACCEPTED,
        "rejected": OrderState.REJECTED,
        "suspended": OrderState.ACCEPTED,
    }
)
_ORDER = (
    OrderState.COMMITTED,
    OrderState.SENDING,
    OrderState.UNKNOWN,
    OrderState.ACCEPTED,
    OrderState.PARTIALLY_FILLED,
)


def state_at_venue(status: str) -> OrderState:
    """Return what a venue's word for an order's status means here; an unknown word is an order still open."""
    return _VENUE_STATES.get(status, OrderState.ACCEPTED)


def advanced(present: OrderState, seen: OrderState, *, filled: Decimal, seen_filled: Decimal) -> bool:
    """Say whether what the venue says now is news: answers may be repeated, and may overtake each other.

    Args:
        present: What we know.
        seen: What the venue says.
        filled: The filled quantity that we know.
        seen_filled: The one that the venue says; it never shrinks.
    """
    if seen_filled != filled:
        return seen_filled > filled
    if present.is_final:
        return present is OrderState.NOT_SENT and seen is not OrderState.NOT_SENT
    return seen.is_final or _ORDER.index(seen) > _ORDER.index(present)
