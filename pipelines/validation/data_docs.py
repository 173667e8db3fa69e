"""Great Expectations' Data Docs, built in one place from the receipts: whoever validated, and however often.

The results lie in the object store, so the site can be deleted and built again at any time. Pages that were finished
are not rendered again.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ledgerline.audit import Kind, Ledger, RecordedLeaf
from ledgerline.core.errors import LedgerlineError
from ledgerline.core.identity import content_id
from ledgerline.core.lock import exclusive
from ledgerline.core.storage import write_atomically
from pipelines.validation.data_docs_overview import add_overview
from pipelines.validation.examiner import gx_suite, gx_version, quiet_context
from pipelines.validation.suites import AS_OF, NO_START, STARTS, Suite, read_suite, with_parameters

_SITE = "ledgerline"
_FINISHED = ".finished.json"
_NAME_DIGITS = 16
_INDEX = "index.html"


class DataDocsIncomplete(LedgerlineError):
    """Great Expectations left out a page."""


def build_data_docs(ledger: Ledger) -> Path:
    """Build the Data Docs of every receipt under ``settings.data_docs_path`` and return the ``index.html``.

    Each receipt has a page with the batch's expectations, what failed them and examples; each dataset's suite has one
    too. Building again renders only what is new; when nothing is, Great Expectations is not even loaded. Safe to be
    killed, and to be run twice at once: the second waits for the first.

    Raises:
        DataDocsIncomplete: Great Expectations left out a page.
    """
    folder = ledger.settings.data_docs_path
    receipts = ledger.log.leaves(Kind.VALIDATION_RECEIPT)
    suites = {name: read_suite(ledger.settings, name) for name in _datasets(receipts)}
    wanted = {leaf.id: "result" for leaf in receipts} | {suite.fingerprint: "suite" for suite in suites.values()}
    stamp = content_id([gx_version(), sorted(wanted)])
    folder.mkdir(parents=True, exist_ok=True)
    with exclusive(folder):
        finished = _read_finished(folder)
        if finished.get("stamp") == stamp and (folder / _INDEX).exists():
            return folder / _INDEX
        pages = set(finished.get("pages", ())) if finished.get("gx") == gx_version() else set()
        _render(ledger, folder, receipts, suites, finished=pages)
        document = {"stamp": stamp, "gx": gx_version(), "pages": sorted(wanted)}
        write_atomically(folder / _FINISHED, json.dumps(document).encode())
    return folder / _INDEX


def _datasets(receipts: Sequence[RecordedLeaf]) -> list[str]:
    return sorted({leaf.identity["dataset"] for leaf in receipts})


def _read_finished(folder: Path) -> dict[str, Any]:
    path = folder / _FINISHED
    return json.loads(path.read_bytes()) if path.exists() else {}


def _render(
    ledger: Ledger, folder: Path, receipts: Sequence[RecordedLeaf], suites: dict[str, Suite], *, finished: set[str]
) -> None:
    """Fill an in-memory GX context with all results and let GX render the pages that are not finished."""
    context = quiet_context(data_docs_sites={_SITE: _site(folder)})
    from great_expectations.data_context.types.resource_identifiers import ExpectationSuiteIdentifier

    keys: list[Any] = []
    new_pages: list[Any] = []
    for suite in suites.values():
        context.suites.add(gx_suite(suite, suite.rules))
        if suite.fingerprint not in finished:
            new_pages.append(ExpectationSuiteIdentifier(suite.dataset))
    for receipt in receipts:
        key, result = _gx_result(ledger, receipt)
        keys.append(key)
        context.validation_results_store.set(key, result)
        if receipt.id not in finished:
            new_pages.append(key)
    context.build_data_docs(resource_identifiers=new_pages)
    # GX logs what it cannot render and goes on.
    if lacking := [page for page in map(_page, keys) if not (folder / page).exists()]:
        raise DataDocsIncomplete(f"{folder}: Great Expectations did not render {', '.join(lacking)}; see its log")
    add_overview(folder / _INDEX, receipts, [_page(key) for key in keys])


def _site(folder: Path) -> dict[str, Any]:
    return {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)},
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
    }


def _page(key: Any) -> str:
    """Return where GX writes a result's page, below the site."""
    return "/".join(("validations", *key.to_tuple())) + ".html"


def _gx_result(ledger: Ledger, receipt: RecordedLeaf) -> tuple[Any, Any]:
    """Return the key and GX's own result object of a receipt, as GX would have stored them itself."""
    from great_expectations.core.expectation_validation_result import (
        ExpectationSuiteValidationResult,
        ExpectationValidationResult,
    )
    from great_expectations.core.run_identifier import RunIdentifier
    from great_expectations.data_context.types.resource_identifiers import (
        ExpectationSuiteIdentifier,
        ValidationResultIdentifier,
    )
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    document = json.loads(ledger.objects.get(receipt.identity["result_object"]))
    parameters = {AS_OF: receipt.detail[AS_OF], STARTS: receipt.detail.get(STARTS, NO_START)}
    results = [
        ExpectationValidationResult(
            success=entry["success"],
            expectation_config=ExpectationConfiguration(**with_parameters(entry["expectation_config"], parameters)),
            result=entry["result"],
            exception_info={"raised_exception": False, "exception_message": None, "exception_traceback": None},
        )
        for entry in document["results"]
    ]
    run = RunIdentifier(run_name=f"receipt-{receipt.id[:_NAME_DIGITS]}", run_time=receipt.detail["validated_at"])
    batch = f"batch-{receipt.identity['batch'][:_NAME_DIGITS]}"
    result = ExpectationSuiteValidationResult(
        success=document["success"],
        results=results,
        suite_name=document["suite"]["name"],
        suite_parameters=parameters,
        statistics=document["statistics"],
        meta=_meta(receipt, document, run),
        batch_id=batch,
    )
    return ValidationResultIdentifier(ExpectationSuiteIdentifier(document["suite"]["name"]), run, batch), result


def _meta(receipt: RecordedLeaf, document: dict[str, Any], run: Any) -> dict[str, Any]:
    """Return what the page says about the run as a whole; its title and the index name the source file."""
    counts = {name: receipt.identity[name] for name in ("verdict", "landed", "accepted", "quarantined")}
    return {
        "run_id": run.to_json_dict(),
        "great_expectations_version": document["great_expectations_version"],
        "batch_spec": {
            "data_asset_name": str(receipt.detail.get("path")),
            "batch": receipt.identity["batch"],
            "receipt": receipt.id,
            **counts,
            **{f"quarantined: {code}": count for code, count in receipt.detail["reasons"].items()},
            **{f"warning: {code}": "; ".join(names) for code, names in receipt.detail.get("examples", {}).items()},
        },
    }
