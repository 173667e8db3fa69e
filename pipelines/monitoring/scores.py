"""A deployed model's scores of many rows of features, whatever its family calls them."""

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ledgerline.decisions.bundle import Bundle
from ledgerline.decisions.models import load_model

# What a family's model calls its probability for every row of a frame. A forecast has none.
_METHODS = {"fraud": "score_frame", "credit": "probabilities", "price": "probabilities"}


def scores(bundle: Bundle, frame: pl.DataFrame) -> NDArray[np.float64] | None:
    """Return the probability that a bundle's model gives each row, shape (n,); None for a family without one."""
    method = _METHODS.get(bundle.fields.family)
    if method is None:
        return None
    model: Any = load_model(bundle)
    found: NDArray[np.float64] = getattr(model, method)(frame)
    return found
