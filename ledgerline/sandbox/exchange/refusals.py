"""What the exchange refuses, with the status and code that Alpaca answers."""

from ledgerline.core.errors import LedgerlineError


class Refused(LedgerlineError):
    """A request that has no effect.

    Attributes:
        status: HTTP status.
        code: Alpaca's code.
    """

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def forbidden() -> Refused:
    """Return the answer to missing or wrong credentials."""
    return Refused(403, 40310000, "forbidden.")


def insufficient(message: str) -> Refused:
    """Return the answer to an order that the account cannot pay for, or deliver."""
    return Refused(403, 40310000, message)


def malformed(message: str) -> Refused:
    """Return the answer to a request that is none."""
    return Refused(400, 40010000, message)


def id_taken() -> Refused:
    """Return the answer to a second order of one client order id."""
    return Refused(422, 40010001, "client_order_id must be unique")


def unprocessable(message: str) -> Refused:
    """Return the answer to an order that cannot be."""
    return Refused(422, 42210000, message)


def absent(message: str) -> Refused:
    """Return the answer to a question about something that there is not."""
    return Refused(404, 40410000, message)
