"""What can go wrong with a feature view or with what it is given."""

from ledgerline.core.errors import LedgerlineError


class FeatureStoreError(LedgerlineError):
    """The family of errors that the feature store raises."""


class ViewInvalid(FeatureStoreError):
    """A feature view's declaration contradicts itself or its source contracts."""


class UnknownView(FeatureStoreError):
    """No feature view of that name is declared."""


class SourceInvalid(FeatureStoreError):
    """Rows given to an executor lack what the view's source contract promises."""


class GitFailed(FeatureStoreError):
    """A git command failed."""


class RemoteDamaged(FeatureStoreError):
    """An object of the DVC remote is missing or does not hash to what was sealed."""


class VersionUnknown(FeatureStoreError):
    """No sealed feature version is meant by that name."""


class StoreUrlInvalid(FeatureStoreError):
    """The address of an online store is of no engine that there is, or holds what it must not."""


class StoreUnavailable(FeatureStoreError):
    """The engine of an online store does not answer, or refuses."""


class StateLost(FeatureStoreError):
    """The engine of an online store dropped parts of a state; to go on it must be bootstrapped under a new name."""


class NoLongerKept(FeatureStoreError):
    """A decision lies so far back that an online store has forgotten, or replaced, what was known then."""
