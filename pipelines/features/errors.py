"""What can go wrong while features are built, sealed or restored."""

from ledgerline.core.errors import LedgerlineError


class FeaturesError(LedgerlineError):
    """The family of errors that this stage raises."""


class NothingAccepted(FeaturesError):
    """There are no accepted rows to build from."""


class RolesDisagree(FeaturesError):
    """Two providers' columns of one name are of different kinds."""


class NotReproducible(FeaturesError):
    """The same inputs gave other bytes than were sealed before."""


class WorkspaceUnusable(FeaturesError):
    """The workspace's folder is not ours to write."""


class OtherDefinition(FeaturesError):
    """A version was built from another definition of its view than this code has."""


class InputsDiffer(FeaturesError):
    """What a version says it was built from is not what the log says was accepted."""


class ClusterUnreachable(FeaturesError):
    """No Dask scheduler answers at the address that the settings name."""


class WorkersDiffer(FeaturesError):
    """A worker would not compute what this process computes: other code, other libraries or other files."""
