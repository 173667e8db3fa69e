"""Make a deployed price model ready to decide: checked, loaded, and with the recent past that its features need."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from io import BytesIO
from typing import Any

import polars as pl

from ledgerline.audit import Ledger
from ledgerline.decisions.admission import admit
from ledgerline.decisions.bundle import BundleRefused, RefusalReason
from ledgerline.decisions.deployment import Deployment
from ledgerline.decisions.trading import PriceModel
from ledgerline.services.trading.sessions import session_of

PRICES = "prices_daily"
ACTIONS = "corporate_actions"
_LISTED_WITHIN = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class PriceServing:
    """A deployment in force: its model, and the tables from which its features go on.

    Attributes:
        deployment: As recorded.
        name: Family and version, for people.
        model: Ready to decide.
        view: The view that makes its features, offline and here.
        tables: The feature version's recent rows, by contract.
        approved_until: When the first of the approvals lapses, UTC.
    """

    deployment: Deployment
    name: str
    model: PriceModel
    view: Any
    tables: Mapping[str, pl.DataFrame]
    approved_until: datetime

    @property
    def digest(self) -> str:
        """The bundle's digest."""
        return self.deployment.bundle

    @property
    def newest(self) -> date:
        """The newest session whose bars are in the tables."""
        return newest_session(self.tables)

    def symbols(self, now: datetime) -> list[str]:
        """Return the tickers of the shares that were traded lately, as they are called at ``now``."""
        equities = _equities(self.tables)
        recent = equities.filter(pl.col("event_time") > pl.col("event_time").max() - _LISTED_WITHIN)
        names = dict.fromkeys(recent["symbol"].unique().sort().to_list())
        for old, new in _renamed(self.tables, now).items():
            if old in names:
                del names[old]
                names[new] = None
        return sorted(names)


def load_price_serving(ledger: Ledger, deployment: Deployment) -> PriceServing:
    """Verify a deployment's bundle and approvals, load the model and its feature version's recent state.

    Raises:
        BundleRefused: The bundle's bytes, format or features are not right, or there is no recent state.
        ApprovalRefused: Its approvals do not hold here and now.
    """
    environment = ledger.settings.profile.value
    admitted = admit(ledger, deployment.bundle, environment=environment, at=ledger.clock.now())
    serving = PriceServing(
        deployment=deployment,
        name=admitted.name,
        model=PriceModel.load(admitted.bundle),
        view=admitted.view,
        tables=recent_state(ledger, admitted.feature_version, admitted.view.fingerprint),
        approved_until=min(approval.expires_at for approval in admitted.approvals),
    )
    _ = serving.newest  # an empty state is noticed now
    return serving


def recent_state(ledger: Ledger, feature_version: str, fingerprint: str) -> dict[str, pl.DataFrame]:
    """Return a feature version's recent rows, by contract.

    Raises:
        BundleRefused: It keeps none, or of another definition of the view.
    """
    version = ledger.log.get(feature_version)
    manifest = json.loads(ledger.objects.get(version.identity["manifest"]))
    if manifest["fingerprint"] != fingerprint:
        raise BundleRefused(
            RefusalReason.FEATURES_DIFFER,
            f"the recent state was made by {manifest['view']} {manifest['fingerprint'][:12]}, this code computes "
            f"{fingerprint[:12]}",
        )
    if manifest["online_state"] is None:
        raise BundleRefused(RefusalReason.FEATURES_DIFFER, f"feature version {feature_version} keeps no recent state")
    state: dict[str, str] = json.loads(ledger.objects.get(manifest["online_state"]))
    return {name: pl.read_parquet(BytesIO(ledger.objects.get(sha256))) for name, sha256 in state.items()}


def newest_session(tables: Mapping[str, pl.DataFrame]) -> date:
    """Return the newest session whose bars are in a feature version's recent rows.

    Raises:
        BundleRefused: There are none.
    """
    newest = _equities(tables)["event_time"].max()
    if not isinstance(newest, datetime):
        raise BundleRefused(RefusalReason.FEATURES_DIFFER, "the feature version's recent state holds no prices")
    return session_of(newest)


def _equities(tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    return tables[PRICES].filter(pl.col("asset_class") == "equity")


def _renamed(tables: Mapping[str, pl.DataFrame], now: datetime) -> dict[str, str]:
    """Return old and new tickers of every change of name that has taken place by ``now``, oldest first."""
    if ACTIONS not in tables:
        return {}
    done = tables[ACTIONS].filter((pl.col("action") == "symbol_change") & (pl.col("event_time") <= now))
    return dict(done.sort("event_time").select("symbol", "new_symbol").iter_rows())
