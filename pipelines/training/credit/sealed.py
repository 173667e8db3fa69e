"""Build the training set of a feature version and record it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from feature_store.sources import empty_rows
from feature_store.versions.manifest import Manifest
from ledgerline.audit import Ledger, RecordedLeaf
from ledgerline.core.contracts import APPLICATIONS, Role
from ledgerline.decisions.credit import AttributeKind
from pipelines.features import read_features
from pipelines.training.credit.dataset import join_outcomes, training_set_spec
from pipelines.training.errors import TrainingRefused
from pipelines.training.inputs import feature_manifest, inputs_of
from pipelines.training.sealed import SealedTrainingSet, same_view, seal
from pipelines.validation.accepted import accepted_file
from pipelines.validation.landed import contract_of

_FAMILY = "credit"
_KINDS = {Role.NUMERIC: AttributeKind.NUMERIC, Role.CATEGORICAL: AttributeKind.CATEGORICAL}
_READ = ("application_id", "defaulted", "outcome_at", "dated", "available_at")


@dataclass(frozen=True, slots=True)
class AcceptedApplications:
    """One accepted file of applications.

    Attributes:
        receipt: Leaf id of the receipt that let its rows in.
        batch: The landed batch.
        path: The file, checked.
    """

    receipt: str
    batch: RecordedLeaf
    path: Path

    @property
    def roles(self) -> Mapping[str, Role]:
        """What each of the lender's own columns is."""
        return {name: Role(role) for name, role in contract_of(self.batch).roles.items()}

    @property
    def portfolios(self) -> list[str]:
        """Whose applications it holds."""
        return pl.read_parquet(self.path, columns=["portfolio"])["portfolio"].unique().sort().to_list()


def seal_training_set(ledger: Ledger, version: RecordedLeaf, portfolio: str | None) -> SealedTrainingSet:
    """Join a portfolio's features to what became of its applications, keep the rows and record the leaf.

    Args:
        ledger: The installation.
        version: Leaf of the feature version.
        portfolio: Whose applications; None for those of the feed that the mapping names first.

    Raises:
        TrainingRefused: The version's inputs are missing, changed, or of another definition than this code's view.
    """
    manifest = feature_manifest(ledger, version)
    same_view(manifest)
    files = list(accepted_applications(ledger, manifest))
    served = portfolio or first_portfolio(files)
    own = [file for file in files if served in file.portfolios]
    protected = sorted({name for file in own for name, role in file.roles.items() if role == Role.PROTECTED})
    frame = join_outcomes(
        read_features(ledger, version.id).collect(),
        pl.concat([pl.read_parquet(file.path, columns=[*_READ, *_protected(file)]) for file in own], how="diagonal")
        if own
        else empty_rows(APPLICATIONS),
        portfolio=served,
        as_of=manifest.as_of,
        names=manifest.features,
        protected=protected,
    )
    return seal(
        ledger,
        family=_FAMILY,
        version=version,
        manifest=manifest,
        frame=frame,
        spec=training_set_spec(portfolio),
        labels=[file.receipt for file in own],
    )


def accepted_applications(ledger: Ledger, manifest: Manifest) -> Iterator[AcceptedApplications]:
    """Yield every accepted file of applications that a feature version was built from, checked.

    Raises:
        TrainingRefused: A receipt accepted another file than the feature version names.
        AcceptedRowsLost: A file was lost or changed, and cannot be made again from what was landed.
    """
    for file in inputs_of(manifest, APPLICATIONS.name):
        receipt = ledger.log.get(file.receipt)
        if receipt.identity["accepted_sha256"] != file.sha256:
            raise TrainingRefused(
                f"receipt {file.receipt} accepted another file than the feature version was built from"
            )
        batch = ledger.log.get(str(receipt.identity["batch"]))
        yield AcceptedApplications(receipt.id, batch, accepted_file(ledger, batch, receipt))


def first_portfolio(files: list[AcceptedApplications]) -> str:
    """Return the portfolio of the feed that was named first when the newest of the files was landed.

    Raises:
        TrainingRefused: There are no files.
    """
    if not files:
        raise TrainingRefused("the feature version was built from no applications; ingest and validate them first")
    newest = max(files, key=lambda file: file.batch.sequence)
    named = [newest.batch.detail.get("feeds", [])[:1] == [file.batch.identity["mapping"]] for file in files]
    first = next((file for file, is_first in zip(files, named, strict=True) if is_first), files[0])
    return first.portfolios[0]


def attributes_of(ledger: Ledger, manifest: Manifest, portfolio: str) -> dict[str, AttributeKind]:
    """Return what an application of a portfolio says about itself, by name and kind; protected attributes are not."""
    found: dict[str, AttributeKind] = {}
    for file in accepted_applications(ledger, manifest):
        if portfolio in file.portfolios:
            found |= {name: _KINDS[role] for name, role in file.roles.items() if role in _KINDS}
    return dict(sorted(found.items()))


def _protected(file: AcceptedApplications) -> list[str]:
    return [name for name, role in file.roles.items() if role == Role.PROTECTED]
