"""The live jobs: processes and adapters only. What they decide, and how, is in `ledgerline.decisions`."""
