"""Great Expectations at work: one quiet, in-memory context a process, and findings that are complete.

The committed suites are read into an ephemeral context, because several workers must not write one file context. GX's
import takes seconds, so nothing here loads it before there is something to examine.
"""

import logging
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.metadata import version
from types import ModuleType
from typing import Any

import numpy as np
import polars as pl
import polars.selectors as cs
from numpy.typing import NDArray

from ledgerline.core.clock import instant_text
from ledgerline.core.errors import LedgerlineError
from pipelines.ingestion.typed_rows import ROW_NUMBER
from pipelines.validation.landed import within_calendar
from pipelines.validation.suites import AS_OF, NO_START, STARTS, Rule, Suite

# COMPLETE lists every failing row's number. The values beside them are cut at 200, so those are looked up in the rows.
_RESULT_FORMAT = {"result_format": "COMPLETE", "return_unexpected_index_query": False}
_LEFT_OUT = ("unexpected_list", "unexpected_index_list", "unexpected_index_query")


class ExaminationFailed(LedgerlineError):
    """GX could not compute an expectation, which is neither a pass nor a fail."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What GX found about one expectation.

    Attributes:
        rule: The expectation.
        success: Whether it held.
        rows: The row numbers that fail it, all of them; None for an expectation about the whole table.
        result: GX's result as JSON values, without its complete lists.
    """

    rule: Rule
    success: bool
    rows: NDArray[np.int64] | None
    result: dict[str, Any]


@cache
def great_expectations() -> ModuleType:
    """Load Great Expectations, and our expectations with it, once: no import log, no analytics."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import great_expectations as gx

        from pipelines.validation import expectations, market_expectations  # noqa: F401 (defining them registers them)

    return gx


def gx_version() -> str:
    """Return the installed version of Great Expectations, without loading it."""
    return version("great-expectations")


def quiet_context(**configuration: Any) -> Any:
    """Return a new in-memory GX context that draws no progress bars and reports to nobody.

    Args:
        **configuration: Further fields of GX's ``DataContextConfig``, e.g. ``data_docs_sites``.
    """
    gx = great_expectations()
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    defaults = InMemoryStoreBackendDefaults(init_temp_docs_sites=False)
    project = DataContextConfig(
        store_backend_defaults=defaults,
        analytics_enabled=False,
        progress_bars=ProgressBarsConfig(globally=False),
        **configuration,
    )
    return gx.get_context(mode="ephemeral", project_config=project)


def gx_suite(suite: Suite, rules: Sequence[Rule]) -> Any:
    """Return some of a committed suite's expectations as GX's own ``ExpectationSuite``."""
    return great_expectations().ExpectationSuite(
        name=suite.dataset,
        id=suite.document.get("id"),
        meta=dict(suite.document["meta"]),
        notes=suite.document.get("notes"),
        expectations=[dict(rule.document) for rule in rules],
    )


def examine(
    suite: Suite, rules: Sequence[Rule], frame: pl.DataFrame, *, as_of: datetime, starts: datetime | None = None
) -> list[Finding]:
    """Let GX judge ``frame`` by some of a suite's expectations.

    Args:
        suite: The suite that they belong to.
        rules: The expectations to judge by.
        frame: ``row_number`` and the columns that they speak of.
        as_of: Value of the suite's ``as_of`` parameter.
        starts: Value of its ``starts`` parameter; None where the feed does not say.

    Returns:
        One finding for each rule, in the order of ``rules``.

    Raises:
        ExaminationFailed: GX met an error in one of them.
    """
    pandas = frame.drop(ROW_NUMBER).with_columns(within_calendar(cs.temporal())).to_pandas()
    # By an index without a name GX lists failing rows as plain numbers, cheaply.
    pandas.index = frame[ROW_NUMBER].to_numpy()
    batch = _batch_definition(suite.dataset).get_batch({"dataframe": pandas})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # GX's use of pandas
        found = batch.validate(
            gx_suite(suite, rules),
            result_format=_RESULT_FORMAT,
            expectation_parameters={AS_OF: instant_text(as_of), STARTS: instant_text(starts) if starts else NO_START},
        )
    results = {result.expectation_config.id: result for result in found.results}
    return [_finding(rule, results[rule.id]) for rule in rules]


@cache
def _data_source() -> Any:
    return quiet_context().data_sources.add_pandas("landed")


@cache
def _batch_definition(dataset: str) -> Any:
    return _data_source().add_dataframe_asset(dataset).add_batch_definition_whole_dataframe("batch")


def _finding(rule: Rule, result: Any) -> Finding:
    if errors := _errors(result.exception_info or {}):
        raise ExaminationFailed(
            f"expectation {rule.id} ({rule.document['type']}, code {rule.code}) could not be computed: {errors}; "
            "correct it in the suite"
        )
    rows = result.result.get("unexpected_index_list")
    kept = {name: value for name, value in result.result.items() if name not in _LEFT_OUT}
    return Finding(
        rule=rule,
        success=bool(result.success),
        rows=None if rows is None else np.asarray(rows, dtype=np.int64),
        result=_json_value(kept),
    )


def _errors(exception_info: dict[str, Any]) -> str:
    """Return GX's error texts: it keeps one entry, or one for each metric that failed."""
    entries = [exception_info] if "raised_exception" in exception_info else list(exception_info.values())
    return "; ".join(sorted({str(entry["exception_message"]) for entry in entries if entry["raised_exception"]}))


def _json_value(value: Any) -> Any:
    """Return ``value`` as JSON holds it: pandas' and numpy's scalars plain, missing values null, instants as text."""
    if isinstance(value, dict):
        return {str(name): _json_value(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json_value(inner) for inner in value]
    if isinstance(value, np.datetime64):  # pandas drops the zone, which is UTC, from pairs of columns
        return None if np.isnat(value) else f"{np.datetime_as_string(value, unit='us')}Z"
    if isinstance(value, np.generic):
        return _json_value(value.item())
    if value is None or value != value:  # NaN and NaT, the values that differ from themselves
        return None
    if isinstance(value, datetime):
        return instant_text(value)
    return value if isinstance(value, (bool, int, float, str)) else str(value)
