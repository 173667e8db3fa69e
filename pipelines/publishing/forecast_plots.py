"""Plots of published forecasts: a picture of some series, and a page on which one series at a time is explored."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from ledgerline.decisions.forecast import Forecast
from ledgerline.decisions.forecast.series import Series

_PANELS = 12
_ON_PAGE = 60
_SHOWN_MONTHS = 60


def draw_plot(series: Sequence[Series], forecasts: Sequence[Forecast], *, title: str) -> bytes:
    """Return a PNG of at most twelve series, spread evenly over all of them by name."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    chosen = _spread(len(series), _PANELS)
    rows = (len(chosen) + 2) // 3
    figure = Figure(figsize=(15, 3.2 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, 3, squeeze=False).ravel()
    for axes, place in zip(grid, chosen, strict=False):
        _draw(axes, series[place], forecasts[place])
    for axes in grid[len(chosen) :]:
        axes.set_visible(False)
    figure.suptitle(_titled(title, len(chosen), len(series)))
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()


def draw_page(series: Sequence[Series], forecasts: Sequence[Forecast], *, title: str) -> bytes:
    """Return a self-contained HTML page of at most sixty series, one shown at a time, chosen from a list."""
    import plotly.graph_objects as go

    chosen = _spread(len(series), _ON_PAGE)
    figure = go.Figure()
    for position, place in enumerate(chosen):
        for trace in _traces(series[place], forecasts[place]):
            figure.add_scatter(**trace, visible=position == 0)
    each = len(figure.data) // len(chosen)
    buttons = [
        {
            "label": series[place].name,
            "method": "update",
            "args": [{"visible": [trace // each == position for trace in range(len(figure.data))]}],
        }
        for position, place in enumerate(chosen)
    ]
    figure.update_layout(
        title=_titled(title, len(chosen), len(series)),
        template="plotly_white",
        yaxis_title="unit of the books",
        hovermode="x unified",
        updatemenus=[{"buttons": buttons, "x": 1.0, "xanchor": "right", "y": 1.12, "yanchor": "top"}],
    )
    # Readable with no network; the name of the element is random unless given.
    page: str = figure.to_html(include_plotlyjs=True, full_html=True, div_id="forecasts")
    return page.encode()


def _spread(count: int, most: int) -> list[int]:
    """Return at most ``most`` places, evenly spread over ``count``."""
    return sorted({int(place) for place in np.linspace(0, count - 1, min(count, most)).round()})


def _titled(title: str, shown: int, series: int) -> str:
    return title if shown == series else f"{title}: {shown} of {series:,} series"


def _months(series: Series, forecast: Forecast) -> tuple[list[Any], list[Any]]:
    """Return the months of what is shown of the past, and of the forecast."""
    last = pl.Series([series.last_month.date()])
    past = min(_SHOWN_MONTHS, series.values.size)
    back = [last.dt.offset_by(f"{months}mo").item() for months in range(1 - past, 1)]
    return back, [last.dt.offset_by(f"{months}mo").item() for months in range(1, forecast.point.size + 1)]


def _draw(axes: Any, series: Series, forecast: Forecast) -> None:
    past, ahead = _months(series, forecast)
    axes.plot(past, series.values[-len(past) :], color="black", linewidth=0.9)
    axes.plot(ahead, forecast.point, color="tab:blue")
    for low, high in forecast.bounds.values():
        axes.fill_between(ahead, low, high, color="tab:blue", alpha=0.18, linewidth=0)
    axes.set_title(series.name, fontsize=9)
    axes.tick_params(labelsize=7)


def _traces(series: Series, forecast: Forecast) -> list[dict[str, Any]]:
    past, ahead = _months(series, forecast)
    traces: list[dict[str, Any]] = [
        {"x": past, "y": series.values[-len(past) :].tolist(), "name": "known", "line": {"color": "black"}},
        {"x": ahead, "y": forecast.point.tolist(), "name": "expected", "line": {"color": "#1f77b4"}},
    ]
    for level, (low, high) in forecast.bounds.items():
        traces.append(
            {
                "x": [*ahead, *reversed(ahead)],
                "y": [*high.tolist(), *low[::-1].tolist()],
                "name": f"{float(level):.0%} interval",
                "fill": "toself",
                "fillcolor": "rgba(31,119,180,0.15)",
                "line": {"width": 0},
                "hoverinfo": "skip",
            }
        )
    return traces
