"""Training of the credit model: who defaults, how sure that is, and whom it treats differently."""
