"""Which features are asked for: a feature set, a view, or some features of some views."""

from collections.abc import Sequence
from dataclasses import dataclass

from feature_store.errors import UnknownFeature, UnknownView
from feature_store.names import hint
from feature_store.views import FEATURE_SETS, VIEWS, View, view_named

FeatureNames = str | Sequence[str]
"""A feature set, a view, ``view:feature``, or several of them."""

_OF_A_VIEW = ":"


@dataclass(frozen=True, slots=True)
class Selection:
    """Some features of one view.

    Attributes:
        view: The view.
        features: Which, in the order asked for; None for all of them.
    """

    view: View
    features: tuple[str, ...] | None

    def of(self, available: Sequence[str]) -> tuple[str, ...]:
        """Return the features that are meant of those that a version has.

        Raises:
            UnknownFeature: One is not among them, with the nearest.
        """
        if self.features is None:
            return tuple(available)
        for name in self.features:
            if name not in available:
                raise UnknownFeature(f"{self.view.name} has no feature called {name!r}; {hint(name, available)}")
        return self.features


def selected(names: FeatureNames) -> tuple[Selection, ...]:
    """Return what is meant, one selection a view, in the order in which views are first named.

    Args:
        names: A feature set (``"fraud"``), a view (``"card_spending"``), one feature (``"card_spending:amount"``), or a
            list of any of them.

    Raises:
        UnknownView: No feature set or view is called so, with the nearest; or nothing is asked for.
        UnknownFeature: The view has no such feature, with the nearest. Features of a view that is named by its data are
            checked once a version is at hand.
    """
    features: dict[str, tuple[str, ...] | None] = {}
    for part in _parts(names):
        view, _, feature = part.partition(_OF_A_VIEW)
        before = features.get(view, ())
        if not feature or before is None:
            features[view] = None
        elif feature not in before:
            features[view] = (*before, feature)
    if not features:
        raise UnknownView(f"no features are asked for; {hint('', (*FEATURE_SETS, *VIEWS))}")
    return tuple(_checked(Selection(view_named(view), chosen)) for view, chosen in features.items())


def _parts(names: FeatureNames) -> list[str]:
    """Return views and ``view:feature``, feature sets being replaced by what they hold."""
    parts: list[str] = []
    for name in [names] if isinstance(names, str) else names:
        if name.partition(_OF_A_VIEW)[0] in VIEWS:
            parts.append(name)
        elif name in FEATURE_SETS:
            parts.extend(FEATURE_SETS[name])
        else:
            asked = name.partition(_OF_A_VIEW)[0]
            raise UnknownView(f"no feature set or view is called {asked!r}; {hint(asked, (*FEATURE_SETS, *VIEWS))}")
    return parts


def _checked(selection: Selection) -> Selection:
    if selection.view.feature_names:
        selection.of(selection.view.feature_names)
    return selection
