"""What can go wrong with a feature view or with what it is given."""

from ledgerline.core.errors import LedgerlineError


class FeatureStoreError(LedgerlineError):
    """The family of errors that the feature store raises."""


class ViewInvalid(FeatureStoreError):
    """A feature view's declaration contradicts itself or its source contracts."""


class UnknownView(FeatureStoreError):
    """No feature view of that name is declared."""


class UnknownFeature(UnknownView):
    """A view is declared, and has no feature of that name."""


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


class DefinitionChanged(FeatureStoreError):
    """A feature version was sealed under another definition of its view than today's."""


class WorkspaceNotFound(FeatureStoreError):
    """There is no workspace at a path: no git repository in which feature versions are sealed."""


class DecisionsAfterVersion(UserWarning):
    """Decisions are later than the feature version that answers them; what came in between is not in it."""


class StoreUrlInvalid(FeatureStoreError):
    """The address of an online store is of no engine that there is, or holds what it must not."""


class StoreUnavailable(FeatureStoreError):
    """The engine of an online store does not answer, or refuses."""


class StateLost(FeatureStoreError):
    """The engine of an online store dropped parts of a state; to go on it must be bootstrapped under a new name."""


class NoLongerKept(FeatureStoreError):
    """A decision lies so far back that an online store has forgotten, or replaced, what was known then."""
