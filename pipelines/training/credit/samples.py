"""Which applications are learnt from and which are tested: by time where they have dates, otherwise by a hash."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipelines.training.credit.parameters import SplitParameters
from pipelines.training.errors import TrainingRefused

_FEWEST_OF_A_CLASS = 10
_FEWEST_FOLDS = 2


@dataclass(frozen=True, slots=True)
class Development:
    """What may be learnt from, in two parts.

    Attributes:
        fit: Applications that the trees are first fit on.
        validation: Applications held back from them, that say when to stop and what a probability means.
    """

    fit: pl.DataFrame
    validation: pl.DataFrame

    @property
    def whole(self) -> pl.DataFrame:
        """Both."""
        return pl.concat([self.fit, self.validation])

    @property
    def newest_knowledge(self) -> datetime | None:
        """When the last of its applications and outcomes became known; None without any."""
        known = [
            frame.select(pl.max_horizontal("available_at", "label_available_at").max()).item()
            for frame in (self.fit, self.validation)
        ]
        return max((instant for instant in known if instant is not None), default=None)


@dataclass(frozen=True, slots=True)
class Fold:
    """One part of the applications, tested by a model that was fit on others.

    Attributes:
        name: The month, e.g. ``2017-04``, or ``part 1``.
        start: When the month begins; None without dates.
        development: What the model is fit on.
        test: What it is tested on.
    """

    name: str
    start: datetime | None
    development: Development
    test: pl.DataFrame


def folds_of(frame: pl.DataFrame, plan: SplitParameters) -> tuple[Fold, ...]:
    """Return the folds of a training set, earliest first.

    Raises:
        TrainingRefused: Too few applications whose outcome is known.
    """
    found = _monthly(frame, plan) if is_dated(frame) else _hashed(frame, plan)
    if len(found) < _FEWEST_FOLDS:
        known = frame.height - frame["defaulted"].null_count()
        raise TrainingRefused(
            f"{known:,} applications with known outcomes fill {len(found)} folds, and {_FEWEST_FOLDS} are needed; wait "
            "for outcomes, or change credit.splits in params.yaml"
        )
    return found


def is_dated(frame: pl.DataFrame) -> bool:
    """Whether the applications have dates, so that later ones can be tested by what was known before."""
    return bool(frame["dated"].all())


def whole_development(frame: pl.DataFrame, plan: SplitParameters) -> Development:
    """Return everything that may be learnt from at the set's moment: what the deployed model is fit on.

    Raises:
        TrainingRefused: Too few applications whose outcome is known.
    """
    labelled = frame.filter(pl.col("defaulted").is_not_null())
    if is_dated(frame):
        labelled = labelled.filter(pl.col("event_time") < _matured(frame, None, plan.known_share))
    development = _developed(labelled, plan, dated=is_dated(frame))
    if not all(map(_teaches, (development.fit, development.validation))):
        raise TrainingRefused(
            f"{labelled.height:,} applications with known outcomes, {int(labelled['defaulted'].sum())} of them "
            "defaults, are too few to learn from"
        )
    return development


def outcomes(frame: pl.DataFrame) -> NDArray[np.bool_]:
    """Return whether each application defaulted, shape (n,)."""
    return frame["defaulted"].to_numpy().astype(bool)


def hashed_share(ids: Sequence[str], *, seed: int, purpose: str) -> NDArray[np.float64]:
    """Return for each id a number in [0, 1) that follows from it, the seed and the purpose alone."""
    digests = (hashlib.blake2b(f"{seed}:{purpose}:{name}".encode(), digest_size=6).digest() for name in ids)
    return np.array([int.from_bytes(digest, "big") for digest in digests], dtype=np.float64) / 2.0**48


def _monthly(frame: pl.DataFrame, plan: SplitParameters) -> tuple[Fold, ...]:
    """Test each of the newest months whose outcomes are known by what was known when it began."""
    end = _matured(frame, None, plan.known_share)
    labelled = frame.filter(pl.col("defaulted").is_not_null() & (pl.col("event_time") < end))
    months = labelled["event_time"].dt.truncate("1mo").unique().sort(descending=True).to_list()
    found: list[Fold] = []
    for month in months:
        if len(found) == plan.test_months:
            break
        fold = _month(frame, labelled, month, plan)
        if fold is not None:
            found.append(fold)
    return tuple(reversed(found))


def _month(frame: pl.DataFrame, labelled: pl.DataFrame, start: datetime, plan: SplitParameters) -> Fold | None:
    """Return the fold of a month, or None where it holds too little, or too little was known when it began."""
    by_start = labelled.filter(
        (pl.max_horizontal("available_at", "label_available_at") <= start)
        & (pl.col("event_time") < _matured(frame, start, plan.known_share))
    )
    test = labelled.filter(pl.col("event_time").dt.truncate("1mo") == start)
    development = _developed(by_start, plan, dated=True)
    if not all(map(_teaches, (development.fit, development.validation, test))):
        return None
    return Fold(f"{start:%Y-%m}", start, development, test)


def _hashed(frame: pl.DataFrame, plan: SplitParameters) -> tuple[Fold, ...]:
    labelled = frame.filter(pl.col("defaulted").is_not_null())
    shares = hashed_share(labelled["application_id"].to_list(), seed=plan.seed, purpose="fold")
    places = np.floor(shares * plan.folds).astype(np.int64)
    found = []
    for place in range(plan.folds):
        test = labelled.filter(pl.Series(places == place))
        development = _developed(labelled.filter(pl.Series(places != place)), plan, dated=False)
        if all(map(_teaches, (development.fit, development.validation, test))):
            found.append(Fold(f"part {place + 1}", None, development, test))
    return tuple(found)


def _developed(rows: pl.DataFrame, plan: SplitParameters, *, dated: bool) -> Development:
    if dated:
        ordered = rows.sort("event_time", "application_id")
        kept = round(ordered.height * (1 - plan.validation_share))
        return Development(ordered.head(kept), ordered.tail(ordered.height - kept))
    shares = hashed_share(rows["application_id"].to_list(), seed=plan.seed, purpose="validation")
    held_back = pl.Series(shares < plan.validation_share, dtype=pl.Boolean)
    return Development(rows.filter(~held_back), rows.filter(held_back))


def _matured(frame: pl.DataFrame, at: datetime | None, known_share: float) -> datetime | Any:
    """Return the end of the newest month of whose applications nearly all outcomes were known at ``at``.

    Defaults become known at once, that somebody paid only at the end: of a younger month only the bad would be learnt.
    """
    known = pl.col("defaulted").is_not_null()
    if at is not None:
        known &= pl.col("label_available_at") <= at
    by_month = (
        frame.group_by(month=pl.col("event_time").dt.truncate("1mo"))
        .agg(share=known.mean())
        .filter(pl.col("share") >= known_share)
    )
    last = by_month["month"].max()
    return pl.lit(last).dt.offset_by("1mo") if last is not None else frame["event_time"].min()


def _teaches(rows: pl.DataFrame) -> bool:
    defaults = int(rows["defaulted"].sum() or 0)
    return min(defaults, rows.height - defaults) >= _FEWEST_OF_A_CLASS
