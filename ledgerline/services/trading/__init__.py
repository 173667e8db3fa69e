"""The trading job: bars in, one recorded decision a symbol and session, orders out once, positions read back."""
