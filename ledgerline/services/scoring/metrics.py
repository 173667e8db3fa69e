"""What the scoring job tells Prometheus."""

from collections import Counter as Tally
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from ledgerline.services.scoring.feature_state import FeatureState

_LATENCY_SECONDS = (0.001, 0.002, 0.003, 0.005, 0.008, 0.012, 0.02, 0.035, 0.06, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_BATCH = (1, 2, 4, 8, 16, 32, 64)


class ScoringMetrics:
    """One job's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "ledgerline_scoring_requests",
            "Requests, by family and status",
            ["family", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "ledgerline_scoring_request_seconds",
            "From the request's last byte to the answer's first",
            ["family"],
            buckets=_LATENCY_SECONDS,
            registry=self._registry,
        )
        self._verdicts = Counter(
            "ledgerline_scoring_decisions",
            "Decisions recorded, by family and verdict",
            ["family", "verdict"],
            registry=self._registry,
        )
        self._batch = Histogram(
            "ledgerline_scoring_batch", "Decisions per durable commit", buckets=_BATCH, registry=self._registry
        )
        self._in_flight = Gauge("ledgerline_scoring_in_flight", "Requests under way", registry=self._registry)
        self._deciding = Gauge(
            "ledgerline_scoring_deciding", "Requests in the batch that is being decided", registry=self._registry
        )
        self._waiting = Gauge(
            "ledgerline_scoring_waiting", "Requests that wait for the decider", registry=self._registry
        )
        self._shed = Counter("ledgerline_scoring_shed", "Requests turned away unqueued", registry=self._registry)
        self._loaded = Gauge(
            "ledgerline_scoring_loaded",
            "1 for the bundle that answers",
            ["family", "digest", "model", "deployment"],
            registry=self._registry,
        )
        self._approved_until = Gauge(
            "ledgerline_scoring_approved_until_seconds",
            "When the first approval of the bundle that answers lapses, Unix time",
            ["family"],
            registry=self._registry,
        )
        self._refusals = Counter(
            "ledgerline_scoring_refusals",
            "Deployments refused at load, by family and reason",
            ["family", "reason"],
            registry=self._registry,
        )
        self._refused_now = Gauge(
            "ledgerline_scoring_newest_deployment_refused",
            "1 while the family's newest deployment is refused and does not answer",
            ["family"],
            registry=self._registry,
        )

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Count one request for as long as it is under way."""
        self._in_flight.inc()
        try:
            yield
        finally:
            self._in_flight.dec()

    @contextmanager
    def deciding(self, requests: int) -> Iterator[None]:
        """Count the requests of one batch for as long as they are decided and recorded."""
        self._deciding.set(requests)
        try:
            yield
        finally:
            self._deciding.set(0)

    def watch_features(self, state: FeatureState) -> None:
        """Report what monitoring saw last of the features, asked for when Prometheus asks."""
        self._registry.register(state)

    def watch_queue(self, length: Callable[[], int]) -> None:
        """Report how many requests wait, asked for when Prometheus asks."""
        self._waiting.set_function(length)

    def answered(self, family: str, status: int, seconds: float) -> None:
        """Count one request and how long it took."""
        self._requests.labels(family, str(status)).inc()
        self._seconds.labels(family).observe(seconds)

    def decided(self, verdicts: Sequence[tuple[str, str]]) -> None:
        """Count one committed batch of decisions, each a family and its verdict."""
        self._batch.observe(len(verdicts))
        for (family, verdict), count in Tally(verdicts).items():
            self._verdicts.labels(family, verdict).inc(count)

    def shed(self) -> None:
        """Count one request turned away."""
        self._shed.inc()

    def loaded(self, family: str, *, digest: str, model: str, deployment: str, approved_until: datetime) -> None:
        """Say which bundle answers a family's requests from now on."""
        self._loaded.remove_by_labels({"family": family})
        self._loaded.labels(family, digest, model, deployment).set(1)
        self._approved_until.labels(family).set(approved_until.timestamp())
        self.newest_answers(family)

    def newest_answers(self, family: str) -> None:
        """Say that a family's newest deployment is the one that answers."""
        self._refused_now.labels(family).set(0)

    def refused(self, family: str, reason: str) -> None:
        """Count one refusal of a family's newest deployment."""
        self._refusals.labels(family, reason).inc()
        self._refused_now.labels(family).set(1)

    def exposition(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self._registry)
