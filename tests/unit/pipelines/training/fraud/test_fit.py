import numpy as np
import pytest

from pipelines.training.errors import TrainingRefused
from pipelines.training.fraud.fit import (
    ModelName,
    booster_predict,
    fit_all,
    fit_booster,
    mean_contributions,
)
from pipelines.training.fraud.parameters import FraudParameters
from pipelines.training.fraud.samples import Sample

NAMES = ("amount", "noise")


def _sample(rows: int = 3_000, *, seed: int = 1) -> Sample:
    generator = np.random.default_rng(seed)
    features = generator.random((rows, 2))
    fraud = features[:, 0] + 0.1 * generator.random(rows) > 0.95
    return Sample(features, fraud, generator.integers(0, 50, rows), np.zeros(rows, dtype=np.int64))


def test_fitting_twice_gives_the_same_bytes(parameters: FraudParameters):
    first, second = (fit_booster(_sample(), parameters.model, NAMES).save_raw("ubj") for _ in range(2))
    assert first == second


def test_every_model_answers_every_row_with_a_probability(parameters: FraudParameters):
    train, test = _sample(), _sample(100, seed=2)
    models = fit_all(train, parameters, NAMES)

    assert set(models) == set(ModelName)
    for predict in models.values():
        scores = predict(test.features)
        assert scores.shape == (100,)
        assert ((scores > 0) & (scores < 1)).all()


def test_prior_rate_knows_only_how_often_fraud_occurs(parameters: FraudParameters):
    train = _sample()
    scores = fit_all(train, parameters, NAMES)[ModelName.PRIOR_RATE](train.features)
    assert np.unique(scores).tolist() == [train.frauds / len(train)]


def test_model_starts_from_the_parameters_base_score_and_takes_as_many_trees(parameters: FraudParameters):
    booster = fit_booster(_sample(), parameters.model, NAMES)
    assert booster.num_boosted_rounds() == 100
    assert booster.feature_names == list(NAMES)


def test_contributions_name_the_feature_that_matters(parameters: FraudParameters):
    sample = _sample()
    booster = fit_booster(sample, parameters.model, NAMES)
    found = mean_contributions(booster, sample, NAMES)
    assert found["amount"] > 10 * found["noise"] > 0
    assert booster_predict(booster)(sample.features).max() > 0.9


@pytest.mark.parametrize("fraud", [False, True])
def test_week_with_one_class_teaches_nothing(parameters: FraudParameters, fraud: bool):
    sample = _sample(10)
    one_class = Sample(sample.features, np.full(10, fraud), sample.card, sample.day)
    with pytest.raises(TrainingRefused, match="teaches nothing"):
        fit_booster(one_class, parameters.model, NAMES)
