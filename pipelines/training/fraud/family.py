"""The fraud family, as the shared training sees it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ledgerline.decisions.fraud
from ledgerline.audit import Ledger, RecordedLeaf
from ledgerline.decisions.bundle import Bundle, ManifestFields
from pipelines.training.family import Progress
from pipelines.training.fraud.dataset import training_set_spec
from pipelines.training.fraud.parameters import FraudParameters
from pipelines.training.fraud.procedure import TrainedFraudModel, train_model
from pipelines.training.sealed import BundleOrigin, SealedTrainingSet


class FraudFamily:
    """Card payments: XGBoost on a week, beside logistic regression and the prior rate."""

    name = "fraud"
    code = (Path(__file__).parent, Path(ledgerline.decisions.fraud.__file__).parent)
    libraries = ("numpy", "polars", "scikit-learn", "scipy", "xgboost")

    def parameters(self, raw: dict[str, Any]) -> FraudParameters:
        """Check what ``params.yaml`` says; see :class:`pipelines.training.family.Family`."""
        return FraudParameters.checked(raw)

    def spec(self, parameters: FraudParameters) -> str:
        """Return the fingerprint of how a training set is made."""
        return training_set_spec()

    def dataset(self, ledger: Ledger, version: RecordedLeaf, parameters: FraudParameters) -> SealedTrainingSet:
        """Join the features to the labels known at the version's ``as_of``."""
        from pipelines.training.fraud.sealed import seal_training_set

        return seal_training_set(ledger, version)

    def train(
        self, ledger: Ledger, dataset: SealedTrainingSet, parameters: FraudParameters, say: Progress
    ) -> TrainedFraudModel:
        """Evaluate on past weeks and fit on the newest."""
        from pipelines.features.recompute import recomputation

        return train_model(
            dataset.frame,
            as_of=dataset.as_of,
            parameters=parameters,
            names=dataset.manifest.features,
            recompute=recomputation(ledger, dataset.manifest),
            progress=say,
        )

    def bundle(
        self, trained: TrainedFraudModel, dataset: SealedTrainingSet, origin: BundleOrigin
    ) -> tuple[ManifestFields, Mapping[str, bytes]]:
        """Return the booster and the documents beside it."""
        from pipelines.training.fraud.export import bundle_of

        return bundle_of(trained, origin=origin, names=dataset.manifest.features)

    def log(
        self,
        trained: TrainedFraudModel,
        dataset: SealedTrainingSet,
        parameters: FraudParameters,
        bundle: Bundle,
        location: str,
    ) -> str:
        """Tell MLflow."""
        from pipelines.training.fraud.logged import log_training

        values = parameters.model_dump(mode="json")
        return log_training(trained, dataset=dataset, location=location, parameters=values, bundle=bundle)


FAMILY = FraudFamily()
