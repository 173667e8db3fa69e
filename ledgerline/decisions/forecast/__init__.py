"""Forecast: from a series' past to its expected values and the intervals around them."""

from ledgerline.decisions.forecast.members import MemberKind
from ledgerline.decisions.forecast.model import (
    FAMILY,
    Forecast,
    ForecastModel,
    MemberSpec,
    ModelSpec,
    SeriesRefused,
    seasonal_change,
)

__all__ = [
    "FAMILY",
    "Forecast",
    "ForecastModel",
    "MemberKind",
    "MemberSpec",
    "ModelSpec",
    "SeriesRefused",
    "seasonal_change",
]
