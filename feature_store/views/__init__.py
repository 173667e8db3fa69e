"""Every declared feature view."""

from collections.abc import Mapping
from types import MappingProxyType

from feature_store.errors import UnknownView
from feature_store.names import hint
from feature_store.table_view import TableView
from feature_store.view import FeatureView
from feature_store.views.card_spending import CARD_SPENDING
from feature_store.views.credit_application import CREDIT_APPLICATION
from feature_store.views.equity_daily import EQUITY_DAILY
from feature_store.views.ledger_monthly import LEDGER_MONTHLY

View = FeatureView | TableView
"""Either kind has a name, sources, key columns, feature names, a fingerprint and ``compute``."""

VIEWS: Mapping[str, View] = MappingProxyType(
    {view.name: view for view in (CARD_SPENDING, EQUITY_DAILY, CREDIT_APPLICATION, LEDGER_MONTHLY)}
)


FEATURE_SETS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "fraud": (CARD_SPENDING.name,),
        "price": (EQUITY_DAILY.name,),
        "credit": (CREDIT_APPLICATION.name,),
        "forecast": (LEDGER_MONTHLY.name,),
    }
)
"""What the models of each family read, which Feast calls a feature service: views, or features as ``view:feature``."""


def view_named(name: str) -> View:
    """Return the view called ``name``.

    Raises:
        UnknownView: With the nearest name and all that exist.
    """
    try:
        return VIEWS[name]
    except KeyError:
        raise UnknownView(f"no feature view is called {name!r}; {hint(name, VIEWS)}") from None
