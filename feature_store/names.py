"""What to say to a name that nobody knows: the nearest one there is, and all of them."""

from collections.abc import Iterable
from difflib import get_close_matches

_LIKE = 0.5  # of two names: below it a hint misleads


def hint(asked: str, known: Iterable[str]) -> str:
    """Return a sentence's end such as ``did you mean 'fraud'? There are: credit, fraud``."""
    names = list(known)
    near = get_close_matches(asked, names, n=1, cutoff=_LIKE)
    meant = f"did you mean {near[0]!r}? There are" if near else "there are"
    return f"{meant}: {', '.join(names) or 'none'}"
