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


class IndicatorInvalid(FeatureStoreError):
    """An indicator was asked for with numbers that define none."""


class LookbackInvalid(FeatureStoreError):
    """Values that are read back in do not belong to the rows of the histories."""


class GitFailed(FeatureStoreError):
    """A git command failed."""


class RemoteDamaged(FeatureStoreError):
    """An object of the DVC remote is missing or does not hash to what was sealed."""


class VersionUnknown(FeatureStoreError):
    """No sealed feature version is meant by that name."""
