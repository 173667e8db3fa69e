"""What the trading job tells Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from ledgerline.decisions.trading.venue import Account


class TradingMetrics:
    """One job's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._steps = Counter(
            "ledgerline_trading_steps", "Turns of the loop, by how they ended", ["code"], registry=self._registry
        )
        self._decisions = Counter("ledgerline_trading_decisions", "Decisions recorded", registry=self._registry)
        self._orders = Counter(
            "ledgerline_trading_orders",
            "Orders put on record, by whether they may leave",
            ["allowed"],
            registry=self._registry,
        )
        self._sent = Counter("ledgerline_trading_sent", "Orders sent", registry=self._registry)
        self._refusals = Counter(
            "ledgerline_trading_refusals", "Deployments refused at load, by reason", ["reason"], registry=self._registry
        )
        self._holding = Gauge("ledgerline_trading_holding", "1 while no orders are made", registry=self._registry)
        self._equity = Gauge("ledgerline_trading_equity", "Equity, in the account's currency", registry=self._registry)
        self._open = Gauge("ledgerline_trading_open_orders", "Orders open at the venue", registry=self._registry)
        self._loaded = Gauge(
            "ledgerline_trading_loaded",
            "1 for the bundle that decides",
            ["digest", "model", "deployment"],
            registry=self._registry,
        )

    def stepped(self, code: str, *, holding: bool) -> None:
        """Count one turn of the loop."""
        self._steps.labels(code).inc()
        self._holding.set(holding)

    def decided(self, decisions: int, *, allowed: int, denied: int) -> None:
        """Count one session's decisions and orders."""
        self._decisions.inc(decisions)
        self._orders.labels("yes").inc(allowed)
        self._orders.labels("no").inc(denied)

    def sent(self, orders: int) -> None:
        """Count orders that left."""
        self._sent.inc(orders)

    def account(self, account: Account, *, open_orders: int) -> None:
        """Say how the account stands."""
        self._equity.set(float(account.equity))
        self._open.set(open_orders)

    def loaded(self, *, digest: str, model: str, deployment: str) -> None:
        """Say which bundle decides from now on."""
        self._loaded.clear()
        self._loaded.labels(digest, model, deployment).set(1)

    def refused(self, reason: str) -> None:
        """Count one refusal of the newest deployment."""
        self._refusals.labels(reason).inc()

    def exposition(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self._registry)
