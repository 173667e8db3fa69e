"""How long one decision takes, on rows that the model was trained on."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from ledgerline.decisions.bundle import Bundle
from ledgerline.decisions.models import load_model
from pipelines.promotion.candidate import Candidate, ReportLacks

_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Latency:
    """The 99th percentile of one decision, milliseconds, best of a few rounds.

    Attributes:
        computing_ms: Processor time of the whole process.
        wall_ms: Time on the wall.
        what: What was decided on, for the reader: rows or series.
    """

    computing_ms: float
    wall_ms: float
    what: str


def measure_latency(candidate: Candidate, *, rows: int) -> Latency:
    """Time single decisions of a candidate's model.

    Args:
        candidate: The model.
        rows: How many decisions make a round.

    Raises:
        ReportLacks: The training set holds nothing to time.
    """
    bundle = candidate.loaded()
    model = load_model(bundle)
    sha256 = candidate.training_set().identity["sha256"]
    with candidate.ledger.objects.local(sha256) as path:
        frame = pl.scan_parquet(path)
        if bundle.fields.family == "forecast":
            decide, inputs, what = model.forecast, _series(frame, rows), "series"
        else:
            decide, inputs, what = model.score, _vectors(frame, bundle, rows), "rows"
    if not inputs:
        raise ReportLacks("the training set holds nothing to time")
    decide(inputs[0])
    repeated = [inputs[index % len(inputs)] for index in range(rows)]
    rounds = [_p99_ms(decide, repeated) for _ in range(_ROUNDS)]
    computing, wall = (round(min(times), 4) for times in zip(*rounds, strict=True))
    return Latency(computing, wall, what)


def _vectors(frame: pl.LazyFrame, bundle: Bundle, count: int) -> list[dict[str, Any]]:
    """Return rows as decisions get them: the bundle's features, or for a model that encodes, what it encodes from."""
    held = frame.collect_schema().names()
    names = [name for name in bundle.fields.features if name in held]
    if len(names) == len(bundle.fields.features):
        rows: list[dict[str, Any]] = frame.select(pl.col(names).cast(pl.Float64)).head(count).collect().to_dicts()
        return rows
    model = load_model(bundle)
    return frame.select(model.inputs).head(count).collect().to_dicts()


def _series(frame: pl.LazyFrame, count: int) -> list[Any]:
    from ledgerline.decisions.forecast.series import SERIES_COLUMNS, series_of

    rows = frame.select(SERIES_COLUMNS).collect()
    newest = rows["available_at"].max()
    found = series_of(rows, as_of=newest) if isinstance(newest, datetime) else []
    return [series.values for series in found[:count]]


def _p99_ms(decide: Callable[[Any], Any], inputs: Sequence[Any]) -> tuple[float, float]:
    """Return the 99th percentiles of computing time and of wall time, milliseconds."""
    computing, wall = [], []
    for each in inputs:
        started, began = time.perf_counter(), time.process_time()
        decide(each)
        computing.append(time.process_time() - began)
        wall.append(time.perf_counter() - started)
    place = math.ceil(0.99 * len(inputs)) - 1
    return sorted(computing)[place] * 1000, sorted(wall)[place] * 1000
