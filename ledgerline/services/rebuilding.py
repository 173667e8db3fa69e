"""Make a live decision's features again from what was known when it was made, by the code that made them live."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from functools import cache

from feature_store.table_view import TableView
from feature_store.views import View
from ledgerline.audit import Ledger, UnknownLeaf
from ledgerline.core.clock import parse_instant
from ledgerline.core.storage import ObjectCorrupt, ObjectMissing
from ledgerline.decisions import credit, fraud, trading
from ledgerline.decisions.admission import feature_version_of, view_of
from ledgerline.decisions.bundle import Bundle, BundleRefused, load_bundle
from ledgerline.decisions.credit.application import checked, features_of
from ledgerline.decisions.record import RecordedDecision, decisions_after
from ledgerline.decisions.replay import InputsLost, Rebuild, Vector
from ledgerline.decisions.trading.venue import Bar, VenueAnswerMalformed
from ledgerline.services.scoring.fraud_serving import first_features
from ledgerline.services.scoring.live_features import LiveFeatures, OutOfSpan
from ledgerline.services.trading.alpaca import bars_on
from ledgerline.services.trading.live_features import session_rows
from ledgerline.services.trading.serving import recent_state

Load = Callable[[str], Bundle]


def rebuilds(ledger: Ledger) -> dict[str, Rebuild]:
    """Return how features are made again, by family. Of payments it is fastest in the order of the decisions."""
    load = cache(lambda digest: load_bundle(ledger.objects, digest))
    return {
        fraud.FAMILY: _saying_what_is_lost(_Payments(ledger, load)),
        credit.FAMILY: _saying_what_is_lost(_Applications(load)),
        trading.FAMILY: _saying_what_is_lost(_Sessions(ledger, load)),
    }


def _saying_what_is_lost(rebuild: Rebuild) -> Rebuild:
    def rebuilt(recorded: RecordedDecision) -> Vector:
        try:
            return rebuild(recorded)
        except (BundleRefused, ObjectCorrupt, ObjectMissing, OutOfSpan, UnknownLeaf, VenueAnswerMalformed) as lost:
            raise InputsLost(str(lost)) from lost

    return rebuilt


class _Payments:
    """A payment's features: as its model's feature version left them, and every payment decided on before it."""

    def __init__(self, ledger: Ledger, load: Load) -> None:
        self._ledger, self._load = ledger, load
        self._version = ""
        self._last = 0  # sequence of the decision that was asked for last
        self._features: LiveFeatures
        self._decisions: Iterator[RecordedDecision]
        self._next: RecordedDecision | None

    def __call__(self, recorded: RecordedDecision) -> Vector:
        bundle = self._load(recorded.bundle)
        version = feature_version_of(self._ledger, bundle)
        if version != self._version or recorded.sequence <= self._last:
            self._begin(view_of(bundle), version)
        while self._next is not None and self._next.sequence < recorded.sequence:
            self._features.observe(self._next.event)
            self._next = next(self._decisions, None)
        self._last = recorded.sequence
        return self._features.vector(recorded.event)

    def _begin(self, view: View, version: str) -> None:
        self._features, oldest = first_features(self._ledger, view, version)
        self._decisions = decisions_after(self._ledger, fraud.FAMILY, event_time=oldest)
        self._next = next(self._decisions, None)
        self._version = version


class _Applications:
    """An application's features: what it said, through the view."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._model = cache(lambda digest: credit.CreditModel.load(load(digest)))

    def __call__(self, recorded: RecordedDecision) -> Vector:
        model, view = self._model(recorded.bundle), view_of(self._load(recorded.bundle))
        if not isinstance(view, TableView):
            raise InputsLost(f"{view.name} is no view over applications")
        event, attributes = recorded.event, model.takes.attributes
        features = features_of(
            view,
            attributes,
            checked(attributes, event["attributes"]),
            application_id=event["application_id"],
            portfolio=event["portfolio"],
            event_time=parse_instant(event["event_time"]),
        )
        return model.vector(features)


class _Sessions:
    """A symbol's features after a session: its model's recent rows, and the bars that the venue had given by then."""

    def __init__(self, ledger: Ledger, load: Load) -> None:
        self._ledger, self._load = ledger, load
        self._model = cache(lambda digest: trading.PriceModel.load(load(digest)))
        self._made: tuple[object, Mapping[str, Vector]] = (None, {})  # of the session that was asked for last

    def __call__(self, recorded: RecordedDecision) -> Vector:
        pages = recorded.event.get("bars")
        if pages is None:
            raise InputsLost("which bars the venue had given is not on record")
        asked = (recorded.bundle, recorded.event["session"], tuple(pages))
        if self._made[0] != asked:
            self._made = (asked, self._session(recorded, pages))
        symbol = recorded.event["symbol"]
        if symbol not in self._made[1]:
            raise InputsLost(f"the recorded bars hold none of {symbol} after {recorded.event['session']}")
        return self._made[1][symbol]

    def _session(self, recorded: RecordedDecision, pages: Sequence[str]) -> dict[str, Vector]:
        bundle = self._load(recorded.bundle)
        view = view_of(bundle)
        tables = recent_state(self._ledger, feature_version_of(self._ledger, bundle), view.fingerprint)
        bars: dict[str, list[Bar]] = {}
        for page in pages:
            for symbol, found in bars_on(self._ledger.objects.get(page)).items():
                bars.setdefault(symbol, []).extend(found)
        session = date.fromisoformat(recorded.event["session"])
        features = self._model(recorded.bundle).features
        return {row.symbol: row.vector for row in session_rows(view, tables, features, bars, session)}
