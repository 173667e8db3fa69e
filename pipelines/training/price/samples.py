"""From a training set to arrays: what trains, what validates, what tests by time, and what is left out between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipelines.training.errors import TrainingRefused
from pipelines.training.price.parameters import SplitShares

_FEWEST_SESSIONS = 20


class Part(StrEnum):
    """What a session is used for."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows as arrays, all of length n, by session and symbol.

    Attributes:
        features: Float64, shape (n, features); NaN where unknown.
        forward_return: From the next close to the one after; NaN where unknown.
        session: Int64 number of the session, by time.
        share: Int64 code of the instrument.
        closes: The sessions' closes by number.
        newest_label: When the last of the labels became known; None without rows.
    """

    features: NDArray[np.float64]
    forward_return: NDArray[np.float64]
    session: NDArray[np.int64]
    share: NDArray[np.int64]
    closes: Sequence[datetime]
    newest_label: datetime | None

    def __len__(self) -> int:
        return len(self.session)

    @property
    def rises(self) -> NDArray[np.bool_]:
        """Whether the price rose."""
        return self.forward_return > 0

    @property
    def sessions(self) -> NDArray[np.int64]:
        """Numbers of the sessions that hold rows."""
        return np.unique(self.session)


@dataclass(frozen=True, slots=True)
class Parts:
    """A training set, split by time.

    Attributes:
        samples: By part; every row's label is known.
        starts: When the first session of validation and test closed: what trains must be known by then.
        purged: Rows left out because their label was not known by the next part's start.
        unlabelled: Rows whose label is not known at all.
    """

    samples: dict[Part, Sample]
    starts: dict[Part, datetime]
    purged: int
    unlabelled: int


def split(frame: pl.DataFrame, shares: SplitShares, names: Sequence[str]) -> Parts:
    """Split a training set by sessions, and purge what would tell a part about the next one.

    Args:
        frame: A training set.
        shares: Of the sessions.
        names: The features, in the model's order.

    Raises:
        TrainingRefused: A part would have fewer than 20 sessions.
    """
    closes = frame["event_time"].unique().sort().to_list()
    first_valid = int(len(closes) * shares.train)
    first_test = int(len(closes) * (shares.train + shares.validation))
    if min(first_valid, first_test - first_valid, len(closes) - first_test) < _FEWEST_SESSIONS:
        raise TrainingRefused(
            f"{len(closes)} sessions of prices are too few to train, validate and test on; bring more history"
        )
    starts = {Part.VALIDATION: closes[first_valid], Part.TEST: closes[first_test]}
    labelled = frame.filter(pl.col("forward_return").is_not_null())
    event, known = pl.col("event_time"), pl.col("label_available_at")
    spans = {
        Part.TRAIN: (event < starts[Part.VALIDATION], known < starts[Part.VALIDATION]),
        Part.VALIDATION: (
            (event >= starts[Part.VALIDATION]) & (event < starts[Part.TEST]),
            known < starts[Part.TEST],
        ),
        Part.TEST: (event >= starts[Part.TEST], pl.lit(True)),
    }
    samples = {part: to_sample(labelled.filter(during & by), closes, names) for part, (during, by) in spans.items()}
    purged = labelled.height - sum(len(sample) for sample in samples.values())
    return Parts(samples, starts, purged, frame.height - labelled.height)


def everything(frame: pl.DataFrame, names: Sequence[str]) -> Sample:
    """Return every row whose label is known: what the deployed model is fit on."""
    closes = frame["event_time"].unique().sort().to_list()
    return to_sample(frame.filter(pl.col("forward_return").is_not_null()), closes, names)


def to_sample(rows: pl.DataFrame, closes: Sequence[datetime], names: Sequence[str]) -> Sample:
    """Turn labelled rows of a training set into arrays."""
    numbers = pl.DataFrame({"event_time": closes}, schema={"event_time": rows.schema["event_time"]})
    numbered = rows.select("event_time").join(
        numbers.with_row_index("session"), on="event_time", how="left", maintain_order="left"
    )
    shares = rows.select(pl.col("instrument").rank("dense").cast(pl.Int64) - 1).to_series()
    newest = rows["label_available_at"].max()
    return Sample(
        features=np.ascontiguousarray(rows.select(pl.col(names).cast(pl.Float64).fill_null(float("nan"))).to_numpy()),
        forward_return=rows["forward_return"].to_numpy(),
        session=numbered["session"].cast(pl.Int64).to_numpy(),
        share=shares.to_numpy(),
        closes=closes,
        newest_label=newest if isinstance(newest, datetime) else None,
    )
