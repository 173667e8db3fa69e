"""Where a share stands among the shares of its session, of those that were known when it was decided."""

from collections.abc import Sequence

import numpy as np
import polars as pl

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
        TableFeature(f"{name}_rank", f"Rank of {name} among the session's shares known by then.", "0 to 1")
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
    together = numbered.filter(at_once).select("row", *(_standing(name, ["event_time"]) for name in RANKED))
    pieces = [
        _by_arrival(session) for session in numbered.filter(~at_once).partition_by("event_time", maintain_order=True)
    ]
    return pl.concat([together, *pieces]).sort("row").drop("row")


def _standing(name: str, within: Sequence[str]) -> pl.Expr:
    value = pl.col(name)
    standing = (value.rank("average") - 0.5) / value.count()
    return standing.over(within).cast(pl.Float64).alias(f"{name}_rank")


def _by_arrival(session: pl.DataFrame) -> pl.DataFrame:
    """Rank the rows of one session, each among those that had arrived."""
    arrival = session["available_at"].to_physical().to_numpy()
    arrived = arrival[None, :] <= arrival[:, None]
    columns = {}
    for name in RANKED:
        value = session[name].cast(pl.Float64).fill_null(np.nan).to_numpy()
        others = arrived & ~np.isnan(value)[None, :]
        lower = (others & (value[None, :] < value[:, None])).sum(axis=1)
        equal = (others & (value[None, :] == value[:, None])).sum(axis=1)
        count = others.sum(axis=1)
        rank = np.divide(lower + (equal + 1) / 2 - 0.5, count, out=np.full(value.size, np.nan), where=count > 0)
        columns[f"{name}_rank"] = pl.Series(np.where(np.isnan(value), np.nan, rank)).fill_nan(None)
    return session.select("row").with_columns(**columns)
