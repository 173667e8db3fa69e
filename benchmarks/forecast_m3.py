"""How far monthly forecasts are off on the M3 competition's 1,428 monthly series, eighteen months ahead.

Runs on the published series (``LEDGERLINE_SHARED_DATA``, or ``shared/data`` beside the project), and says so where they
are absent. The series, the choice of method before the test, the measures and the intervals are the platform's own.
``--quick`` takes every seventh series.
"""

import argparse
import json
import os
import platform
import time
from pathlib import Path
from typing import Any

import polars as pl

from ledgerline.core.contracts import contract_named
from ledgerline.core.settings import PROJECT_ROOT
from pipelines.ingestion import load_mapping
from pipelines.ingestion.reading import read_rows
from pipelines.ingestion.source import FolderSource
from pipelines.training.forecast.evaluate import Baseline, Evaluation, Method, evaluate
from pipelines.training.forecast.intervals import coverage, half_widths
from pipelines.training.forecast.parameters import ForecastParameters
from pipelines.training.forecast.report import rounded
from pipelines.training.parameters import family_parameters
from pipelines.training.statistics import paired_interval, spread

PEERS = {  # plain scripts on the same series and months, and the competition's own table
    "published.theta.smape": 13.85,
    "reference_script.seasonal_naive.owa": 1.066,
    "reference_script.theta.owa": 0.831,
    "reference_script.dynamic_optimised_theta.owa": 0.819,
    "reference_script.global_lightgbm.owa_low": 0.816,
    "reference_script.global_lightgbm.owa_high": 0.840,
}
QUICK_SHARE = 7


def main() -> None:
    """Measure, and print the figures as the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="every seventh series, under a minute")
    options = parser.parse_args()

    folder = Path(os.environ.get("LEDGERLINE_SHARED_DATA", PROJECT_ROOT.parent / "shared" / "data"))
    if not (folder / "ledger" / "m3_monthly.parquet").is_file():
        say(f"the M3 competition's series are not at {folder}; nothing to measure")
        print_result({}, seeds=0, quick=options.quick, data="absent")
        return
    rows = ledger_rows(folder, quick=options.quick)
    parameters = ForecastParameters.checked(family_parameters(PROJECT_ROOT, "forecast"))
    start = time.perf_counter()
    found = evaluate(rows, as_of=rows["available_at"].max(), parameters=parameters, progress=say)
    figures = measured(found, parameters) | {"evaluate_seconds": round(time.perf_counter() - start, 1)}
    for line in table(found):
        say(line)
    data = f"{len(found.names):,} monthly series of the M3 competition, {parameters.horizon} months ahead"
    print_result(figures, seeds=len(parameters.model.seeds), quick=options.quick, data=data)


def say(message: str) -> None:
    """Print progress."""
    print(message, flush=True)


def ledger_rows(folder: Path, *, quick: bool) -> pl.DataFrame:
    """Read the published series by the mapping."""
    source = FolderSource(folder, load_mapping(PROJECT_ROOT / "mappings" / "shared_data.yaml"))
    contract = contract_named("ledger")
    frames = [
        typed.rows
        for found in source.files(contract.name)
        for typed in read_rows(
            source.folder / found.file.path,
            name=found.file.path,
            contract=contract,
            feed=found.feed,
            parts=dict(found.file.parts),
        )
    ]
    rows = pl.concat(frames).select(contract.column_names)
    names = rows["entity_id"].unique().sort()
    return rows.filter(pl.col("entity_id").is_in(names.gather_every(QUICK_SHARE).implode())) if quick else rows


def measured(found: Evaluation, parameters: ForecastParameters) -> dict[str, Any]:
    """Return accuracy by method, how sure the gains over the baselines are, and the intervals' coverage."""
    figures: dict[str, Any] = {"chosen": str(found.chosen), "series": len(found.names)}
    for name in (*Method, *Baseline):
        figures |= {
            f"{name}.owa": float(found.parts[name].mean()),
            f"{name}.smape": float(found.errors[name].smape.mean()),
            f"{name}.mase": float(found.errors[name].mase.mean()),
            f"{name}.owa_before_test": found.validation[name],
        }
    for baseline in Baseline:
        gain = found.parts[baseline] - found.parts[found.chosen]
        interval = paired_interval([float(gain[found.groups == group].mean()) for group in sorted(set(found.groups))])
        figures |= {f"gain_over_{baseline}_low": interval.low, f"gain_over_{baseline}_high": interval.high}
    if found.seeds:
        over_seeds = spread(list(found.seeds.values()))
        figures |= {"chosen.owa_mean_over_seeds": over_seeds.mean, "chosen.owa_std_over_seeds": over_seeds.std}
    widths = half_widths(found.residuals, found.residual_histories, parameters.levels)
    covered = coverage(widths, found.origin.histories, found.origin.actuals, found.forecasts[found.chosen])
    return figures | {f"coverage_{level}": share for level, share in covered.items()}


def table(found: Evaluation) -> list[str]:
    """Return the comparison as lines."""
    lines = [f"{'method':26s} {'OWA':>7s} {'sMAPE':>7s} {'MASE':>7s} {'before the test':>16s}"]
    for name in (*Method, *Baseline):
        smape, mase = (float(values.mean()) for values in (found.errors[name].smape, found.errors[name].mase))
        chosen = "  <- chosen" if name == found.chosen else ""
        owa = float(found.parts[name].mean())
        lines.append(f"{name:26s} {owa:7.4f} {smape:7.3f} {mase:7.3f} {found.validation[name]:16.4f}{chosen}")
    return lines


def print_result(figures: dict[str, Any], *, seeds: int, quick: bool, data: str) -> None:
    """Print the one JSON object that is the benchmark's answer."""
    found = rounded(figures)
    own, peer = f"{Method.THETA}.owa", f"reference_script.{Method.THETA}.owa"
    result = {
        "benchmark": "forecast_m3",
        "figures": found,
        "peers": PEERS,
        "ratios": {"theta_to_reference": round(found[own] / PEERS[peer], 4)} if found else {},
        "seeds": seeds,
        "spread": "*_std_over_seeds is the population standard deviation; gain_*: 95 % interval over groups of series",
        "data": data,
        "quick": quick,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    }
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
