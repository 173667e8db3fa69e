"""Writes payments and labels into an online store, one by one, until it is killed; says each that is written.

    python write_events.py URL

The password, if there is one, is in the environment.
"""

import os
import sys

from feature_store.definition import Event, Label, LabelOf
from feature_store.stores import StateName, open_store
from feature_store.views.card_spending import CARD_SPENDING

CUSTOMERS, TERMINALS = 5, 3


def event(number: int) -> Event:
    entities = f"c{number % CUSTOMERS}", f"t{number % TERMINALS}"
    return Event(str(number), entities, number, number, (number,))


def label(number: int) -> LabelOf:
    return LabelOf(str(number), number, Label(number, (1,)))


def main() -> None:
    store = open_store(sys.argv[1], password=os.environ.get("LEDGERLINE_ONLINE_STORE_PASSWORD"))
    events = store.events(CARD_SPENDING, StateName("killed"))
    number = 0
    while True:
        events.write([event(number)], [label(number)])
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
        number += 1


if __name__ == "__main__":
    main()
