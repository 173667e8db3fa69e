"""The only thing that sends: one order once, and whatever is not known about an order is asked, by its name."""

import logging
from datetime import datetime

from ledgerline.audit import Ledger
from ledgerline.decisions.trading.orders import (
    claim,
    open_orders,
    record_refused,
    record_seen,
    record_unknown,
    release,
)
from ledgerline.decisions.trading.states import OrderState
from ledgerline.decisions.trading.venue import OrderRefused, OutcomeUnknown, Venue

_log = logging.getLogger(__name__)


class Sender:
    """Brings orders from the record to the venue, and what became of them back.

    Args:
        ledger: The installation.
        venue: Where they go.
        token: The fencing token under which it sends; a later job's outdates it.
    """

    def __init__(self, ledger: Ledger, venue: Venue, *, token: int) -> None:
        self._ledger = ledger
        self._venue = venue
        self.token = token

    def reconcile(self) -> int:
        """Ask about every order of which something may still come, before anything new is done.

        An order that may have left and that the venue has never heard of goes back among those to be sent, under the
        same name: should the first one arrive after all, the venue takes only one of the two.

        Returns:
            How many orders are open at the venue afterwards.

        Raises:
            VenueUnavailable: The venue does not answer; nothing is known, and nothing new may be done.
        """
        still_open = 0
        for order in open_orders(self._ledger):
            if order.state is OrderState.COMMITTED:
                continue
            seen = self._venue.find_order(order.client_order_id)
            if seen is not None:
                if record_seen(self._ledger, seen):
                    _log.info("order %s (%s %s) is %s", seen.client_order_id, order.side, order.symbol, seen.status)
                still_open += not seen.state.is_final
            elif order.state.may_have_left:
                _log.warning("order %s never reached the venue; it may be sent again", order.client_order_id)
                release(self._ledger, order.client_order_id, token=self.token)
            else:
                # It was accepted once. Nothing about it is guessed; positions are compared, and would tell.
                _log.error("the venue has forgotten order %s, which it had accepted", order.client_order_id)
                still_open += 1
        return still_open

    def send_waiting(self, venue_now: datetime) -> int:
        """Send every order that waits; return how many left.

        Args:
            venue_now: What time it is at the venue, UTC.

        Raises:
            Fenced: Another job has taken over.
        """
        sent = 0
        for order in open_orders(self._ledger):
            if order.state is not OrderState.COMMITTED:
                continue
            body = claim(self._ledger, order.client_order_id, token=self.token, venue_now=venue_now)
            if body is not None:
                sent += 1
                self._send(order.client_order_id, body)
        return sent

    def _send(self, client_order_id: str, body: bytes) -> None:
        try:
            seen = self._venue.submit(client_order_id, body)
        except OrderRefused as refused:
            _log.error("%s", refused)
            record_refused(self._ledger, client_order_id, str(refused))
        except OutcomeUnknown as unknown:
            _log.warning("%s; it is asked about, not sent again", unknown)
            record_unknown(self._ledger, client_order_id)
        else:
            record_seen(self._ledger, seen)
