"""The forecast family, as the shared training sees it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import ledgerline.decisions.forecast
from ledgerline.audit import Ledger, RecordedLeaf
from ledgerline.decisions.bundle import Bundle, ManifestFields
from pipelines.training.family import Progress
from pipelines.training.forecast.evaluate import Evaluation
from pipelines.training.forecast.parameters import ForecastParameters
from pipelines.training.forecast.procedure import TrainedForecast, train_forecast
from pipelines.training.sealed import BundleOrigin, SealedTrainingSet


class ForecastFamily:
    """Monthly ledgers: Theta, global LightGBM or both, beside Naive2, seasonal naive and a linear model."""

    name = "forecast"
    code = (Path(__file__).parent, Path(ledgerline.decisions.forecast.__file__).parent)
    libraries = ("lightgbm", "numpy", "polars", "scipy", "statsforecast")

    def parameters(self, raw: dict[str, Any]) -> ForecastParameters:
        """Check what ``params.yaml`` says; see :class:`pipelines.training.family.Family`."""
        return ForecastParameters.checked(raw)

    def spec(self, parameters: ForecastParameters) -> str:
        """Return the fingerprint of how a training set is made."""
        from pipelines.training.forecast.sealed import training_set_spec

        return training_set_spec()

    def dataset(self, ledger: Ledger, version: RecordedLeaf, parameters: ForecastParameters) -> SealedTrainingSet:
        """Keep every month known at the version's ``as_of``, with its corrections."""
        from pipelines.training.forecast.sealed import seal_training_set

        return seal_training_set(ledger, version)

    def train(
        self, ledger: Ledger, dataset: SealedTrainingSet, parameters: ForecastParameters, say: Progress
    ) -> TrainedForecast:
        """Choose before the test, measure on it, and fit on all months."""
        from pipelines.features import read_features
        from pipelines.features.recompute import recomputation
        from pipelines.training.forecast.leaks import check_leaks

        def checks(evaluation: Evaluation) -> Sequence[Mapping[str, Any]]:
            found = check_leaks(
                dataset.frame,
                as_of=dataset.as_of,
                evaluation=evaluation,
                features=read_features(ledger, dataset.manifest.version).collect(),
                recompute=recomputation(ledger, dataset.manifest),
            )
            return [asdict(check) for check in found]

        return train_forecast(
            dataset.frame, as_of=dataset.as_of, parameters=parameters, leak_checks=checks, progress=say
        )

    def bundle(
        self, trained: TrainedForecast, dataset: SealedTrainingSet, origin: BundleOrigin
    ) -> tuple[ManifestFields, Mapping[str, bytes]]:
        """Return the model and the documents beside it."""
        from pipelines.training.forecast.export import bundle_of

        return bundle_of(trained, origin=origin)

    def log(
        self,
        trained: TrainedForecast,
        dataset: SealedTrainingSet,
        parameters: ForecastParameters,
        bundle: Bundle,
        location: str,
    ) -> str:
        """Tell MLflow."""
        from pipelines.training.forecast.logged import log_training

        values = parameters.model_dump(mode="json")
        return log_training(trained, dataset=dataset, location=location, parameters=values, bundle=bundle)


FAMILY = ForecastFamily()
