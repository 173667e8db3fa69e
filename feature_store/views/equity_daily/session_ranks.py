"""Where a share stands among the shares of its session, of those that were known when it was decided."""

import numpy as np
import polars as pl

from feature_store.lookback import ratio
from feature_store.table_view import TableFeature

RANKED = (
    "return_1d",
    "return_5d",
    "return_20d",
    "return_60d",
    "volatility_20d",
    "rsi_14",
    "volume_ratio_20d",
    "log_turnover_20d",
    "from_high_52w",
)


def rank_features() -> tuple[TableFeature, ...]:
    """Return what :func:`session_ranks` computes, in order."""
    return tuple(
        TableFeature(f"{name}_rank", f"Rank of {name} among the session's shares known by then.", "0 to 1", ranks=name)
        for name in RANKED
    )


def session_ranks(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rank of each ranked feature, in the rows' order: 0 lowest, 1 highest, .5 for one alone.

    A row is ranked among the rows of its session that were available by its own ``available_at``. Equal values share
    the mean of their ranks; null stays null.

    Args:
        rows: ``event_time``, ``available_at`` and the ranked features, null where not known.
    """
    numbered = rows.select("event_time", "available_at", *RANKED).with_row_index("row")
    at_once = pl.col("available_at").n_unique().over("event_time") == 1
    one_by_one = numbered.filter(~at_once).partition_by("event_time", maintain_order=True)
    standings = pl.concat([_of_whole_sessions(numbered.filter(at_once)), *map(_by_arrival, one_by_one)]).sort("row")
    return pl.DataFrame({f"{name}_rank": _rank(standings[name].struct.unnest()) for name in RANKED})


def _of_whole_sessions(rows: pl.DataFrame) -> pl.DataFrame:
    """Return ``row`` and, for each feature, ``below`` and ``among`` where a session's rows all arrived at once."""
    return rows.select(
        "row",
        *(
            pl.struct(
                below=(pl.col(name).rank("average") - 0.5).over("event_time").cast(pl.Float64),
                among=pl.col(name).count().over("event_time").cast(pl.Float64),
            ).alias(name)
            for name in RANKED
        ),
    )


def _by_arrival(session: pl.DataFrame) -> pl.DataFrame:
    """Return the same for one session whose rows arrived one after another, each among those that had arrived."""
    arrival = session["available_at"].to_physical().to_numpy()
    arrived = arrival[None, :] <= arrival[:, None]
    columns = [session["row"]]
    for name in RANKED:
        value = session[name].cast(pl.Float64).fill_null(np.nan).to_numpy()
        others = arrived & ~np.isnan(value)[None, :]
        lower = (others & (value[None, :] < value[:, None])).sum(axis=1)
        equal = (others & (value[None, :] == value[:, None])).sum(axis=1)
        below = np.where(np.isnan(value), np.nan, lower + equal / 2)
        standing = pl.DataFrame({"below": below, "among": others.sum(axis=1).astype(np.float64)})
        columns.append(standing.with_columns(pl.col("below").fill_nan(None)).to_struct(name))
    return pl.DataFrame(columns)


def _rank(standing: pl.DataFrame) -> pl.Series:
    """Divide in numpy: polars divides by a column and by a number in two ways that differ in the last bit."""
    below, among = (standing[name].fill_null(np.nan).to_numpy() for name in ("below", "among"))
    return pl.Series(ratio(below, among), nan_to_null=True)
