"""The project's own expectations. Importing this module loads Great Expectations and teaches it these.

It takes seconds, so only :mod:`pipelines.validation.examiner` imports it, when there is something to examine.
"""

from typing import Any, Literal

import pandas as pd
from great_expectations.core.suite_parameters import SuiteParameterDict
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import ColumnPairMapExpectation
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
from great_expectations.expectations.metrics.map_metric_provider import (
    ColumnPairMapMetricProvider,
    column_pair_condition_partial,
)
from great_expectations.render import LegacyRendererType, RenderedStringTemplateContent
from great_expectations.render.renderer.renderer import renderer


class ColumnPairValuesAreDaysApart(ColumnPairMapMetricProvider):
    """Whether ``column_A`` lies at least ``minimum_days`` after ``column_B``, row by row."""

    condition_metric_name = "column_pair_values.days_apart"
    condition_value_keys = ("minimum_days",)

    @column_pair_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column_A: pd.Series, column_B: pd.Series, **kwargs: Any) -> pd.Series:  # noqa: N803, N805 (GX's names)
        return column_A - column_B >= pd.Timedelta(days=kwargs["minimum_days"])


class ExpectLabelDelay(ColumnPairMapExpectation):
    """Expect a label to become known no sooner than a delay after what it is about.

    Fraud is known when the cardholder disputes the payment. The Fraud Detection Handbook's protocol, which ours
    follows, takes seven days; a label dated earlier, or before its own payment, would let training look ahead.

    Attributes:
        column_A: When the label became known.
        column_B: When the thing that it is about happened.
        minimum_days: The least delay, in days; may be fractional.
        ignore_row_if: Which rows that lack an instant are passed over; GX's own values.
    """

    # Without defaults: GX leaves them out of what it computes and shows.
    minimum_days: float | SuiteParameterDict
    ignore_row_if: Literal["both_values_are_missing", "either_value_is_missing", "neither"]

    map_metric = "column_pair_values.days_apart"
    success_keys = ("column_A", "column_B", "minimum_days", "ignore_row_if", "mostly")
    args_keys = ("column_A", "column_B", "minimum_days")

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
                    "template": "Values in $column_A must be at least $minimum_days days after those in $column_B.",
                    "params": {name: _plain(kwargs.get(name)) for name in cls.args_keys},
                    "styling": (runtime_configuration or {}).get("styling"),
                },
            )
        ]


def _plain(value: Any) -> Any:
    return f"{value:g}" if isinstance(value, float) else value
