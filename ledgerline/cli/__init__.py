"""The `ledgerline` command: every verb calls one function of a room and shows what came back."""
