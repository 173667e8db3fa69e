"""One more day costs a day: what is read, and that nothing differs from building everything at once."""

from dataclasses import replace

import polars as pl
import pytest

from feature_store.views.card_spending import CARD_SPENDING
from ledgerline.core.storage import write_atomically
from pipelines.features import build, read_features
from pipelines.features.event_views import Inputs, here, write_features
from pipelines.features.inputs import accepted_inputs, located
from pipelines.features.known_files import KnownFiles

VIEW = "card_spending"
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # within DVC


def test_day_by_day_with_late_restated_and_repeated_rows_ends_in_the_bytes_of_one_build(
    open_home, accept, history, midnights, fingerprints
):
    daily, at_once = open_home("daily"), open_home("at_once")
    instant = history.transactions.schema["available_at"]
    missed, _ = history.of_days(3, 4)
    early, _ = history.of_days(0, 3)
    restated = early.tail(30).with_columns(
        amount_minor=pl.col("amount_minor") * 2, available_at=pl.lit(midnights(9)).cast(instant)
    )
    repeated = early.head(40)  # rows that were delivered before, as they were
    _, labels = history.of_days(0, 12)
    for day in range(12):
        transactions, _ = history.of_days(day, day + 1)
        deliveries = {
            3: [],  # this day's payments come six days late
            8: [("transactions", repeated), ("transactions", transactions)],
            9: [("transactions", missed), ("transactions", restated), ("transactions", transactions)],
            10: [("fraud_labels", labels), ("transactions", transactions)],  # labels of all days, three days late
        }.get(day, [("transactions", transactions)])
        for dataset, rows in deliveries:
            for ledger in (daily, at_once):
                accept(ledger, dataset, rows)
        if day >= 7:
            last = build(daily, VIEW, as_of=midnights(day + 1))

    whole = build(at_once, VIEW, as_of=midnights(12))

    assert last.id == whole.id
    folders = [ledger.settings.workspace_path / "data" / "features" for ledger in (daily, at_once)]
    daily_files, whole_files = (fingerprints(folder) for folder in folders)
    assert {path for path in whole_files if path.endswith(".parquet")} <= daily_files.keys()
    assert whole_files.items() <= daily_files.items()
    rows = read_features(at_once, whole.id).collect()
    assert rows["transaction_id"].is_unique().all()
    assert rows.select(pl.col("terminal_risk_1d").max()).item() > 0


def test_one_more_day_reads_its_own_files_and_those_that_its_windows_reach_back_to(ledger, deliver, midnights):
    narrow = replace(CARD_SPENDING, features=tuple(each for each in CARD_SPENDING.features if "30d" not in each.name))
    assert narrow.horizon.days == 14
    memory, root = ledger.settings.home / "memory", ledger.settings.home / "features"
    asked: list[str] = []

    def build_until(day: int) -> set[str]:
        """Build, and return the paths of files that were asked for."""
        asked.clear()
        files = accepted_inputs(ledger, narrow, midnights(day))
        known_files = KnownFiles(memory / "files.json")
        locate = located(ledger, files, known_files)
        inputs = Inputs(narrow, files, midnights(day), lambda path: (asked.append(path), locate(path))[1])
        write_features(
            inputs, root, memory=memory, sealed={}, known_files=known_files, say=lambda _: None, computer=here
        )
        return set(asked)

    for day in range(34):
        deliver(ledger, day, day + 1)
    everything = build_until(34)
    deliver(ledger, 34, 35)

    read = build_until(35)

    paths = {file.file.path: file for file in accepted_inputs(ledger, narrow, midnights(35))}
    assert everything == {path for path, file in paths.items() if file.first_available < midnights(34)}
    assert min(paths[path].last_available for path in read) >= midnights(34 - 14)
    assert len(read) == 15 + 8  # payments of fifteen days, and the labels that name any of them, seven days later
    assert build_until(35) == set()


def test_memory_of_files_that_is_lost_or_broken_is_made_again(ledger, deliver, midnights):
    deliver(ledger, 0, 4)
    build(ledger, VIEW, as_of=midnights(4))
    memory = ledger.settings.home / ".workspace.memory"
    write_atomically(memory / "files.json", b'{"format": 1, "fil')
    write_atomically(memory / f"{VIEW}.arrivals", b"[")
    for digest in memory.glob("*/*"):
        digest.unlink()
    deliver(ledger, 4, 5)

    version = build(ledger, VIEW, as_of=midnights(5))

    assert version.partitions == 5


def test_file_that_is_changed_in_place_is_hashed_again(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"one")
    known = KnownFiles(tmp_path / "known.json")
    first = known.sha256(file)
    known.save()
    file.write_bytes(b"two")

    again = KnownFiles(tmp_path / "known.json")

    assert again.sha256(file) != first
