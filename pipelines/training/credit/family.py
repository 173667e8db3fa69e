"""The credit family, as the shared training sees it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ledgerline.decisions.credit
from ledgerline.audit import Ledger, RecordedLeaf
from ledgerline.decisions.bundle import Bundle, ManifestFields
from ledgerline.decisions.credit import credit_policy
from pipelines.training.credit.dataset import feature_names, training_set_spec
from pipelines.training.credit.parameters import CreditParameters
from pipelines.training.credit.procedure import TrainedCreditModel, train_model
from pipelines.training.family import Progress
from pipelines.training.sealed import BundleOrigin, SealedTrainingSet


class CreditFamily:
    """Credit applications: calibrated XGBoost, beside logistic regression and the prior rate."""

    name = "credit"
    code = (Path(__file__).parent, Path(ledgerline.decisions.credit.__file__).parent)
    libraries = ("numpy", "polars", "scikit-learn", "scipy", "xgboost")

    def parameters(self, raw: dict[str, Any]) -> CreditParameters:
        """Check what ``params.yaml`` says; see :class:`pipelines.training.family.Family`."""
        return CreditParameters.checked(raw)

    def spec(self, parameters: CreditParameters) -> str:
        """Return the fingerprint of how a training set is made."""
        return training_set_spec(parameters.portfolio)

    def dataset(self, ledger: Ledger, version: RecordedLeaf, parameters: CreditParameters) -> SealedTrainingSet:
        """Join one portfolio's features to the outcomes known at the version's ``as_of``."""
        from pipelines.training.credit.sealed import seal_training_set

        return seal_training_set(ledger, version, parameters.portfolio)

    def train(
        self, ledger: Ledger, dataset: SealedTrainingSet, parameters: CreditParameters, say: Progress
    ) -> TrainedCreditModel:
        """Evaluate on the newest outcomes, or without dates on parts by a hash, and fit on all of them."""
        from pipelines.features.recompute import recomputation
        from pipelines.training.credit.sealed import attributes_of

        return train_model(
            dataset.frame,
            as_of=dataset.as_of,
            parameters=parameters,
            policy=credit_policy(ledger.settings.project),
            names=feature_names(dataset.frame),
            attributes=attributes_of(ledger, dataset.manifest, str(dataset.frame["portfolio"][0])),
            recompute=recomputation(ledger, dataset.manifest),
            progress=say,
        )

    def bundle(
        self, trained: TrainedCreditModel, dataset: SealedTrainingSet, origin: BundleOrigin
    ) -> tuple[ManifestFields, Mapping[str, bytes]]:
        """Return the booster and the documents beside it."""
        from pipelines.training.credit.export import bundle_of

        return bundle_of(trained, origin=origin)

    def log(
        self,
        trained: TrainedCreditModel,
        dataset: SealedTrainingSet,
        parameters: CreditParameters,
        bundle: Bundle,
        location: str,
    ) -> str:
        """Tell MLflow."""
        from pipelines.training.credit.logged import log_training

        values = parameters.model_dump(mode="json")
        return log_training(trained, dataset=dataset, location=location, parameters=values, bundle=bundle)


FAMILY = CreditFamily()
