"""Training of the price model: which way a share goes from the next close to the one after, and whether that pays."""
