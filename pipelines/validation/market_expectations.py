"""Expectations about rows that belong together: a bar's four prices, a share's sessions, a set of books.

Each looks at the rows of one batch. Importing this module loads Great Expectations and teaches it these, as
:mod:`pipelines.validation.expectations` does.
"""

from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
from great_expectations.core.suite_parameters import SuiteParameterDict
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import MulticolumnMapExpectation
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
from great_expectations.expectations.metrics.map_metric_provider import (
    MulticolumnMapMetricProvider,
    multicolumn_condition_partial,
)
from great_expectations.render import LegacyRendererType, RenderedStringTemplateContent
from great_expectations.render.renderer.renderer import renderer

_SPLIT_RATIOS = np.array([1 / 10, 1 / 5, 1 / 4, 1 / 3, 1 / 2, 2 / 3, 3 / 2, 2, 3, 4, 5, 10])
_NEAR = 0.04


class _RowsTogether(MulticolumnMapExpectation):
    """What our expectations about several columns share: how Data Docs say them."""

    ignore_row_if: Literal["all_values_are_missing", "any_value_is_missing", "never"] = "any_value_is_missing"
    said: ClassVar[str] = ""
    success_keys = ("column_list", "ignore_row_if", "mostly")
    args_keys = ("column_list",)

    @classmethod
    @renderer(renderer_type=LegacyRendererType.PRESCRIPTIVE)
    def _prescriptive_renderer(
        cls,
        configuration: ExpectationConfiguration | None = None,
        runtime_configuration: dict[str, Any] | None = None,
        **_: Any,
    ) -> list[RenderedStringTemplateContent]:
        """Say in Data Docs what is expected."""
        kwargs = configuration.kwargs if configuration else {}
        return [
            RenderedStringTemplateContent(
                content_block_type="string_template",
                string_template={
                    "template": cls.said,
                    "params": {name: str(kwargs.get(name)) for name in cls.success_keys},
                    "styling": (runtime_configuration or {}).get("styling"),
                },
            )
        ]


class OhlcInOrder(MulticolumnMapMetricProvider):
    """Whether the highest price is the highest, the lowest the lowest, and all are above zero."""

    condition_metric_name = "multicolumn_values.ohlc_in_order"
    condition_domain_keys = ("batch_id", "table", "column_list", "row_condition", "condition_parser", "ignore_row_if")

    @multicolumn_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column_list: pd.DataFrame, **_: Any) -> pd.Series:  # noqa: N805 (GX's way)
        opened, high, low, close = (column_list.iloc[:, place] for place in range(4))
        return (high >= np.maximum(opened, close)) & (low <= np.minimum(opened, close)) & (low > 0)


class ExpectOhlcOrder(_RowsTogether):
    """Expect every bar's open, high, low and close, given in this order, to be possible together."""

    map_metric = "multicolumn_values.ohlc_in_order"
    said = "Of $column_list the second must be the highest, the third the lowest, and all above zero."


class SessionsFollow(MulticolumnMapMetricProvider):
    """Whether a share's bar comes in the session after its previous one, by the exchange's calendar."""

    condition_metric_name = "multicolumn_values.sessions_follow"
    condition_domain_keys = ("batch_id", "table", "column_list", "row_condition", "condition_parser", "ignore_row_if")
    condition_value_keys = ("calendar",)

    @multicolumn_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column_list: pd.DataFrame, **kwargs: Any) -> pd.Series:  # noqa: N805 (GX's way)
        symbol, instant = column_list.iloc[:, 0], _days(column_list.iloc[:, 1])
        rows = pd.DataFrame({"symbol": symbol, "place": _session_numbers(instant, kwargs["calendar"])})
        ordered = rows.sort_values(["symbol", "place"], kind="stable")
        step = ordered.groupby("symbol")["place"].diff()
        return ((step.isna()) | (step <= 1)).reindex(column_list.index)


class ExpectNoCalendarGap(_RowsTogether):
    """Expect no session to be missing between two bars of a share; the bar after the gap fails.

    Attributes:
        calendar: The exchange, e.g. ``XNYS``.
    """

    calendar: str | SuiteParameterDict
    map_metric = "multicolumn_values.sessions_follow"
    success_keys = ("column_list", "calendar", "ignore_row_if", "mostly")
    said = "Of $column_list no session of $calendar may be missing between two bars of a share."


class PricesMove(MulticolumnMapMetricProvider):
    """Whether a share's close differs from at least one of so many closes before it."""

    condition_metric_name = "multicolumn_values.prices_move"
    condition_domain_keys = ("batch_id", "table", "column_list", "row_condition", "condition_parser", "ignore_row_if")
    condition_value_keys = ("sessions",)

    @multicolumn_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column_list: pd.DataFrame, **kwargs: Any) -> pd.Series:  # noqa: N805 (GX's way)
        rows = column_list.set_axis(["symbol", "instant", "close"], axis=1)
        ordered = rows.sort_values(["symbol", "instant"], kind="stable")
        same = ordered.groupby("symbol")["close"].diff().eq(0)
        run = same.groupby([ordered["symbol"], (~same).groupby(ordered["symbol"]).cumsum()]).cumsum()
        return (run < kwargs["sessions"]).reindex(column_list.index)


class ExpectNoStalePrice(_RowsTogether):
    """Expect a share's close not to stay the same for many sessions.

    Attributes:
        sessions: How many equal closes in a row are too many.
    """

    sessions: int | SuiteParameterDict
    map_metric = "multicolumn_values.prices_move"
    success_keys = ("column_list", "sessions", "ignore_row_if", "mostly")
    said = "Of $column_list the close must not stay the same for $sessions sessions."


class JumpsPlausible(MulticolumnMapMetricProvider):
    """Whether a share's close did not jump further than a share of the close before."""

    condition_metric_name = "multicolumn_values.jumps_plausible"
    condition_domain_keys = ("batch_id", "table", "column_list", "row_condition", "condition_parser", "ignore_row_if")
    condition_value_keys = ("largest_move",)

    @multicolumn_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column_list: pd.DataFrame, **kwargs: Any) -> pd.Series:  # noqa: N805 (GX's way)
        ratio = _close_ratio(column_list)
        return ((ratio - 1).abs() <= kwargs["largest_move"]) | ratio.isna()


class ExpectNoPriceJump(_RowsTogether):
    """Expect no close to differ from the one before by more than a share of it.

    Attributes:
        largest_move: E.g. 0.4 for 40 %.
    """

    largest_move: float | SuiteParameterDict
    map_metric = "multicolumn_values.jumps_plausible"
    success_keys = ("column_list", "largest_move", "ignore_row_if", "mostly")
    said = "Of $column_list the close must not move by more than $largest_move of the close before."


class SplitsReflected(MulticolumnMapMetricProvider):
    """Whether prices that claim to be adjusted do not jump by what looks like a split."""

    condition_metric_name = "multicolumn_values.splits_reflected"
    condition_domain_keys = ("batch_id", "table", "column_list", "row_condition", "condition_parser", "ignore_row_if")

    @multicolumn_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column_list: pd.DataFrame, **_: Any) -> pd.Series:  # noqa: N805 (GX's way)
        ratio = _close_ratio(column_list.iloc[:, :3]).to_numpy()
        nearest = np.abs(ratio[:, None] / _SPLIT_RATIOS - 1).min(axis=1)
        adjusted = column_list.iloc[:, 3].ne("raw").to_numpy()
        return pd.Series(~(adjusted & (nearest < _NEAR)), index=column_list.index)


class ExpectSplitsReflected(_RowsTogether):
    """Expect prices that are adjusted for splits not to jump by a common split ratio, within 4 % of it.

    Raw prices do jump so; there the corporate actions say why.
    """

    map_metric = "multicolumn_values.splits_reflected"
    said = "Of $column_list a close that is adjusted for splits must not jump by a split's ratio."


class ActionsComplete(MulticolumnMapMetricProvider):
    """Whether an action says what it must: a split its ratio, a dividend its amount, a change of name the new one."""

    condition_metric_name = "multicolumn_values.actions_complete"
    condition_domain_keys = ("batch_id", "table", "column_list", "row_condition", "condition_parser", "ignore_row_if")

    @multicolumn_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column_list: pd.DataFrame, **_: Any) -> pd.Series:  # noqa: N805 (GX's way)
        action = column_list.iloc[:, 0]
        needed = {"split": 1, "dividend": 2, "symbol_change": 3}
        lacking = [action.eq(name) & column_list.iloc[:, place].isna() for name, place in needed.items()]
        return ~np.logical_or.reduce(lacking)


class ExpectActionComplete(_RowsTogether):
    """Expect of action, ratio, amount and new symbol, given in this order, what the action needs."""

    map_metric = "multicolumn_values.actions_complete"
    said = "Of $column_list a split needs the second, a dividend the third, a change of name the fourth."


class ListedFromTheStart(MulticolumnMapMetricProvider):
    """Whether a share's first bar comes soon after the feed starts."""

    condition_metric_name = "multicolumn_values.listed_from_the_start"
    condition_domain_keys = ("batch_id", "table", "column_list", "row_condition", "condition_parser", "ignore_row_if")
    condition_value_keys = ("starts", "days")

    @multicolumn_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column_list: pd.DataFrame, **kwargs: Any) -> pd.Series:  # noqa: N805 (GX's way)
        starts = str(kwargs["starts"])
        symbol, instant = column_list.iloc[:, 0], column_list.iloc[:, 1]
        if starts < "1678":  # the feed does not say when it starts
            return pd.Series(True, index=column_list.index)
        first = instant.eq(instant.groupby(symbol).transform("min"))
        return ~(first & (instant > pd.Timestamp(starts) + pd.Timedelta(days=kwargs["days"])))


class ExpectNoLateListing(_RowsTogether):
    """Expect every share's first bar soon after the feed starts: what was listed later has less history.

    Attributes:
        starts: When the feed starts, ISO 8601; long ago where the mapping does not say.
        days: How many days later is late.
    """

    starts: str | SuiteParameterDict
    days: int | SuiteParameterDict
    map_metric = "multicolumn_values.listed_from_the_start"
    success_keys = ("column_list", "starts", "days", "ignore_row_if", "mostly")
    said = "Of $column_list the first bar must come within $days days of $starts."


class BooksAddUp(MulticolumnMapMetricProvider):
    """Whether an entity's profit is its revenue less its cost, in every period that has all three."""

    condition_metric_name = "multicolumn_values.books_add_up"
    condition_domain_keys = ("batch_id", "table", "column_list", "row_condition", "condition_parser", "ignore_row_if")
    condition_value_keys = ("tolerance",)

    @multicolumn_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column_list: pd.DataFrame, **kwargs: Any) -> pd.Series:  # noqa: N805 (GX's way)
        rows = column_list.set_axis(["entity", "account", "period", "amount"], axis=1)
        wide = rows.pivot_table(index=["entity", "period"], columns="account", values="amount", aggfunc="last")
        if not {"revenue", "cost", "profit"} <= set(wide.columns):
            return pd.Series(True, index=column_list.index)
        off = (wide["revenue"] - wide["cost"] - wide["profit"]).abs()
        size = wide[["revenue", "cost", "profit"]].abs().max(axis=1)
        broken = off > kwargs["tolerance"] * np.maximum(size, 1.0)
        fails = pd.MultiIndex.from_frame(rows[["entity", "period"]]).isin(broken[broken].index)
        concerned = rows["account"].isin(["revenue", "cost", "profit"]).to_numpy()
        return pd.Series(~(fails & concerned), index=column_list.index)


class ExpectLedgerIdentity(_RowsTogether):
    """Expect profit = revenue - cost for every entity and period; all rows of a set of books that fails it fail.

    Attributes:
        tolerance: As a share of the largest of the three.
    """

    tolerance: float | SuiteParameterDict
    map_metric = "multicolumn_values.books_add_up"
    success_keys = ("column_list", "tolerance", "ignore_row_if", "mostly")
    said = "Of $column_list profit must be revenue less cost, within $tolerance of the largest."


def _close_ratio(columns: pd.DataFrame) -> pd.Series:
    """Return each close over the one before it of the same share; missing for a share's first bar."""
    rows = columns.set_axis(["symbol", "instant", "close"], axis=1)
    ordered = rows.sort_values(["symbol", "instant"], kind="stable")
    before = ordered.groupby("symbol")["close"].shift()
    return (ordered["close"] / before).reindex(columns.index)


def _days(instants: pd.Series) -> np.ndarray:
    return pd.to_datetime(instants, utc=True).dt.tz_localize(None).dt.normalize().to_numpy().astype("datetime64[D]")


def _session_numbers(days: np.ndarray, calendar: str) -> np.ndarray:
    """Return which session of the calendar each day is in, counted from its first; a day off is the session before."""
    import exchange_calendars

    first, last = days.min() - np.timedelta64(7, "D"), days.max() + np.timedelta64(7, "D")
    sessions = exchange_calendars.get_calendar(calendar, start=str(first), end=str(last)).sessions.to_numpy()
    return np.searchsorted(sessions.astype("datetime64[D]"), days, side="right")
