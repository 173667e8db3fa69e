"""Where it is said what became of the rows of each view that has such rows: what its models are to foretell.

What the price and forecast models foretell are later rows of their own view's sources: the future of every row, and no
outcome apart.
"""

from collections.abc import Mapping
from types import MappingProxyType

from feature_store.scrambling import Outcome

OUTCOMES: Mapping[str, Outcome] = MappingProxyType(
    {
        "card_spending": Outcome("fraud_labels", "transaction_id", "is_fraud"),
        "credit_application": Outcome(
            "applications", "application_id", "defaulted", known=("available_at", "outcome_at"), too_good=0.99
        ),
    }
)
"""By the name of the view."""


def outcome_of(view: str) -> Outcome | None:
    """Return where the outcomes of a view's rows are said; None where they are no rows apart."""
    return OUTCOMES.get(view)
