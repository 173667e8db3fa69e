"""The scoring job: an approved fraud model answers over HTTP, and every answer is on record before it leaves."""

from ledgerline.services.scoring.app import create_app

__all__ = ["create_app"]
