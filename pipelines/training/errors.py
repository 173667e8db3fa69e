"""What can go wrong while a model is trained, on purpose."""

from ledgerline.core.errors import LedgerlineError


class TrainingRefused(LedgerlineError):
    """A training cannot be done: the inputs or the parameters do not allow it."""
