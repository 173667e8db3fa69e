"""Every declared feature view."""

from collections.abc import Mapping
from types import MappingProxyType

from feature_store.errors import UnknownView
from feature_store.view import FeatureView
from feature_store.views.card_spending import CARD_SPENDING

VIEWS: Mapping[str, FeatureView] = MappingProxyType({view.name: view for view in (CARD_SPENDING,)})


def view_named(name: str) -> FeatureView:
    """Return the view called ``name``.

    Raises:
        UnknownView: With the names that exist.
    """
    try:
        return VIEWS[name]
    except KeyError:
        raise UnknownView(f"no feature view is called {name!r}; there are: {', '.join(VIEWS)}") from None
