"""The whole procedure on the simulated lender, and that its checks find what is planted."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from feature_store.lookahead import Future
from ledgerline.core.settings import PROJECT_ROOT
from ledgerline.core.storage import ObjectStore
from ledgerline.decisions.bundle import load_bundle, write_bundle
from ledgerline.decisions.credit import AttributeKind, CreditModel, credit_policy
from pipelines.promotion.family_terms import FAMILY_TERMS
from pipelines.training.credit.export import bundle_of
from pipelines.training.credit.fit import fit_trees
from pipelines.training.credit.leaks import history_reproduced, no_protected_input, no_telltale
from pipelines.training.credit.parameters import CreditParameters
from pipelines.training.credit.procedure import TrainedCreditModel, train_model
from pipelines.training.credit.samples import folds_of, whole_development
from pipelines.training.sealed import BundleOrigin

AS_OF = datetime(2018, 10, 1, tzinfo=UTC)
ORIGIN = BundleOrigin(
    feature_view="credit_application",
    feature_fingerprint="a" * 64,
    training_set="b" * 64,
    training_run="c" * 64,
)


@pytest.fixture(scope="module")
def train(parameters: CreditParameters, names: list[str]) -> Callable[[pl.DataFrame], TrainedCreditModel]:
    kinds = {
        name: AttributeKind.CATEGORICAL if name in ("purpose", "housing") else AttributeKind.NUMERIC for name in names
    }

    def run(frame: pl.DataFrame) -> TrainedCreditModel:
        return train_model(
            frame,
            as_of=AS_OF,
            parameters=parameters,
            policy=credit_policy(PROJECT_ROOT),
            names=names,
            attributes=kinds,
            recompute=lambda at, _: frame.filter(pl.col("available_at") <= at),
            progress=lambda said: None,
        )

    return run


@pytest.fixture(scope="module")
def frame(training_set: Callable[..., pl.DataFrame]) -> pl.DataFrame:
    return training_set()


@pytest.fixture(scope="module")
def trained(train: Callable[[pl.DataFrame], TrainedCreditModel], frame: pl.DataFrame) -> TrainedCreditModel:
    return train(frame)


def test_the_report_holds_what_gates_ask_for(trained: TrainedCreditModel) -> None:
    report, terms = trained.report, FAMILY_TERMS["credit"]
    assert report["out_of_time"] is True
    assert set(report["baselines"]) == terms.baselines
    assert set(report["metrics"]) == terms.metrics
    assert report["metrics"]["brier"]["higher_is_better"] is False
    checks = {check["check"]: check["passed"] for check in report["leak_checks"]}
    assert all(checks[name] for name in terms.leak_checks)
    assert len(report["folds"]["test"]) == 6
    assert {(each["attribute"], each["group"]) for each in report["fairness"]["groups"]} == {("GROUP", "B")}
    assert 0 < report["fairness"]["cut_off"] < 1


def test_the_model_ranks_defaults_and_knowing_nothing_does_not(trained: TrainedCreditModel) -> None:
    summary: Mapping[str, Any] = trained.report["summary"]["test"]
    assert summary["prior_rate"]["auc"]["mean"] == 0.5
    assert summary["xgboost"]["auc"]["mean"] > 0.65
    assert summary["xgboost"]["brier"]["mean"] < summary["prior_rate"]["brier"]["mean"]


def test_the_bundle_answers_as_the_model_that_was_fit(
    trained: TrainedCreditModel, frame: pl.DataFrame, tmp_path: Path
) -> None:
    objects = ObjectStore(tmp_path)
    fields, files = bundle_of(trained, origin=ORIGIN)
    model = CreditModel.load(load_bundle(objects, write_bundle(objects, fields, files)))
    rows = frame.head(200)
    assert model.probabilities(rows).tolist() == trained.model.probabilities(rows).tolist()
    assert model.portfolio == "loans"
    assert not any("GROUP" in name for name in model.features)


def test_the_same_rows_give_the_same_bytes(
    trained: TrainedCreditModel, frame: pl.DataFrame, parameters: CreditParameters, names: list[str]
) -> None:
    again = fit_trees(whole_development(frame, parameters.splits), parameters, names, seed=parameters.seeds[0])
    assert bytes(again.booster.save_raw("ubj")) == bytes(trained.model.booster.save_raw("ubj"))
    assert again.calibration == trained.model.calibration


def test_outcomes_that_were_shuffled_are_not_ranked(
    train: Callable[[pl.DataFrame], TrainedCreditModel], frame: pl.DataFrame
) -> None:
    """Whatever the procedure leaks of an outcome, it would find here too."""
    known = frame.filter(pl.col("defaulted").is_not_null())
    shuffled = known["defaulted"].to_numpy()[np.random.default_rng(9).permutation(known.height)]
    unknown = frame.filter(pl.col("defaulted").is_null())
    report = train(pl.concat([known.with_columns(defaulted=pl.Series(shuffled)), unknown])).report
    assert abs(report["summary"]["test"]["xgboost"]["auc"]["mean"] - 0.5) < 0.08


def test_without_dates_the_report_says_so(
    train: Callable[[pl.DataFrame], TrainedCreditModel], training_set: Callable[..., pl.DataFrame]
) -> None:
    trained = train(training_set(1_500, dated=False))
    assert trained.report["out_of_time"] is False
    assert any(sentence.startswith("Not out of time") for sentence in trained.report["limits"])
    _, files = bundle_of(trained, origin=ORIGIN)
    assert b"Not out of time" in files["card.md"]
    assert json.loads(files["evaluation.json"])["data"]["first_event"] is None


def test_an_outcome_under_another_name_is_found(
    frame: pl.DataFrame, parameters: CreditParameters, names: list[str]
) -> None:
    told = frame.with_columns(collections=pl.col("defaulted").cast(pl.Float64))
    last = folds_of(told, parameters.splits)[-1]
    found = no_telltale(last, [*names, "collections"])
    assert not found.passed
    assert "collections" in found.detail
    assert no_telltale(last, names).passed


def test_a_protected_attribute_is_found_under_its_own_and_under_another_name(
    frame: pl.DataFrame, names: list[str]
) -> None:
    letters = frame.with_columns(
        GROUP=pl.col("protected.GROUP"), branch=pl.col("protected.GROUP").replace({"A": "north", "B": "south"})
    )
    assert no_protected_input(frame, names).passed
    assert not no_protected_input(letters, [*names, "GROUP"]).passed
    found = no_protected_input(letters, [*names, "branch"])
    assert not found.passed
    assert "branch (is GROUP)" in found.detail


def test_a_feature_that_looks_ahead_is_found(frame: pl.DataFrame, names: list[str]) -> None:
    """Income over the mean of all incomes, later ones too, differs when later ones do not exist yet."""
    at = datetime(2018, 6, 1, tzinfo=UTC)

    def ahead(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.with_columns(relative=pl.col("income") / pl.col("income").mean())

    def recompute(until: datetime, _: Future) -> pl.DataFrame:
        return ahead(frame.filter(pl.col("available_at") <= until))

    found = history_reproduced(ahead(frame), at=at, names=[*names, "relative"], recompute=recompute)
    assert not found.passed
    assert found.detail.endswith("differ in relative")
    assert history_reproduced(ahead(frame), at=at, names=names, recompute=recompute).passed
