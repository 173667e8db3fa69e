"""The root of every error that Ledgerline raises on purpose."""


class LedgerlineError(Exception):
    """An expected failure whose message tells the operator what was wrong, where, and what to do.

    The command line prints the message alone; anything that is not a ``LedgerlineError`` is a defect and keeps its
    traceback. Each room derives its own family from this class.
    """
