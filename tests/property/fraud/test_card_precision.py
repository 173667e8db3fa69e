"""Card precision against the published definition, written as plainly as it reads."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.training.fraud.metrics import card_precision
from pipelines.training.fraud.samples import Sample

ROW = st.tuples(
    st.integers(0, 7),  # card
    st.integers(0, 3),  # day
    st.booleans(),  # fraud
    st.integers(0, 5),  # score, in sixths: ties are common
)


def _plainly(rows: list[tuple[int, int, bool, int]], top: int) -> float:
    found: set[int] = set()
    shares = []
    for day in sorted({row[1] for row in rows}):
        today = [row for row in rows if row[1] == day and row[0] not in found]
        highest = {card: max(row[3] for row in today if row[0] == card) for card in {row[0] for row in today}}
        compromised = {row[0] for row in today if row[2]}
        looked_at = sorted(highest, key=lambda card: (-highest[card], card))[:top]
        hits = [card for card in looked_at if card in compromised]
        shares.append(len(hits) / top)
        found |= set(hits)
    return sum(shares) / len(shares)


@given(rows=st.lists(ROW, min_size=1, max_size=60), top=st.integers(1, 5))
def test_card_precision_is_the_published_definition(rows: list[tuple[int, int, bool, int]], top: int):
    sample = Sample(
        features=np.zeros((len(rows), 1)),
        is_fraud=np.array([row[2] for row in rows]),
        card=np.array([row[0] for row in rows]),
        day=np.array([row[1] for row in rows]),
    )
    scores = np.array([row[3] / 6 for row in rows])
    assert abs(card_precision(sample, scores, top=top) - _plainly(rows, top)) < 1e-12
