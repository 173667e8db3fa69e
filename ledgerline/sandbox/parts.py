"""What a family contributes to a simulated world."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Files = Iterator[tuple[str, bytes]]
"""Paths below the world's folder and what is in them, in the order in which they are written."""


@dataclass(frozen=True, slots=True)
class Simulated:
    """A family, simulated.

    Attributes:
        files: Its files; may be asked for once.
        rows: Rows in all of them, dirt included.
        dirt: How many rows are dirty, by dataset and kind.
        facts: What else is worth knowing, as JSON values.
    """

    files: Files
    rows: int
    dirt: Mapping[str, Mapping[str, int]]
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """A family to be simulated.

    Attributes:
        name: Its name.
        asked: What it follows from, beside the seed: equal values, equal bytes.
        folders: Where its files lie; nobody else's may lie there.
        said: What is being done, for the reader.
        simulate: Does it.
    """

    name: str
    asked: Mapping[str, Any]
    folders: tuple[str, ...]
    said: str
    simulate: Callable[[], Simulated]


def streams(seed: int, family: int) -> np.random.SeedSequence:
    """Return a family's own source of randomness: more of one family changes nothing in another."""
    return np.random.SeedSequence(seed, spawn_key=(family,))
