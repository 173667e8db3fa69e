"""What Airflow adds: the whole line under Airflow, over the same functions called one after the other in one process.

`python benchmarks/line_overhead.py --data ../shared/data`; without `--data` the simulated world, with `--quick` a small
one. Both runs begin with an empty home. Neither the start of the stack, some 20 s, nor the import of Great Expectations
is counted.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
QUICK = {
    "LEDGERLINE_SANDBOX_CUSTOMERS": "1000",
    "LEDGERLINE_SANDBOX_TERMINALS": "2000",
    "LEDGERLINE_SANDBOX_SYMBOLS": "12",
    "LEDGERLINE_SANDBOX_SESSIONS": "600",
    "LEDGERLINE_SANDBOX_APPLICATIONS": "4000",
    "LEDGERLINE_SANDBOX_ENTITIES": "20",
}
_SECONDS = "line_seconds "


def in_one_process() -> float:
    """Call what the DAGs' tasks call, in the order of the line; return seconds."""
    from ledgerline.audit import Ledger
    from ledgerline.cli.data import ensure_source
    from pipelines import features, ingestion, promotion, publishing, training, validation
    from pipelines.line import claim_home
    from pipelines.monitoring import monitor_models
    from pipelines.orchestration.family_line import FAMILIES
    from pipelines.promotion.demo_approver import DemoApprover
    from pipelines.publishing.score_batch import score_newest_batch
    from pipelines.validation.examiner import great_expectations

    ledger = Ledger.open()
    ensure_source(ledger.settings)
    claim_home(ledger)
    great_expectations()
    approver = DemoApprover(ledger)
    began = time.perf_counter()
    for dataset in ingestion.mapped_datasets(ledger.settings):
        _timed(f"ingest {dataset}", lambda dataset=dataset: _ingest(ledger, dataset))
    _timed("data docs", lambda: validation.build_data_docs(ledger))
    for view in features.due_views(ledger):
        _timed(f"build {view}", lambda view=view: features.build(ledger, view))
    for family in FAMILIES:
        try:
            result = _timed(f"train {family}", lambda family=family: training.train(ledger, family))
        except training.TrainingRefused as refusal:
            print(f"  {family}: {refusal}", flush=True)
            continue
        judged = _timed(f"judge {family}", lambda result=result: promotion.evaluate_gates(ledger, result.bundle))
        if judged.identity["passed"]:
            approver.sign_pending()
            promotion.deploy(ledger, result.bundle)
    for said, call in (
        ("publish forecast", lambda: publishing.publish_forecast(ledger)),
        *(
            (f"score batch {family}", lambda family=family: score_newest_batch(ledger, family))
            for family in ("fraud", "credit")
        ),
        ("monitor", lambda: monitor_models(ledger)),
    ):
        try:
            _timed(said, call)
        except Exception as missing:  # a family that was refused has nothing to publish; the time counts all the same
            print(f"  {said}: {missing}", flush=True)
    return time.perf_counter() - began


def _ingest(ledger: object, dataset: str) -> None:
    from pipelines import ingestion, validation

    landed = ingestion.land(ledger, dataset)
    validation.validate_batches(ledger, landed.batches)


def under_airflow() -> float:
    """Run the line as `ledgerline run` does; return seconds from the first trigger to the last line's end."""
    from ledgerline.audit import Ledger
    from ledgerline.cli.data import ensure_source
    from ledgerline.cli.run import report, run_line
    from ledgerline.launch import start
    from pipelines.line import claim_home

    ledger = Ledger.open()
    ensure_source(ledger.settings)
    claim_home(ledger)
    with start(ledger.settings, report=report) as stack:
        began = time.perf_counter()
        failure = run_line(ledger, stack)
        seconds = time.perf_counter() - began
    if failure is not None:
        raise failure
    return seconds


def _timed(said: str, call: Callable[[], object]) -> object:
    began = time.perf_counter()
    made = call()
    print(f"  {said}: {time.perf_counter() - began:.1f} s", flush=True)
    return made


def _measure(mode: str, environment: dict[str, str]) -> float:
    """Measure one way in a process and a home of its own."""
    home = Path(tempfile.mkdtemp(prefix="line-overhead-"))
    print(f"== {mode}", flush=True)
    seconds = None
    try:
        with subprocess.Popen(
            [sys.executable, str(Path(__file__)), "--mode", mode],
            env={**os.environ, **environment, "LEDGERLINE_HOME": str(home)},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            for line in process.stdout or ():
                print(line, end="", flush=True)
                if line.startswith(_SECONDS):
                    seconds = float(line.removeprefix(_SECONDS))
    finally:
        shutil.rmtree(home, ignore_errors=True)
    if process.returncode or seconds is None:
        raise SystemExit(f"{mode} ended with status {process.returncode}")
    return seconds


def main() -> None:
    """Measure both ways, one after the other, and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of files, e.g. ../shared/data")
    parser.add_argument("--quick", action="store_true", help="a small simulated world")
    parser.add_argument("--mode", choices=("in-process", "airflow"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.mode:
        seconds = in_one_process() if options.mode == "in-process" else under_airflow()
        print(f"{_SECONDS}{seconds}", flush=True)
        return
    environment = dict(QUICK) if options.quick else {}
    if options.data:
        environment["LEDGERLINE_DATA"] = str(options.data.resolve())
    process, airflow = _measure("in-process", environment), _measure("airflow", environment)
    print(
        json.dumps(
            {
                "benchmark": "line_overhead",
                "figures": {"airflow_s": round(airflow, 1)},
                "peers": {"one_process_s": round(process, 1)},
                "ratios": {"one_process": round(airflow / process, 3)},
                "seeds": 1,
                "data": str(options.data.name) if options.data else "small sandbox" if options.quick else "sandbox",
                "quick": options.quick,
                "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
            }
        )
    )


if __name__ == "__main__":
    main()
