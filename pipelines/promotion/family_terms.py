"""What each family's evaluation report speaks of: the words that a gate policy may use, and the checks it must hold.

A misspelt metric in a policy would otherwise be noticed on the night when a model is judged.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class FamilyTerms:
    """The words of one family.

    Attributes:
        metrics: What is measured on every test fold.
        baselines: What the model is measured beside.
        leak_checks: Checks against looking ahead without which a report is refused.
    """

    metrics: frozenset[str]
    baselines: frozenset[str]
    leak_checks: tuple[str, ...]


_LABELS_KNOWN = "labels_known_at_as_of"
_FEATURES_KNOWN = "features_known_at_as_of"
_TRAINING_KNOWN = "training_rows_known_at_test_start"
_NO_TELLTALE = "no_single_feature_tells"
_REPRODUCED = ("truncated_history_reproduces_features", "scrambled_future_reproduces_features")

FAMILY_TERMS: Mapping[str, FamilyTerms] = MappingProxyType(
    {
        "fraud": FamilyTerms(
            metrics=frozenset({"auc", "average_precision", "card_precision"}),
            baselines=frozenset({"prior_rate", "logistic_regression"}),
            leak_checks=(_LABELS_KNOWN, _FEATURES_KNOWN, _TRAINING_KNOWN, _NO_TELLTALE, *_REPRODUCED),
        ),
        "credit": FamilyTerms(
            metrics=frozenset({"auc", "ks", "brier"}),
            baselines=frozenset({"prior_rate", "logistic_regression"}),
            leak_checks=(_LABELS_KNOWN, _FEATURES_KNOWN, _NO_TELLTALE, "no_protected_input", *_REPRODUCED),
        ),
        "forecast": FamilyTerms(
            metrics=frozenset({"owa", "smape", "mase"}),
            baselines=frozenset({"naive2", "seasonal_naive", "linear"}),
            leak_checks=(_FEATURES_KNOWN, "test_months_unseen", *_REPRODUCED),
        ),
        "price": FamilyTerms(
            metrics=frozenset({"ic", "rank_ic", "auc", "net_return"}),
            baselines=frozenset({"momentum", "logistic_regression"}),
            leak_checks=(_LABELS_KNOWN, _FEATURES_KNOWN, _TRAINING_KNOWN, _NO_TELLTALE, *_REPRODUCED),
        ),
    }
)
