"""The fraud family: card payments, their features and what became of them, to a model that alerts."""
