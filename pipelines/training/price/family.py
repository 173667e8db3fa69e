"""The price family, as the shared training sees it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ledgerline.decisions.trading
from ledgerline.audit import Ledger, RecordedLeaf
from ledgerline.decisions.bundle import Bundle, ManifestFields
from ledgerline.decisions.trading.policy import trading_policy
from pipelines.training.family import Progress
from pipelines.training.price.dataset import training_set_spec
from pipelines.training.price.parameters import PriceParameters
from pipelines.training.price.procedure import TrainedPriceModel, train_model
from pipelines.training.sealed import BundleOrigin, SealedTrainingSet

_TRADING = Path(ledgerline.decisions.trading.__file__).parent
# What decides and what is backtested; the order path's records change nothing about a model.
_DECIDING = ("answer", "backtest", "model", "performance", "policy", "signals", "sizing")


class PriceFamily:
    """Shares, after each session: LightGBM on daily indicators, beside logistic regression and momentum."""

    name = "price"
    code = (Path(__file__).parent, *(_TRADING / f"{name}.py" for name in _DECIDING))
    libraries = ("lightgbm", "numpy", "polars", "scikit-learn", "scipy")

    def parameters(self, raw: dict[str, Any]) -> PriceParameters:
        """Check what ``params.yaml`` says; see :class:`pipelines.training.family.Family`."""
        return PriceParameters.checked(raw)

    def spec(self, parameters: PriceParameters) -> str:
        """Return the fingerprint of how a training set is made."""
        return training_set_spec()

    def dataset(self, ledger: Ledger, version: RecordedLeaf, parameters: PriceParameters) -> SealedTrainingSet:
        """Join the features to the returns known at the version's ``as_of``."""
        from pipelines.training.price.sealed import seal_training_set

        return seal_training_set(ledger, version)

    def train(
        self, ledger: Ledger, dataset: SealedTrainingSet, parameters: PriceParameters, say: Progress
    ) -> TrainedPriceModel:
        """Evaluate on the last sessions and fit on all of them."""
        from pipelines.features.recompute import recomputation

        return train_model(
            dataset.frame,
            as_of=dataset.as_of,
            parameters=parameters,
            policy=trading_policy(ledger.settings.project),
            names=dataset.manifest.features,
            recompute=recomputation(ledger, dataset.manifest),
            progress=say,
        )

    def bundle(
        self, trained: TrainedPriceModel, dataset: SealedTrainingSet, origin: BundleOrigin
    ) -> tuple[ManifestFields, Mapping[str, bytes]]:
        """Return the booster and the documents beside it."""
        from pipelines.training.price.export import bundle_of

        return bundle_of(trained, origin=origin, names=dataset.manifest.features)

    def log(
        self,
        trained: TrainedPriceModel,
        dataset: SealedTrainingSet,
        parameters: PriceParameters,
        bundle: Bundle,
        location: str,
    ) -> str:
        """Tell MLflow."""
        from pipelines.training.price.logged import log_training

        return log_training(
            trained,
            frame=dataset.frame,
            sha256=dataset.sha256,
            location=location,
            parameters=parameters.model_dump(mode="json"),
            bundle=bundle,
        )


FAMILY = PriceFamily()
