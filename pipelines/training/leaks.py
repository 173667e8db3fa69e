"""What the leak checks of every family share: names, answers, and the comparison with truncated history."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import polars as pl

from feature_store.lookahead import Future
from pipelines.features.recompute import Recompute

__all__ = ["LeakCheck", "LeakCheckName", "Recompute", "none_later", "same_features"]


class LeakCheckName(StrEnum):
    """What is checked; each family runs those that mean something for it."""

    LABELS_KNOWN = "labels_known_at_as_of"
    FEATURES_KNOWN = "features_known_at_as_of"
    TRAINING_KNOWN = "training_rows_known_at_test_start"
    TEST_UNSEEN = "test_months_unseen"
    NO_TELLTALE = "no_single_feature_tells"
    NO_PROTECTED = "no_protected_input"
    HISTORY_REPRODUCED = "truncated_history_reproduces_features"
    FUTURE_SCRAMBLED = "scrambled_future_reproduces_features"


_FUTURES = {
    Future.WITHHELD: (LeakCheckName.HISTORY_REPRODUCED, "without anything later"),
    Future.SCRAMBLED: (LeakCheckName.FUTURE_SCRAMBLED, "with everything later, and every unknown outcome, scrambled"),
}


@dataclass(frozen=True, slots=True)
class LeakCheck:
    """One check's answer.

    Attributes:
        check: Which.
        passed: Whether nothing was found.
        detail: What was looked at and what was found, for the reader.
    """

    check: LeakCheckName
    passed: bool
    detail: str


def none_later(check: LeakCheckName, instants: pl.Series, as_of: datetime) -> LeakCheck:
    """Check that nothing of a column of instants (UTC) became known after ``as_of``."""
    later = int((instants > as_of).sum())
    return LeakCheck(check, later == 0, f"{later} of {instants.len()} rows became known after {as_of:%Y-%m-%d %H:%M}")


def same_features(
    sealed: pl.DataFrame,
    again: pl.DataFrame,
    *,
    keys: Sequence[str],
    names: Sequence[str],
    compared: str,
    future: Future = Future.WITHHELD,
) -> LeakCheck:
    """Check that features computed again are the sealed ones, bit for bit.

    Args:
        sealed: The features as sealed; one row a key.
        again: Those computed again with another future.
        keys: What names a row; both frames are ordered by it.
        names: The features that are compared.
        compared: Which rows these are, for the reader.
        future: What was done to it.
    """
    check, computed = _FUTURES[future]
    sealed, again = (frame.select(*keys, *names).sort(keys) for frame in (sealed, again))
    if not sealed.select(keys).equals(again.select(keys)):
        differing = ["which rows there are"]
    else:
        differing = [name for name in names if not sealed[name].equals(again[name])]
    found = f"differ in {', '.join(differing)}" if differing else f"{len(names)} features equal to the last bit"
    return LeakCheck(
        check,
        not differing,
        f"{sealed.height} {compared}, computed {computed}: {found}",
    )
