"""How a card and a terminal have been used lately: the fifteen features of the Fraud Detection Handbook.

Source: Le Borgne, Siblini, Lebichot, Bontempi, *Reproducible Machine Learning for Credit Card Fraud Detection*,
chapter 3, "Baseline feature transformation". On rows that arrive at once and labels that arrive after seven days the
values equal the published transformation.
"""

from datetime import timedelta

from feature_store.features import Aggregation, Feature, Measure, RowExpression, Source, WindowAggregate
from feature_store.transforms import Divided, HourUntil, WeekdayFrom
from feature_store.view import FeatureView
from ledgerline.core.contracts import FRAUD_LABELS, TRANSACTIONS

WINDOWS_DAYS = (1, 7, 30)
CHARGEBACK_DELAY = timedelta(days=7)
"""How long a dispute takes; a terminal's window ends this long before the decision, where labels are complete."""

_AMOUNT = Measure(Source.EVENTS, "amount_minor", divide_by=100)
_FRAUD = Measure(Source.LABELS, "is_fraud")


def _row_features() -> tuple[Feature, ...]:
    return (
        RowExpression("amount", "amount_minor", Divided(by=100), "Amount of the payment.", "major units"),
        RowExpression("is_weekend", "event_time", WeekdayFrom(first=5), "Paid on a Saturday or Sunday, UTC.", "0 or 1"),
        RowExpression("is_night", "event_time", HourUntil(last=6), "Paid before 07:00, UTC.", "0 or 1"),
    )


def _customer_features(days: int) -> tuple[Feature, ...]:
    over = timedelta(days=days)
    span = f"last {days} day{'s' if days > 1 else ''}"
    return (
        WindowAggregate(
            name=f"customer_count_{days}d",
            by="customer_id",
            how=Aggregation.COUNT,
            over=over,
            description=f"Payments of the customer in the {span}, this one included.",
            unit="payments",
        ),
        WindowAggregate(
            name=f"customer_mean_amount_{days}d",
            by="customer_id",
            how=Aggregation.MEAN,
            of=_AMOUNT,
            over=over,
            empty=0.0,
            description=f"Mean amount of those payments in the {span}.",
            unit="major units",
        ),
    )


def _terminal_features(days: int) -> tuple[Feature, ...]:
    over = timedelta(days=days)
    span = f"{days} day{'s' if days > 1 else ''} that ended {CHARGEBACK_DELAY.days} days before the decision"
    return (
        WindowAggregate(
            name=f"terminal_count_{days}d",
            by="terminal_id",
            how=Aggregation.COUNT,
            over=over,
            delay=CHARGEBACK_DELAY,
            description=f"Payments at the terminal in the {span}.",
            unit="payments",
        ),
        WindowAggregate(
            name=f"terminal_risk_{days}d",
            by="terminal_id",
            how=Aggregation.MEAN,
            of=_FRAUD,
            over=over,
            delay=CHARGEBACK_DELAY,
            empty=0.0,
            description=f"Share of those payments known to be fraudulent, over the {span}.",
            unit="share",
        ),
    )


CARD_SPENDING = FeatureView(
    name="card_spending",
    description="How a card and a terminal have been used lately.",
    owner="fraud models",
    events=TRANSACTIONS,
    labels=FRAUD_LABELS,
    entities=("customer_id", "terminal_id"),
    features=(
        *_row_features(),
        *(feature for days in WINDOWS_DAYS for feature in _customer_features(days)),
        *(feature for days in WINDOWS_DAYS for feature in _terminal_features(days)),
    ),
)
