"""The example of the how-to page does what the page says."""

import re
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from ledgerline.audit import Ledger
from ledgerline.core.settings import PROJECT_ROOT, Settings
from pipelines.ingestion import MappingInvalid, land, load_mapping

HOW_TO = PROJECT_ROOT / "docs" / "how-to"


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.open(Settings(home=tmp_path, data=HOW_TO / "example"))


def test_page_shows_the_mapping_that_is_in_the_example() -> None:
    (shown,) = re.findall(r"```yaml\n(.*?)```", (HOW_TO / "bring-your-own-files.md").read_text(), re.DOTALL)
    assert (HOW_TO / "example" / "ledgerline.yaml").read_text().endswith(shown)


def test_page_shows_what_landing_the_example_says(ledger: Ledger) -> None:
    page = (HOW_TO / "bring-your-own-files.md").read_text()
    said: list[str] = []
    for dataset in ("transactions", "fraud_labels"):
        land(ledger, dataset, progress=said.append)
    assert len(said) == 4
    assert [line for line in said if f"ingest {line}\n" not in page] == []


def test_example_lands_its_rows_exactly(
    ledger: Ledger, unreadable: Callable[[str], list[tuple[object, ...]]], landed_rows: Callable[[str], pl.DataFrame]
) -> None:
    first, second = land(ledger, "transactions").batches
    assert unreadable(first) == [(18, "Amount EUR", "12,50", "not_a_number")]
    rows = landed_rows(first)
    assert rows.row(1)[1:6] == ("P-1002", "tok_97", "T-1", 29, "EUR")
    assert str(rows["event_time"][0]) == "2024-01-05 07:04:11+00:00"  # Paris is an hour ahead in winter
    assert landed_rows(second)["amount_minor"].to_list() == [1250, 270]
    (labels,) = land(ledger, "fraud_labels").batches
    known = landed_rows(labels)
    assert known["is_fraud"].sum() == 2
    # The two files tell of the same payments at the same instants.
    both = known.join(rows, on="transaction_id", suffix="_paid")
    assert both.height == 7
    assert (both["event_time"] == both["event_time_paid"]).all()


def test_page_shows_what_a_mistaken_mapping_says(tmp_path: Path) -> None:
    sound = (HOW_TO / "example" / "ledgerline.yaml").read_text()
    wrong = sound.replace("customer_id: Card token", "customer: Card token").replace(", unit: major", "")
    (tmp_path / "my.yaml").write_text(wrong)
    with pytest.raises(MappingInvalid) as invalid:
        load_mapping(tmp_path / "my.yaml")
    said = str(invalid.value).replace(f"{tmp_path}/", "")
    assert f"```\nerror: {said}\n```" in (HOW_TO / "bring-your-own-files.md").read_text()
