from pathlib import Path
from typing import Any

import pytest

from feature_store.views import view_named
from ledgerline.core.settings import PROJECT_ROOT
from ledgerline.decisions.fraud import REASON_CODES
from pipelines.training.errors import TrainingRefused
from pipelines.training.fraud.parameters import FraudParameters
from pipelines.training.parameters import family_parameters


def test_the_projects_own_parameters_are_the_published_ones():
    parameters = FraudParameters.checked(family_parameters(PROJECT_ROOT, "fraud"))
    assert parameters.model.model_dump() == {
        "trees": 100,
        "learning_rate": 0.1,
        "max_depth": 3,
        "tree_method": "exact",
        "base_score": 0.5,
    }
    assert (parameters.alert_budget.cards_per_day, parameters.card_precision_top) == (100, 100)


def test_every_feature_of_the_view_has_a_reason_code(parameters: FraudParameters):
    assert tuple(REASON_CODES) == view_named(parameters.feature_view).feature_names


def test_misspelt_parameter_is_refused_by_name(raw_parameters: dict[str, Any]):
    raw_parameters["model"]["max_depht"] = 4
    with pytest.raises(TrainingRefused, match=r"model\.max_depht"):
        FraudParameters.checked(raw_parameters)


def test_impossible_value_is_refused_by_name(raw_parameters: dict[str, Any]):
    raw_parameters["splits"]["test"]["folds"] = 0
    with pytest.raises(TrainingRefused, match=r"splits\.test\.folds"):
        FraudParameters.checked(raw_parameters)


def test_missing_file_and_missing_family_are_said(tmp_path: Path):
    with pytest.raises(TrainingRefused, match="is missing"):
        family_parameters(tmp_path, "fraud")
    (tmp_path / "params.yaml").write_text("credit: {}\n")
    with pytest.raises(TrainingRefused, match="'fraud'"):
        family_parameters(tmp_path, "fraud")
