"""What a model family brings to a training: its parameters, its data, its procedure, its bundle, what MLflow shows.

Locking, recording and registering are the same for all and stand in :mod:`pipelines.training.run`.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

from ledgerline.audit import Ledger, RecordedLeaf
from ledgerline.decisions.bundle import Bundle, ManifestFields
from pipelines.training.errors import TrainingRefused
from pipelines.training.sealed import BundleOrigin, SealedTrainingSet

FAMILIES = ("fraud", "credit", "forecast", "price")

Progress = Callable[[str], None]


class Parameters(Protocol):
    """A family's parameters: a frozen pydantic model."""

    @property
    def feature_view(self) -> str:
        """The view whose features are used."""
        ...

    def model_dump(self, *, mode: str = "python") -> dict[str, Any]:
        """Return them as plain values."""
        ...


class Trained(Protocol):
    """What a training made; whatever else it holds is between a family's own steps."""

    @property
    def report(self) -> dict[str, Any]:
        """``evaluation.json`` as JSON values; see ADR 7 for the part that all families share."""
        ...


class Family(Protocol):
    """One model family.

    Attributes:
        name: Its name everywhere: in ``params.yaml``, policies, bundles, MLflow.
        code: Folders and files besides the shared core whose bytes are part of a training's identity.
        libraries: Distributions whose versions may change a fitted model.
    """

    name: str
    code: tuple[Path, ...]
    libraries: tuple[str, ...]

    def parameters(self, raw: dict[str, Any]) -> Parameters:
        """Check what ``params.yaml`` says.

        Raises:
            TrainingRefused: Naming every field that is wrong.
        """
        ...

    def spec(self, parameters: Any) -> str:
        """Return the fingerprint of how a training set is made of a feature version."""
        ...

    def dataset(self, ledger: Ledger, version: RecordedLeaf, parameters: Any) -> SealedTrainingSet:
        """Build and record the training set of a feature version.

        Raises:
            TrainingRefused: Its inputs are missing or changed.
        """
        ...

    def train(self, ledger: Ledger, dataset: SealedTrainingSet, parameters: Any, say: Progress) -> Trained:
        """Evaluate the procedure out of time against its baselines, and fit what is deployed.

        Raises:
            TrainingRefused: The data do not allow it.
        """
        ...

    def bundle(
        self, trained: Any, dataset: SealedTrainingSet, origin: BundleOrigin
    ) -> tuple[ManifestFields, Mapping[str, bytes]]:
        """Return what the bundle's manifest says and its files, equal for equal trainings."""
        ...

    def log(self, trained: Any, dataset: SealedTrainingSet, parameters: Any, bundle: Bundle, location: str) -> str:
        """Log parameters, figures, pictures and the model to MLflow's active run; return the model's URI.

        Args:
            trained: From :meth:`train`.
            dataset: What it was trained on.
            parameters: The family's.
            bundle: What was made of it.
            location: Where the training set's object is.
        """
        ...


def family_named(name: str) -> Family:
    """Return a family; only its own modules are imported.

    Raises:
        TrainingRefused: No family is called so.
    """
    if name not in FAMILIES:
        raise TrainingRefused(f"no family is called {name!r}; there are: {', '.join(FAMILIES)}")
    return cast(Family, import_module(f"pipelines.training.{name}.family").FAMILY)
