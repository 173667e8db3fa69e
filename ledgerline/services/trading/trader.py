"""The loop: ask the venue, settle what is open, look at the newest session, decide once, send once.

An error never ends it: it holds, says why, and tries again a moment later.
"""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from ledgerline.audit import Ledger
from ledgerline.core.errors import LedgerlineError
from ledgerline.decisions.trading.book import Book, book_of, differences
from ledgerline.decisions.trading.halt import Halt, halt_in_force
from ledgerline.decisions.trading.marks import Mark, day_start, record_mark, record_standing
from ledgerline.decisions.trading.orders import Fenced, Order, all_orders, commit_session, is_decided, take_fence
from ledgerline.decisions.trading.outcomes import newest_event, record_trade_outcomes
from ledgerline.decisions.trading.policy import TradingPolicyInvalid, trading_policy
from ledgerline.decisions.trading.risk import Holding, MarkedBook
from ledgerline.decisions.trading.schema import ensure_trading_tables
from ledgerline.decisions.trading.venue import Account, BarsAnswer, Venue, VenueClock, VenueError, VenuePosition
from ledgerline.services.trading.deciding import SessionFacts, planned
from ledgerline.services.trading.live_features import SessionRow, session_rows
from ledgerline.services.trading.metrics import TradingMetrics
from ledgerline.services.trading.sender import Sender
from ledgerline.services.trading.serving import PriceServing
from ledgerline.services.trading.sessions import last_closed
from ledgerline.services.trading.watcher import Obstacle, PriceWatcher

TRADING = "trading"
STARTING = "starting"
_ENOUGH_BARS = 0.9  # of the symbols traded lately; fewer are a delivery that is not complete yet

_log = logging.getLogger(__name__)


class Hold(LedgerlineError):
    """No new orders for now.

    Attributes:
        code: For programs.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class State:
    """What the loop can say of itself.

    Attributes:
        code: ``trading``, or why it holds.
        message: For people.
        serving: The model that decides, or was loaded last.
        session: The session that closed last, by the venue's clock; None before the venue has answered.
    """

    code: str
    message: str
    serving: PriceServing | None = None
    session: date | None = None

    @property
    def holds(self) -> bool:
        """Whether no new orders are made."""
        return self.code != TRADING


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """What the venue and our own record say at one moment."""

    clock: VenueClock
    session: date
    account: Account
    orders: Sequence[Order]
    book: Book
    positions: Sequence[VenuePosition]
    differs: str | None
    mark: Mark
    halt: Halt | None


class Trader:
    """Trades on its own thread until it is told to stop.

    Args:
        ledger: The installation.
        venue: Where orders go.
        metrics: Told about every turn.
        every: Pause between two turns.
        stopping: Set from outside to end it; it also cuts pauses short.
    """

    def __init__(
        self, ledger: Ledger, venue: Venue, metrics: TradingMetrics, *, every: timedelta, stopping: threading.Event
    ) -> None:
        self._ledger = ledger
        self._venue = venue
        self._metrics = metrics
        self._every = every
        self._stopping = stopping
        self._thread = threading.Thread(target=self._run, name="trader", daemon=True)
        self._watcher = PriceWatcher(ledger, metrics)
        self._sender: Sender | None = None
        self._state = State(STARTING, "the job has just started")
        self._outcomes_to = 0  # the venue's last event of which it is on record what came

    @property
    def state(self) -> State:
        """What the loop says of itself."""
        return self._state

    @property
    def refused(self) -> Obstacle | None:
        """Why the newest deployment is not the one that decides, while it is not."""
        return self._watcher.refused

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, after the turn that is under way."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._turn()
            self._stopping.wait(self._every.total_seconds())

    def _turn(self) -> None:
        code, message = TRADING, "decides after every session's close"
        try:
            self._step()
        except Hold as hold:
            code, message = hold.code, str(hold)
        except Fenced as fenced:
            code, message = "fenced", str(fenced)
        except TradingPolicyInvalid as invalid:
            code, message = "policy_invalid", str(invalid)
        except VenueError as trouble:
            code, message = "venue_unavailable", str(trouble)
        except Exception as error:
            _log.exception("a turn failed; the next one tries again")
            code, message = "error", f"{type(error).__name__}: {error}"
        self._say(code, message)
        self._record_outcomes()

    def _record_outcomes(self) -> None:
        """Put on record what came of orders: after everything that waits for the venue, and without it if need be."""
        try:
            if self._sender and (newest := newest_event(self._ledger)) > self._outcomes_to:
                record_trade_outcomes(self._ledger, after=self._outcomes_to)
                self._outcomes_to = newest
        except Exception:
            _log.exception("what came of orders could not be kept; the next turn tries again")

    def _say(self, code: str, message: str) -> None:
        serving, before = self._watcher.serving, self._state
        self._state = State(code, message, serving, before.session)
        self._metrics.stepped(code, holding=self._state.holds)
        if (code, message) == (before.code, before.message):
            return
        _log.log(logging.WARNING if self._state.holds else logging.INFO, "%s: %s", code, message)
        try:
            record_standing(
                self._ledger,
                code=code,
                message=message,
                model=serving.name if serving else None,
                bundle=serving.digest if serving else None,
            )
        except Exception:
            _log.exception("what the job says of itself could not be kept")

    def _step(self) -> None:
        """Take one turn.

        Raises:
            Hold: With the reason for which no new orders are made.
        """
        sender = self._sender or self._first()
        looked = self._watcher.look()
        around = self._look_around(sender)
        # What was put on record before a crash leaves first, if its time has not passed.
        self._metrics.sent(sender.send_waiting(around.clock.now))
        if isinstance(looked, Obstacle):
            raise Hold(looked.code, looked.message)
        if not is_decided(self._ledger, around.session):
            self._decide(looked, around, sender)
            self._metrics.sent(sender.send_waiting(around.clock.now))
        self._require_trading(around)

    def _first(self) -> Sender:
        """Outdate whoever sent before."""
        ensure_trading_tables(self._ledger)
        self._sender = Sender(self._ledger, self._venue, token=take_fence(self._ledger))
        return self._sender

    def _look_around(self, sender: Sender) -> _Surroundings:
        clock = self._venue.clock()
        session = last_closed(clock.now)
        self._state = State(self._state.code, self._state.message, self._state.serving, session)
        still_open = sender.reconcile()
        account, positions = self._venue.account(), self._venue.positions()
        self._metrics.account(account, open_orders=still_open)
        orders = all_orders(self._ledger)
        book = book_of(orders)
        return _Surroundings(
            clock=clock,
            session=session,
            account=account,
            orders=orders,
            book=book,
            positions=positions,
            # While an order is open it may be filled between two questions, and nothing can be compared.
            differs=None if still_open else differences(book, positions),
            mark=record_mark(self._ledger, session, account),
            halt=halt_in_force(self._ledger),
        )

    def _decide(self, serving: PriceServing, around: _Surroundings, sender: Sender) -> None:
        session = around.session
        if session < serving.newest:
            raise Hold(
                "venue_behind",
                f"the venue's last session is {session}, and the features know {serving.newest} already",
            )
        if unresolved := [order for order in around.orders if order.state.may_have_left]:
            raise Hold("orders_unresolved", f"{len(unresolved)} orders may have left and are asked about first")
        policy = trading_policy(self._ledger.settings.project)
        answer = self._bars(serving, around)
        rows = session_rows(serving.view, serving.tables, serving.model.features, answer.bars, session)
        facts = SessionFacts(
            session=session,
            rows=rows,
            answer=answer,
            account=around.account.raw,
            book=self._marked(around, rows),
            now=self._ledger.clock.now(),
        )
        plan = planned(facts, serving, policy, self._venue)
        if commit_session(self._ledger, plan, token=sender.token):
            allowed = sum(judged.allowed for judged in plan.intents)
            denied = len(plan.intents) - allowed
            self._metrics.decided(len(plan.decisions), allowed=allowed, denied=denied)
            _log.info("session %s: %d decisions, %d orders, %d denied", session, len(plan.decisions), allowed, denied)

    def _bars(self, serving: PriceServing, around: _Surroundings) -> BarsAnswer:
        """Ask for what came since the features were built, and keep the answer before anything is decided on it."""
        symbols = serving.symbols(around.clock.now)
        answer = self._venue.bars(symbols, first=serving.newest, now=around.clock.now)
        for page in answer.pages:
            self._ledger.objects.put(page)
        if around.session > serving.newest:
            there = sum(any(bar.session == around.session for bar in bars) for bars in answer.bars.values())
            if there < _ENOUGH_BARS * len(symbols):
                raise Hold(
                    "bars_missing", f"session {around.session}: {there} of {len(symbols)} symbols have a bar so far"
                )
        return answer

    def _marked(self, around: _Surroundings, rows: Sequence[SessionRow]) -> MarkedBook:
        on_their_way = [order for order in around.orders if not order.state.is_final]
        reserved = sum(
            ((order.quantity - order.filled) * order.reference_price for order in on_their_way if order.side == "buy"),
            Decimal(0),
        )
        account, session = around.account, around.session
        return MarkedBook(
            equity=account.equity,
            cash=account.cash - reserved,
            high_water=around.mark.high_water,
            day_start=day_start(self._ledger, session, otherwise=account.equity),
            session=session,
            holdings=_agreed(around.book, around.positions),
            last_session={row.symbol: session for row in rows},
            previous_close={row.symbol: row.previous_close for row in rows if row.previous_close is not None},
            open_orders=frozenset(order.symbol for order in on_their_way),
            account_blocked=account.blocked,
            halted=around.halt.said if around.halt else None,
            differs=around.differs,
        )

    def _require_trading(self, around: _Surroundings) -> None:
        if around.halt:
            raise Hold("halted", around.halt.said)
        if around.account.blocked:
            raise Hold("account_blocked", f"the venue takes no orders: {around.account.blocked}")
        if around.differs:
            raise Hold("book_differs", around.differs)


def _agreed(book: Book, positions: Sequence[VenuePosition]) -> dict[str, Holding]:
    """Return what both the venue and we say is held, so that nothing that closes a position can exceed it."""
    theirs = {position.symbol: position.quantity for position in positions}
    agreed = {}
    for symbol, holding in book.holdings.items():
        quantity = theirs.get(symbol, Decimal(0))
        if quantity * holding.quantity > 0:
            smaller = min(abs(quantity), abs(holding.quantity))
            agreed[symbol] = Holding(smaller if quantity > 0 else -smaller, holding.cost)
    return agreed
