"""How well credit default is ranked on three lenders' published applications, without and with protected columns.

German (1,000), Taiwan's cards (30,000) and mortgages of 2018 (160,338; the target is a high price), read by the mapping
and measured by the platform's own training: five folds by a hash of the ids, for no source has dates, so nothing here
is *out of time*. The published figures use sex, marital status and age; the platform's models never see what a mapping
calls protected. With them means as text categories, an age's years too, which costs the linear model on small data.
Runs on ``LEDGERLINE_SHARED_DATA``, or ``shared/data`` beside the project. ``--quick`` leaves the mortgages out.
"""

import argparse
import json
import os
import platform
from pathlib import Path
from typing import Any

import polars as pl

from ledgerline.core.contracts import Role
from ledgerline.core.settings import PROJECT_ROOT
from pipelines.ingestion import load_mapping
from pipelines.ingestion.reading import read_rows
from pipelines.ingestion.source import FolderSource
from pipelines.training.credit.evaluate import evaluate
from pipelines.training.credit.fit import ModelName
from pipelines.training.credit.metrics import Metric
from pipelines.training.credit.parameters import CreditParameters
from pipelines.training.parameters import family_parameters
from pipelines.training.statistics import paired_interval, spread

PEERS = {  # published, or reference scripts on the same files; protocols differ from ours, see the docstring
    "german.published.xgboost.auc": 0.8174,
    "german.published.logistic_regression.auc": 0.810,
    "taiwan_cards.reference_script.xgboost.five_fold_auc": 0.7836,
    "taiwan_cards.reference_script.xgboost.five_fold_ks": 0.437,
    "taiwan_cards.published.gbm.five_fold_auc": 0.783,
    "hmda.published.monotone_xgboost.auc": 0.7917,
    "hmda.published.ebm.auc": 0.825,
    "hmda.reference_script.xgboost.auc": 0.827,
}


def main() -> None:
    """Measure every lender, and print the figures as the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="without the mortgages, under a minute")
    options = parser.parse_args()
    folder = Path(os.environ.get("LEDGERLINE_SHARED_DATA", PROJECT_ROOT.parent / "shared" / "data"))
    figures: dict[str, Any] = {}
    parameters = CreditParameters.checked(family_parameters(PROJECT_ROOT, "credit"))
    if not (folder / "applications").is_dir():
        say(f"no applications at {folder}; nothing to measure")
    else:
        for portfolio, rows, names, protected in lenders(folder):
            if options.quick and portfolio == "hmda":
                continue
            for label, inputs in (("", names), ("_with_protected", [*names, *protected])):
                figures |= measured(f"{portfolio}{label}", rows, inputs, parameters)
    print(
        json.dumps(
            {
                "benchmark": "credit_lenders",
                "figures": figures,
                "peers": PEERS,
                "ratios": {},
                "seeds": len(parameters.seeds),
                "data": "published applications, hashed folds, not out of time" if figures else "absent",
                "quick": options.quick,
                "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
            }
        )
    )


def lenders(folder: Path) -> list[tuple[str, pl.DataFrame, list[str], list[str]]]:
    """Return each lender's portfolio, rows, names of inputs and names of protected columns."""
    source = FolderSource(folder, load_mapping(PROJECT_ROOT / "mappings" / "shared_data.yaml"))
    found = []
    for file in source.files("applications"):
        contract = file.feed.contract("applications")
        runs = read_rows(
            folder / file.file.path, name=file.file.path, contract=contract, feed=file.feed, parts=dict(file.file.parts)
        )
        rows = pl.concat([typed.rows for typed in runs])
        names = [column.name for column in contract.columns if column.role in (Role.NUMERIC, Role.CATEGORICAL)]
        protected = [column.name for column in contract.columns if column.role is Role.PROTECTED]
        found.append((rows["portfolio"][0], rows, names, protected))
    return found


def measured(label: str, rows: pl.DataFrame, names: list[str], parameters: CreditParameters) -> dict[str, Any]:
    """Return the figures of our model and the linear one on one lender's applications."""
    say(f"{label}: {rows.height:,} applications, {len(names)} inputs")
    evaluation = evaluate(rows, parameters, names, say)
    own, linear = (
        [result.metrics[model] for result in evaluation.results]
        for model in (ModelName.XGBOOST, ModelName.LOGISTIC_REGRESSION)
    )
    figures: dict[str, Any] = {}
    for name, folds in (("xgboost", own), ("logistic_regression", linear)):
        for metric in Metric:
            over = spread([fold[metric] for fold in folds])
            figures |= {
                f"{label}.{name}.{metric}": round(over.mean, 4),
                f"{label}.{name}.{metric}_std": round(over.std, 4),
            }
    gain = paired_interval([a[Metric.AUC] - b[Metric.AUC] for a, b in zip(own, linear, strict=True)])
    figures |= {f"{label}.auc_gain_low": gain.low, f"{label}.auc_gain_high": gain.high}
    say(f"  AUC {figures[f'{label}.xgboost.auc']} against {figures[f'{label}.logistic_regression.auc']} linear")
    return figures


def say(message: str) -> None:
    """Print progress."""
    print(message, flush=True)


if __name__ == "__main__":
    main()
