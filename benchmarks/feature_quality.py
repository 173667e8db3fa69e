"""What looking into features costs: the leak check, its share of a training, and the page, on the simulated world.

`python benchmarks/feature_quality.py`; with `--quick` a small world. Building it is not counted. The leak
check compares at most 200,000 rows at 3 cuts spread evenly and 2 around the latest row of each source.
"""

import argparse
import os
import platform
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

QUICK = {
    "LEDGERLINE_SANDBOX_CUSTOMERS": "1000",
    "LEDGERLINE_SANDBOX_TERMINALS": "2000",
    "LEDGERLINE_SANDBOX_SYMBOLS": "12",
    "LEDGERLINE_SANDBOX_SESSIONS": "600",
    "LEDGERLINE_SANDBOX_APPLICATIONS": "4000",
    "LEDGERLINE_SANDBOX_ENTITIES": "20",
}


def build_all() -> Any:
    """Bring the simulated world in and build every view; return the installation."""
    from ledgerline.audit import Ledger
    from ledgerline.cli.data import ensure_source
    from pipelines import features, ingestion, validation
    from pipelines.line import claim_home

    ledger = Ledger.open()
    ensure_source(ledger.settings)
    claim_home(ledger)
    for dataset in ingestion.mapped_datasets(ledger.settings):
        landed = ingestion.land(ledger, dataset)
        validation.validate_batches(ledger, landed.batches)
    for view in features.due_views(ledger):
        features.build(ledger, view)
    return ledger


def measure(ledger: Any, view: str) -> None:
    """Print what each look at one view took."""
    from feature_store.lookahead import Future
    from pipelines.features import check
    from pipelines.features.recompute import recomputation
    from pipelines.features.versions import version_of
    from pipelines.monitoring.feature_page import describe, render
    from pipelines.training.inputs import feature_manifest

    manifest = feature_manifest(ledger, version_of(ledger, view))
    print(f"{view}: {manifest.rows:,} rows, {len(manifest.features)} features", flush=True)
    found = _timed("leak check", lambda: check(ledger, view))
    print(f"    {found}", flush=True)
    at, recompute = manifest.as_of - timedelta(days=14), recomputation(ledger, manifest)
    _timed("in a training: history withheld, rows read", lambda: recompute(at, Future.WITHHELD))
    _timed("in a training: and scrambled", lambda: recompute(at, Future.SCRAMBLED))
    described = _timed("description", lambda: describe(ledger, view))
    page = _timed("page", lambda: render(described))
    print(f"    {len(page) / 1e6:.1f} MB of HTML", flush=True)


def _timed(what: str, run: Callable[[], Any]) -> Any:
    began = time.perf_counter()
    result = run()
    print(f"  {what}: {time.perf_counter() - began:.2f} s", flush=True)
    return result


def main() -> None:
    """Measure every view in a home of its own, which is removed afterwards."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small simulated world")
    if parser.parse_args().quick:
        os.environ.update(QUICK)
    home = Path(tempfile.mkdtemp(prefix="feature-quality-"))
    os.environ["LEDGERLINE_HOME"] = str(home)
    try:
        print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True)
        ledger = build_all()
        from feature_store.views import VIEWS

        for view in VIEWS:
            measure(ledger, view)
        print(f"most memory held: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB, building included")
    finally:
        shutil.rmtree(home)


if __name__ == "__main__":
    main()
