"""The example of the how-to page does what the page says."""

import re
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from ledgerline.audit import Ledger
from ledgerline.core.settings import PROJECT_ROOT, Settings
from pipelines.ingestion import MappingInvalid, land, load_mapping, mapped_datasets
from pipelines.validation.landed import read_landed

HOW_TO = PROJECT_ROOT / "docs" / "how-to"
EXAMPLES = ("example", "example-desk")


def rows_of(ledger: Ledger, batch: str) -> pl.DataFrame:
    return read_landed(ledger, ledger.log.get(batch)).rows


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.open(Settings(home=tmp_path, data=HOW_TO / "example"))


def test_page_shows_the_mappings_that_are_in_the_examples() -> None:
    shown = re.findall(r"```yaml\n(.*?)```", (HOW_TO / "bring-your-own-files.md").read_text(), re.DOTALL)
    assert len(shown) == len(EXAMPLES)
    for example, mapping in zip(EXAMPLES, shown, strict=True):
        assert (HOW_TO / example / "ledgerline.yaml").read_text().endswith(mapping)


@pytest.mark.parametrize("example", EXAMPLES)
def test_page_shows_what_landing_the_example_says(tmp_path: Path, example: str) -> None:
    page = (HOW_TO / "bring-your-own-files.md").read_text()
    ledger = Ledger.open(Settings(home=tmp_path, data=HOW_TO / example))
    said: list[str] = []
    for dataset in mapped_datasets(ledger.settings):
        land(ledger, dataset, progress=said.append)
    assert len(said) == 4
    assert [line for line in said if f"ingest {line}\n" not in page] == []


def test_page_shows_the_beginning_of_the_example_s_files() -> None:
    page = (HOW_TO / "bring-your-own-files.md").read_text()
    for name in ("prices/ACME.csv", "rates.csv", "loans.csv"):
        lines = (HOW_TO / "example-desk" / name).read_text().splitlines()[:3]
        assert f"==> docs/how-to/example-desk/{name} <==\n" + "\n".join(lines) + "\n" in page


def test_desk_s_bars_rates_and_loans_are_what_the_page_says(tmp_path: Path) -> None:
    desk = Ledger.open(Settings(home=tmp_path, data=HOW_TO / "example-desk"))
    acme, bolt = land(desk, "prices_daily").batches
    assert read_landed(desk, desk.log.get(acme)).unreadable.rows() == [(3, "Date", "2024-07-04", "not_a_session")]
    closes = [instant.strftime("%d %H:%M") for instant in rows_of(desk, acme)["event_time"]]
    assert closes == ["02 20:00", "03 17:00", "05 20:00"]
    assert rows_of(desk, bolt)["close"].to_list() == [22.35, None, 22.8]
    (rates,) = land(desk, "macro_series").batches
    empty = rows_of(desk, rates).filter(pl.col("value").is_null())
    assert empty.select("series_id", pl.col("event_time").dt.day()).rows() == [("TREASURY_20Y", 3)]
    (loans,) = land(desk, "applications").batches
    own = rows_of(desk, loans).select("application_id", "defaulted", "amount", "income", "purpose", "sex")
    assert own.rows() == [
        ("loan-17", False, 9000.0, 41000.0, "car", "f"),
        ("loan-18", True, 12000.0, None, "kitchen", "m"),
        ("loan-19", None, 4000.0, 38500.0, "car", None),
    ]


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
