"""The forecast family's key of ``params.yaml``."""

from typing import Any

import pytest

from pipelines.training import TrainingRefused
from pipelines.training.forecast.parameters import ForecastParameters


def test_committed_parameters_are_the_competitions_horizon(raw_parameters: dict[str, Any]):
    assert ForecastParameters.checked(raw_parameters).horizon == 18


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"horizon": 0}, "horizon"),
        ({"groups": 1}, "groups"),
        ({"levels": []}, "levels"),
        ({"levels": [1.0]}, "levels"),
        ({"levels": [0.95, 0.8, 0.8]}, "levels"),
        ({"model": {}}, "model.trees"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_wrong_parameter_is_named(raw_parameters: dict[str, Any], change: dict[str, Any], named: str):
    with pytest.raises(TrainingRefused, match=named):
        ForecastParameters.checked(raw_parameters | change)
