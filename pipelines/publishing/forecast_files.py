"""The forecasts of every series as tables and plots, from an admitted model and a feature version."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from feature_store.versions.manifest import Manifest
from ledgerline.audit import Ledger
from ledgerline.core.errors import LedgerlineError
from ledgerline.decisions.admission import Admitted
from ledgerline.decisions.forecast import Forecast, ForecastModel
from ledgerline.decisions.forecast.series import Series, series_of
from pipelines.publishing.forecast_plots import draw_page, draw_plot
from pipelines.training.forecast.sealed import known_months

CSV, PARQUET, PLOT, PAGE = "forecasts.csv", "forecasts.parquet", "forecasts.png", "forecasts.html"
_CSV_DIGITS = 6


class NothingToPublish(LedgerlineError):
    """No forecasting model is in force, or there are no series that it can forecast."""


@dataclass(frozen=True, slots=True)
class ForecastFiles:
    """What is published.

    Attributes:
        series: How many series were forecast.
        rows: Rows of the tables.
        files: Contents by file name.
    """

    series: int
    rows: int
    files: Mapping[str, bytes]


def forecast_files(ledger: Ledger, admitted: Admitted, feature_version: str) -> ForecastFiles:
    """Forecast every series that the feature version holds.

    Raises:
        NothingToPublish: It holds none, or was built from another definition than the model's.
    """
    manifest = Manifest.from_bytes(ledger.objects.get(str(ledger.log.get(feature_version).identity["manifest"])))
    if manifest.fingerprint != admitted.view.fingerprint:
        raise NothingToPublish(
            f"the newest features of {manifest.view} were built from another definition than this code's; build them "
            "again"
        )
    series = series_of(known_months(ledger, manifest), as_of=manifest.as_of)
    if not series:
        raise NothingToPublish(f"the feature version {feature_version[:12]} holds no series")
    model = ForecastModel.load(admitted.bundle)
    forecasts = [model.forecast(each.values) for each in series]
    table = forecast_table(series, forecasts)
    buffer = io.BytesIO()
    table.write_parquet(buffer, compression="zstd")
    files = {
        CSV: table.write_csv(float_precision=_CSV_DIGITS).encode(),
        PARQUET: buffer.getvalue(),
        PLOT: draw_plot(series, forecasts, title=f"Forecasts by {admitted.name}"),
        PAGE: draw_page(series, forecasts, title=f"Forecasts by {admitted.name}"),
    }
    return ForecastFiles(len(series), table.height, files)


def forecast_table(series: Sequence[Series], forecasts: Sequence[Forecast]) -> pl.DataFrame:
    """Return one row a series and month ahead, by series and month.

    Returns:
        ``entity_id``, ``account``, ``month`` (its first day, Date), ``month_ahead`` (1 for the next), ``expected``, and
        for each level of coverage ``low_<level>`` and ``high_<level>``, in the unit of the books.
    """
    return pl.concat(_rows(each, forecast) for each, forecast in zip(series, forecasts, strict=True))


def _rows(series: Series, forecast: Forecast) -> pl.DataFrame:
    ahead = pl.int_range(1, forecast.point.size + 1, eager=True, dtype=pl.Int64).alias("month_ahead")
    bounds = {
        f"{side}_{level}": values
        for level, both in forecast.bounds.items()
        for side, values in zip(("low", "high"), both, strict=True)
    }
    return pl.DataFrame({"month_ahead": ahead, "expected": forecast.point, **bounds}).select(
        pl.lit(series.entity_id).alias("entity_id"),
        pl.lit(series.account).alias("account"),
        pl.lit(series.last_month.date()).dt.offset_by(pl.format("{}mo", "month_ahead")).alias("month"),
        "month_ahead",
        "expected",
        *bounds,
    )
