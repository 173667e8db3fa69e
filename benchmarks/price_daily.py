"""How much a daily price model knows, and what is left of it after costs, on 88 real shares.

Runs on the published prices, posts and series (``LEDGERLINE_SHARED_DATA``, or ``shared/data`` beside the project), and
says so where they are absent. The features, the labels, the split and the training are the platform's own. ``--quick``
fits two seeds instead of five.
"""

import argparse
import json
import os
import platform
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from feature_store.views import view_named
from ledgerline.core.contracts import contract_named
from ledgerline.core.settings import PROJECT_ROOT
from ledgerline.decisions.trading import trading_policy
from ledgerline.decisions.trading.backtest import annual, rule_backtest
from ledgerline.decisions.trading.model import INDICATORS
from pipelines.ingestion import load_mapping
from pipelines.ingestion.reading import read_rows
from pipelines.ingestion.source import FolderSource
from pipelines.training.parameters import family_parameters
from pipelines.training.price.dataset import join_labels
from pipelines.training.price.evaluate import Evaluation, evaluate, rule_days
from pipelines.training.price.fit import ModelName
from pipelines.training.price.metrics import t_statistic
from pipelines.training.price.parameters import PriceParameters
from pipelines.training.price.report import rounded, signal_facts
from pipelines.training.price.samples import split
from pipelines.training.statistics import spread

VIEW = view_named("equity_daily")
PEERS = {  # plain scripts on the same 88 shares, split and label, 71 features, five seeds
    "reference_script.ic_mean": 0.0125,
    "reference_script.ic_std_over_seeds": 0.0101,
    "reference_script.gross_return": 0.064,
    "reference_script.net_return": -0.073,
}


def main() -> None:
    """Measure, and print the figures as the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two seeds, under a minute")
    options = parser.parse_args()

    folder = Path(os.environ.get("LEDGERLINE_SHARED_DATA", PROJECT_ROOT.parent / "shared" / "data"))
    if not (folder / "market" / "stocknet").is_dir():
        say(f"the published prices are not at {folder}; nothing to measure")
        print_result({}, seeds=0, quick=options.quick, data="absent")
        return
    parameters = PriceParameters.checked(family_parameters(PROJECT_ROOT, "price"))
    if options.quick:
        parameters = parameters.model_copy(update={"seeds": parameters.seeds[:2]})
    frame, figures = training_set(folder)
    start = time.perf_counter()
    evaluation = evaluate(split(frame, parameters.splits, VIEW.feature_names), parameters, VIEW.feature_names, say)
    figures["evaluate_seconds"] = round(time.perf_counter() - start, 2)
    add_signal(figures, evaluation, parameters)
    add_rules(figures, evaluation, parameters)
    for line in table(figures, evaluation):
        say(line)
    data = f"{frame['instrument'].n_unique()} US shares, {frame['event_time'].n_unique():,} sessions (stocknet-dataset)"
    print_result(figures, seeds=len(parameters.seeds), quick=options.quick, data=data)


def say(message: str) -> None:
    """Print progress."""
    print(message, flush=True)


def training_set(folder: Path) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Read the published files, compute features and join labels; return the rows and what it took."""
    source = FolderSource(folder, load_mapping(PROJECT_ROOT / "mappings" / "shared_data.yaml"))
    tables = {}
    for contract in VIEW.sources:
        if contract.name in source.datasets():
            say(f"reading {contract.name}")
            tables[contract.name] = rows_of(source, contract.name)
    prices = tables["prices_daily"]
    actions = tables.get("corporate_actions", empty("corporate_actions"))
    as_of = prices.filter(pl.col("asset_class") == "equity")["available_at"].max()
    start = time.perf_counter()
    say(f"computing {len(VIEW.features)} features of {prices.height:,} bars")
    features = VIEW.compute(tables)
    computed = time.perf_counter()
    frame = join_labels(features, prices, actions, as_of=as_of, names=VIEW.feature_names)
    return frame, {
        "features": len(VIEW.features),
        "features_seconds": round(computed - start, 2),
        "join_labels_seconds": round(time.perf_counter() - computed, 2),
    }


def rows_of(source: FolderSource, dataset: str) -> pl.DataFrame:
    """Return a dataset's rows as typed by the mapping; rows that lack what they must have are left out."""
    contract = contract_named(dataset)
    required = [column.name for column in contract.columns if not column.nullable]
    frames = [
        typed.rows
        for found in source.files(dataset)
        for typed in read_rows(
            source.folder / found.file.path,
            name=found.file.path,
            contract=contract,
            feed=found.feed,
            parts=dict(found.file.parts),
        )
    ]
    return pl.concat(frames).select(contract.column_names).drop_nulls(required).unique(contract.key, keep="first")


def empty(dataset: str) -> pl.DataFrame:
    """Return no rows of a dataset."""
    from feature_store.sources import empty_rows

    return empty_rows(contract_named(dataset))


def add_signal(figures: dict[str, Any], evaluation: Evaluation, parameters: PriceParameters) -> None:
    """Add information coefficients and returns of the model and its baselines."""
    signal = signal_facts(evaluation, parameters)
    over_seeds = spread(signal["ic_seeds"])
    figures |= {
        "ic_mean": over_seeds.mean,
        "ic_std_over_seeds": over_seeds.std,
        "ic_min_over_seeds": min(signal["ic_seeds"]),
        "ic_max_over_seeds": max(signal["ic_seeds"]),
        **{name: signal[name] for name in ("ic_t_days", "rank_ic_mean", "rank_ic_t_days", "days")},
        **{name: signal[name] for name in ("gross_return", "net_return")},
        "net_return_low": signal["net_return_ci"][0],
        "net_return_high": signal["net_return_ci"][1],
    }
    for model, (low, high) in signal["net_over_baselines_ci"].items():
        figures |= {f"net_over_{model}_low": low, f"net_over_{model}_high": high}
    for model, result in evaluation.baselines.items():
        figures |= {
            f"{model}.ic_mean": float(result.coefficients.ic.mean()),
            f"{model}.ic_t_days": t_statistic(result.coefficients.ic),
            f"{model}.net_return": annual(result.portfolio.net),
        }


def add_rules(figures: dict[str, Any], evaluation: Evaluation, parameters: PriceParameters) -> None:
    """Add what the trading job's own rules would have earned."""
    days = rule_days(evaluation.test, evaluation.seeds[0].scores, VIEW.feature_names, sorted(INDICATORS))
    rules = rule_backtest(days, trading_policy(PROJECT_ROOT), cost_bp=parameters.cost_bp)
    figures |= {f"rules.{name}": value for name, value in asdict(rules.performance).items()}
    figures["rules.orders"] = rules.orders


def table(figures: dict[str, Any], evaluation: Evaluation) -> list[str]:
    """Return the comparison as lines."""
    lines = [f"{'model':22s} {'IC':>8s} {'t (days)':>9s} {'net a year':>11s}"]
    own = (figures["ic_mean"], figures["ic_t_days"], figures["net_return"])
    rows = {ModelName.LIGHTGBM: own} | {
        model: (figures[f"{model}.ic_mean"], figures[f"{model}.ic_t_days"], figures[f"{model}.net_return"])
        for model in evaluation.baselines
    }
    lines += [f"{model:22s} {ic:+8.4f} {t:9.2f} {net:+11.1%}" for model, (ic, t, net) in rows.items()]
    return lines


def print_result(figures: dict[str, Any], *, seeds: int, quick: bool, data: str) -> None:
    """Print the one JSON object that is the benchmark's answer."""
    found = rounded(figures)
    result = {
        "benchmark": "price_daily",
        "figures": found,
        "peers": PEERS,
        "ratios": {"net_return_less_reference": round(found["net_return"] - PEERS["reference_script.net_return"], 4)}
        if found
        else {},
        "seeds": seeds,
        "spread": "*_std_over_seeds is the population standard deviation; t over days; returns with a block bootstrap",
        "data": data,
        "quick": quick,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    }
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
