"""Ledgerline: from any live decision back to the raw bytes."""
