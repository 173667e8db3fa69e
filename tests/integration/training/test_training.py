import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import xgboost
import yaml

from feature_store.versions.git import COMMITTER_EMAIL, COMMITTER_NAME
from feature_store.versions.manifest import Manifest
from ledgerline.audit import Kind, Leaf, Ledger
from ledgerline.core.settings import Settings
from ledgerline.decisions.bundle import load_bundle
from ledgerline.decisions.fraud import FraudModel
from pipelines.training import TrainingRefused, find_run, train
from pipelines.training.fraud.dataset import feature_names
from pipelines.training.fraud.evaluate import evaluate
from pipelines.training.fraud.parameters import FraudParameters
from pipelines.training.fraud.sealed import seal_training_set
from pipelines.training.run import make_model, training_order
from pipelines.training.sealed import decode_training_set
from pipelines.training.splits import FoldRole


def test_training_leaves_one_line_from_the_features_to_the_bundle(trained: Any):
    log, result = trained.ledger.log, trained.result

    bundle = log.latest(Kind.MODEL_BUNDLE, digest=result.bundle)
    [(role, run)] = log.parents(bundle.id)
    [(of_run, training_set)] = log.parents(run.id)
    parents = log.parents(training_set.id)

    assert (role, run.kind, run.id) == ("run", Kind.TRAINING_RUN, result.run)
    assert (of_run, training_set.kind) == ("training_set", Kind.TRAINING_SET)
    assert [role for role, _ in parents] == ["features", "labels"]
    assert parents[0][1].id == trained.version
    assert parents[1][1].identity["dataset"] == "fraud_labels"
    assert bundle.detail["training_set"] == training_set.id
    assert bundle.detail["feature_version"] == trained.version
    assert bundle.detail["trained_by"] == run.detail["trained_by"] == "somebody"
    assert run.detail["dag_run"] == "manual__1"
    assert run.detail["commit_authors"] == [run.detail["commit_committer"]]
    assert run.detail["commit_committer"] == {"name": COMMITTER_NAME, "email": COMMITTER_EMAIL}


def test_training_set_keeps_every_feature_row_and_knows_only_labels_of_its_as_of(trained: Any, world: Any):
    leaf = trained.ledger.log.latest(Kind.TRAINING_SET)
    content = trained.ledger.objects.get(leaf.identity["sha256"])
    frame, as_of = decode_training_set(content)

    assert frame.height == leaf.identity["rows"] == world.transactions.height
    known = frame.filter(pl.col("is_fraud").is_not_null())
    assert known["label_available_at"].max() <= as_of
    expected = world.labels.filter(pl.col("available_at") <= as_of)
    assert known.height == expected.height
    assert int(known["is_fraud"].sum()) == int(expected["is_fraud"].sum())


def test_bundle_scores_as_the_model_that_was_fit_on_the_newest_known_week(trained: Any, project: Path):
    """The deployed model is fitted anew here, by hand, and must give the same scores."""
    frame, _ = decode_training_set(_training_set_bytes(trained))
    model = FraudModel.load(load_bundle(trained.ledger.objects, trained.result.bundle))
    week = frame.filter(pl.col("event_time").dt.date().is_between(pl.date(2018, 9, 17), pl.date(2018, 9, 23)))
    rows = week.select(pl.col(model.features).cast(pl.Float64)).to_numpy()
    settings = yaml.safe_load((project / "params.yaml").read_text())["fraud"]["model"]
    booster = xgboost.train(
        {"objective": "binary:logistic", "eta": 0.1, "max_depth": 3, "tree_method": "exact", "base_score": 0.5},
        xgboost.DMatrix(rows, week["is_fraud"].to_numpy()),
        settings["trees"],
    )

    scores = model.score_frame(frame.head(3_000))

    again = booster.predict(
        xgboost.DMatrix(frame.head(3_000).select(pl.col(model.features).cast(pl.Float64)).to_numpy())
    )
    np.testing.assert_allclose(scores, again, rtol=1e-5)


def test_model_finds_the_planted_frauds_and_the_report_says_how_well(trained: Any):
    report = trained.result.report
    summary = report["summary"]["test"]

    assert len(report["folds"]["test"]) == len(report["folds"]["validation"]) == 4
    assert summary["xgboost"]["auc"]["mean"] > 0.75
    assert summary["xgboost"]["average_precision"]["mean"] > 3 * summary["prior_rate"]["average_precision"]["mean"]
    assert summary["prior_rate"]["auc"]["mean"] == 0.5
    assert all(
        fold["metrics"]["xgboost"]["card_precision"] <= fold["card_precision_ceiling"]
        for fold in report["folds"]["test"]
    )
    gain = report["versus_logistic_regression"]["average_precision"]
    differences = [
        fold["metrics"]["xgboost"]["average_precision"] - fold["metrics"]["logistic_regression"]["average_precision"]
        for fold in report["folds"]["test"]
    ]
    assert gain["mean"] == pytest.approx(np.mean(differences), abs=1e-5)
    assert gain["low"] < gain["mean"] < gain["high"]
    bootstrap = report["last_fold_bootstrap"]["xgboost"]["auc"]
    assert bootstrap["low"] < bootstrap["mean"] < bootstrap["high"]


def test_report_has_published_figures_only_beside_the_published_data(trained: Any):
    assert trained.result.report["published"] is None
    assert ".928" in trained.result.report["limits"][0]


def test_every_check_against_looking_ahead_passes(trained: Any):
    checks = trained.result.report["leak_checks"]
    assert {check["check"] for check in checks} >= {"truncated_history_reproduces_features", "no_single_feature_tells"}
    assert all(check["passed"] for check in checks), checks


def test_threshold_of_the_bundle_is_the_reports_and_keeps_the_budget_on_validation_weeks(trained: Any):
    bundle = load_bundle(trained.ledger.objects, trained.result.bundle)
    threshold = trained.result.report["threshold"]

    assert bundle.fields.threshold == threshold["value"]
    assert threshold["chosen_on"] == "validation"
    assert threshold["validation"]["cards_alerted_per_day"] <= threshold["cards_per_day_budget"]


def test_bundles_report_is_the_one_returned_and_its_card_shows_it(trained: Any):
    files = load_bundle(trained.ledger.objects, trained.result.bundle).files
    assert json.loads(files["evaluation.json"]) == trained.result.report
    card = files["card.md"].decode()
    average_precision = trained.result.report["summary"]["test"]["xgboost"]["average_precision"]
    assert f"{average_precision['mean']:.3f} ± {average_precision['std']:.3f}" in card
    assert trained.result.report["limits"][0] in card


def test_same_training_elsewhere_gives_the_same_bytes_and_ids(
    trained: Any, seal: Callable[[Path], Any], tmp_path: Path
):
    elsewhere = seal(tmp_path).ledger

    again = make_model(elsewhere, training_order(elsewhere, "fraud", None), lambda _: None)

    assert (again.run, again.bundle.digest) == (trained.result.run, trained.result.bundle)
    assert again.bundle.files == load_bundle(trained.ledger.objects, trained.result.bundle).files
    assert str(tmp_path).encode() not in b"".join(again.bundle.files.values())


def test_finished_training_is_found_and_reused(trained: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("pipelines.training.run.make_model", lambda *_: pytest.fail("it was computed again"))

    assert find_run(trained.ledger, "fraud", trained.version).id == trained.result.run
    again = train(trained.ledger, feature_version=trained.version[:12])
    assert again.reused
    assert (again.run, again.bundle, again.model_version) == (
        trained.result.run,
        trained.result.bundle,
        trained.result.model_version,
    )
    assert again.report == trained.result.report
    assert train(trained.ledger).bundle == again.bundle


def test_another_parameter_is_another_training_that_is_not_found(trained: Any, project: Path, tmp_path: Path):
    parameters = yaml.safe_load((project / "params.yaml").read_text())
    parameters["fraud"]["model"]["max_depth"] = 2
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(parameters))
    settings = Settings(home=trained.ledger.settings.home, project=tmp_path)

    assert find_run(Ledger.open(settings), "fraud", trained.version) is None


def test_accepted_labels_that_were_changed_on_disk_never_train(
    trained: Any, seal: Callable[[Path], Any], tmp_path: Path
):
    sealed = seal(tmp_path)
    [path] = (sealed.ledger.settings.workspace_path / "data/accepted/fraud_labels").glob("*.parquet")
    pl.read_parquet(path).with_columns(is_fraud=~pl.col("is_fraud")).write_parquet(path)

    dataset = seal_training_set(sealed.ledger, sealed.ledger.log.get(sealed.version))

    assert dataset.id == trained.ledger.log.latest(Kind.TRAINING_SET).id


def test_features_of_another_definition_are_refused(seal: Callable[[Path], Any], tmp_path: Path):
    sealed = seal(tmp_path)
    log, objects = sealed.ledger.log, sealed.ledger.objects
    version = log.get(sealed.version)
    manifest = Manifest.from_bytes(objects.get(version.identity["manifest"]))
    other = replace(manifest, fingerprint="f" * 64)
    objects.put(other.to_bytes())
    log.append(Leaf(Kind.FEATURE_VERSION, other.identity, {"tag": "evidence/other"}))

    with pytest.raises(TrainingRefused, match="another definition of card_spending"):
        train(sealed.ledger)
    assert log.latest(Kind.TRAINING_RUN) is None


def test_unknown_family_and_missing_features_are_refused(tmp_path: Path, project: Path):
    ledger = Ledger.open(Settings(home=tmp_path, project=project))
    with pytest.raises(TrainingRefused, match="'weather'"):
        train(ledger, "weather")
    with pytest.raises(TrainingRefused, match="no feature version of card_spending"):
        train(ledger)


def test_data_too_short_for_any_validation_week_are_refused_with_the_reason(
    trained: Any, project: Path, tmp_path: Path
):
    parameters = yaml.safe_load((project / "params.yaml").read_text())
    parameters["fraud"]["splits"]["validation"]["latest_train_start"] = 200
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(parameters))
    ledger = Ledger.open(Settings(home=trained.ledger.settings.home, project=tmp_path))

    with pytest.raises(TrainingRefused, match=r"no validation fold.*before the data"):
        train(ledger)


def test_folds_that_the_data_cannot_fill_are_left_out_and_named(trained: Any, project: Path):
    """Of four validation folds that reach back beyond the first day, the newest remain."""
    frame, as_of = decode_training_set(_training_set_bytes(trained))
    parameters = FraudParameters.checked(yaml.safe_load((project / "params.yaml").read_text())["fraud"])
    short = frame.filter(pl.col("event_time") >= as_of - timedelta(days=91))

    evaluation = evaluate(short, as_of=as_of, parameters=parameters, names=feature_names(frame))

    assert list(evaluation.left_out) == ["validation 1", "validation 2"]
    assert [result.fold.number for result in evaluation.results[FoldRole.VALIDATION]] == [3, 4]


def _training_set_bytes(trained: Any) -> bytes:
    leaf = trained.ledger.log.latest(Kind.TRAINING_SET)
    content: bytes = trained.ledger.objects.get(leaf.identity["sha256"])
    return content
