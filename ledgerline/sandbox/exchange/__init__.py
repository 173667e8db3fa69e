"""The sandbox's exchange: a broker's paper account over a simulated market, in Alpaca's wire format."""

from ledgerline.sandbox.exchange.app import create_app
from ledgerline.sandbox.exchange.engine import Exchange
from ledgerline.sandbox.exchange.tape import Tape

__all__ = ["Exchange", "Tape", "create_app"]
