"""Mapping files are checked as a whole, and every wrong key is named."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ledgerline.core.contracts import CONTRACTS
from ledgerline.core.settings import PROJECT_ROOT
from pipelines.ingestion.mapping_file import MappingInvalid, load_mapping

GOOD = """
name: shop
as_of: 2024-02-01T00:00:00Z
datasets:
  transactions:
    files: payments/*_{date}.csv
    columns:
      transaction_id: id
      customer_id: card
      terminal_id: shop
      amount_minor: {column: amount, unit: major}
      currency: {constant: EUR}
      event_time: paid_at
      available_at: {after: event_time, delay: 0s}
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def to_file(text: str) -> Path:
        path = tmp_path / "mine.yaml"
        path.write_text(text)
        return path

    return to_file


def test_short_form_names_a_column(write: Callable[[str], Path]) -> None:
    mapping = load_mapping(write(GOOD))
    assert mapping.datasets["transactions"][0].columns["customer_id"].column == "card"
    assert mapping.as_of.isoformat() == "2024-02-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("file", "name", "lacking"), [("sandbox", "sandbox", set()), ("shared_data", "published", {"corporate_actions"})]
)
def test_shipped_mappings_are_valid_and_fill_every_contract(file: str, name: str, lacking: set[str]) -> None:
    mapping = load_mapping(PROJECT_ROOT / "mappings" / f"{file}.yaml")
    assert mapping.name == name
    assert set(mapping.datasets) == set(CONTRACTS) - lacking


@pytest.mark.parametrize(
    ("file", "dataset", "fingerprint"),
    [
        ("sandbox", "transactions", "71cf1a540a15210469a433d996c6400bdda3a3916d9c3420255c7cc34eb238f2"),
        ("sandbox", "fraud_labels", "22d4131ad344787954277c7794add97d55c5f80a5d27b5f5a0a2a763730ce074"),
        ("shared_data", "transactions", "2c96f5f2d799dea28df37b6c04338ac25fe1b8017e1a31b4499f7d56788ea726"),
        ("shared_data", "fraud_labels", "67f9167bedfd8f9968fc6b00d46a5ba80c22d6acf4ea61407bdb0b99698ad7af"),
    ],
)
def test_card_payments_that_landed_before_need_not_land_again(file: str, dataset: str, fingerprint: str) -> None:
    mapping = load_mapping(PROJECT_ROOT / "mappings" / f"{file}.yaml")
    assert mapping.datasets[dataset][0].fingerprint == fingerprint


@pytest.mark.parametrize(
    ("old", "new", "key", "said"),
    [
        ("name: shop\n", "", "name", "Field required"),
        ("as_of: 2024-02-01T00:00:00Z", "as_of: 2024-02-01T00:00:00", "as_of", "timezone"),
        ("datasets:", "dataset:", "dataset", "Extra inputs"),
        ("  transactions:", "  payments:", "datasets.payments", "no dataset contract"),
        ("files: payments/*_{date}.csv", "files: 3", "datasets.transactions.files", "valid string"),
        ("files: payments/*_{date}.csv", "files: ../x.csv", "datasets.transactions.files", "below the data folder"),
        ("files: payments/*_{date}.csv", "files: '{date}{date}.csv'", "datasets.transactions.files", "{date} once"),
        ("files: payments/*_{date}.csv", "files: '{day}.csv'", "datasets.transactions.files", "{day} fills no column"),
        ("files: payments/*_{date}.csv", "files: x.xlsx", "datasets.transactions.format", "csv, jsonl or parquet"),
        ("files: payments/*_{date}.csv", "files: x.parquet\n    delimiter: ;", "delimiter", "only CSV"),
        ("customer_id: card", "customer_id: 5", "columns.customer_id", "object"),
        ("customer_id: card", "customer: card", "columns.customer", "no such column"),
        ("customer_id: card", "customer: card", "columns.customer_id", "missing"),
        ("customer_id: card", "customer_id: {colum: card}", "columns.customer_id.colum", "Extra inputs"),
        ("customer_id: card", "customer_id: {}", "columns.customer_id", "exactly one of"),
        ("customer_id: card", "customer_id: {column: a, row_number: 0}", "customer_id", "not column and row_number"),
        ("customer_id: card", "customer_id: {column: a, equals: 1}", "customer_id", "equals makes a boolean"),
        (
            "customer_id: card",
            "customer_id: {column: a, timezone: UTC}",
            "customer_id",
            "timezone describes an instant",
        ),
        ("customer_id: card", "customer_id: {column: a, unit: major}", "customer_id", "do not fit"),
        ("unit: major", "unit: dollars", "amount_minor.unit", "'minor', 'major'"),
        (", unit: major", "", "amount_minor", "money needs"),
        ("unit: major", "unit: minor, decimals: 2", "amount_minor", "decimals"),
        ("{column: amount, unit: major}", "{row_number: 1, unit: minor}", "amount_minor", "row_number makes an id"),
        ("{column: amount, unit: major}", "{constant: lots, unit: major}", "amount_minor", "not_a_number"),
        ("event_time: paid_at", "event_time: {column: t, unit: seconds}", "event_time", "both unit and since"),
        ("event_time: paid_at", "event_time: {column: t, timezone: Mars/Base}", "event_time", "no IANA time zone"),
        ("event_time: paid_at", "event_time: {constant: yesterday}", "event_time", "not_an_instant"),
        ("delay: 0s", "delay: 7 days", "available_at.delay", "pattern"),
        (", delay: 0s", "", "available_at", "after and delay"),
        ("after: event_time", "after: currency", "available_at.after", "no mapped instant"),
        ("after: event_time", "after: available_at", "available_at.after", "itself given as after"),
    ],
)
def test_wrong_key_is_named_with_the_file(
    write: Callable[[str], Path], old: str, new: str, key: str, said: str
) -> None:
    assert old in GOOD
    with pytest.raises(MappingInvalid) as invalid:
        load_mapping(write(GOOD.replace(old, new)))
    message = str(invalid.value)
    assert "mine.yaml" in message
    assert any(key in line and said in line for line in message.splitlines()), message


FEEDS = """
name: desk
as_of: 2024-02-01T00:00:00Z
datasets:
  prices_daily:
    files: prices/{symbol}.csv
    columns:
      symbol: {name_part: symbol}
      open: o
      high: h
      low: l
      close: c
      volume: v
      adjustment: {constant: raw}
      asset_class: {constant: equity}
      event_time: {column: d, session_close: XNYS}
      available_at: {after: event_time, delay: 0s}
  macro_series:
    - files: rates.csv
      starts: 1990-01-01T00:00:00Z
      unpivot: {columns: {10y: TREASURY_10Y, 2y: TREASURY_2Y}, name: series, value: rate}
      columns:
        series_id: series
        value: rate
        vintage: {constant: none}
        event_time: {column: d, end_of: month, timezone: UTC}
        available_at: {after: event_time, delay: 1d}
    - files: cpi.csv
      columns:
        series_id: {template: "CPI_{kind}"}
        value: cpi
        vintage: {constant: none}
        event_time: d
        available_at: d
  applications:
    files: loans.parquet
    columns:
      application_id: {template: "loan-{row_number}"}
      portfolio: {constant: loans}
      defaulted: {column: bad, equals: 1}
      dated: {constant: false}
      event_time: {constant: "2005-10-01T00:00:00Z"}
      available_at: {constant: "2005-10-01T00:00:00Z"}
    roles:
      numeric: [income, age]
      protected: {sex: SEX}
"""


def test_several_feeds_stand_in_a_list(write: Callable[[str], Path]) -> None:
    mapping = load_mapping(write(FEEDS))
    assert [feed.files for feed in mapping.datasets["macro_series"]] == ["rates.csv", "cpi.csv"]
    assert [feed.files for feed in mapping.feeds()] == [
        "prices/{symbol}.csv",
        "rates.csv",
        "cpi.csv",
        "loans.parquet",
    ]


def test_list_of_a_role_s_columns_is_short_for_their_own_names(write: Callable[[str], Path]) -> None:
    (loans,) = load_mapping(write(FEEDS)).datasets["applications"]
    assert loans.roles == {"numeric": {"income": "income", "age": "age"}, "protected": {"sex": "SEX"}}


@pytest.mark.parametrize(
    ("old", "new", "key", "said"),
    [
        ("files: prices/{symbol}.csv", "files: prices/*.csv", "columns.symbol", "`files` has no part {symbol}"),
        ("{name_part: symbol}", "ticker", "datasets.prices_daily.files", "{symbol} fills no column"),
        ("prices/{symbol}.csv", "p/{row_number}/{symbol}.csv", "prices_daily.files", "cannot be called row_number"),
        ("session_close: XNYS", "session_close: NYSE City", "event_time", "no exchange's calendar"),
        ("session_close: XNYS", "session_close: XNYS, session_open: XNYS", "event_time", "one way"),
        ("session_close: XNYS", "session_close: XNYS, timezone: UTC", "event_time", "needs none"),
        ("close: c", "close: {column: c, session_close: XNYS}", "columns.close", "describes an instant"),
        ("open: o", "open: {column: o, remove_prefix: $}", "columns.open", "shortens a text"),
        ("open: o", 'open: {template: "{o}"}', "columns.open", "template makes a text"),
        ("end_of: month, timezone: UTC", "end_of: month", "macro_series.0.columns.event_time", "needs a timezone"),
        ("end_of: month", "end_of: fortnight", "macro_series.0.columns.event_time.end_of", "'month'"),
        ("end_of: month, timezone: UTC", "end_of: month, unit: seconds", "macro_series.0", "one way"),
        ("starts: 1990-01-01T00:00:00Z", "starts: 1990-01-01T00:00:00", "datasets.macro_series.0.starts", "timezone"),
        (
            "starts: 1990-01-01T00:00:00Z",
            "starts: 1990-01-01T00:00:00Z\n      as_of: 1989-01-01T00:00:00Z",
            "datasets.macro_series.0.starts",
            "after as_of",
        ),
        ("name: series, value: rate", "name: rate, value: rate", "macro_series.0.unpivot", "must differ"),
        ("name: series, value: rate", "name: 2y, value: rate", "macro_series.0.unpivot", "must differ"),
        ("name: series, value: rate", "name: series, value: yield", "macro_series.0.unpivot", "'yield' fills no"),
        ("value: rate\n", "value: 10y\n", "macro_series.0.unpivot", "below columns it is 'rate'"),
        ("2y: TREASURY_2Y", "2y: TREASURY_10Y", "macro_series.0.unpivot.columns", "name of two columns"),
        ("{10y: TREASURY_10Y, 2y: TREASURY_2Y}", "{}", "macro_series.0.unpivot.columns", "at least 1"),
        ('"CPI_{kind}"', '"CPI_{"', "macro_series.1.columns.series_id", "no other braces"),
        ('"CPI_{kind}"', "CPI", "macro_series.1.columns.series_id", "at least one place"),
        ("value: cpi", "value: {column: cpi, row_number: 1}", "macro_series.1.columns.value", "exactly one of"),
        ("value: cpi", "value: cpi\n        worth: cpi", "macro_series.1.columns.worth", "no such column"),
        ("  macro_series:", "  instruments: []\n  macro_series:", "datasets.instruments", "an empty list"),
        ("  macro_series:", "  instruments: [3]\n  macro_series:", "datasets.instruments.0", "object"),
        ("  macro_series:", "  instruments: 3\n  macro_series:", "datasets.instruments:", "object"),
        ("protected: {sex: SEX}", "secret: {sex: SEX}", "applications.roles.secret", "'protected'"),
        ("protected: {sex: SEX}", "protected: {age: AGE}", "datasets.applications.roles", "'age' is given twice"),
        ("protected: {sex: SEX}", "protected: {dated: SEX}", "roles.protected.dated", "column of that name"),
        ("numeric: [income, age]", "numeric: [income, 7]", "datasets.applications.roles.numeric", "object"),
    ],
)
def test_wrong_key_of_a_feed_is_named(write: Callable[[str], Path], old: str, new: str, key: str, said: str) -> None:
    assert old in FEEDS
    with pytest.raises(MappingInvalid) as invalid:
        load_mapping(write(FEEDS.replace(old, new)))
    message = str(invalid.value)
    assert any(key in line and said in line for line in message.splitlines()), message


def test_contract_that_takes_no_further_columns_says_so(write: Callable[[str], Path]) -> None:
    with pytest.raises(MappingInvalid, match="transactions takes no columns of a provider's own"):
        load_mapping(write(GOOD + "    roles: {numeric: [tip]}\n"))


def test_name_of_two_roles_in_two_feeds_is_named(write: Callable[[str], Path]) -> None:
    loans = FEEDS[FEEDS.index("    files: loans.parquet") :]
    other = loans.replace("numeric: [income, age]", "categorical: [income]")
    two = FEEDS.replace(
        loans, "".join("    - " + feed.lstrip().replace("\n", "\n  ") + "\n" for feed in (loans, other))
    )
    with pytest.raises(MappingInvalid, match="'income' is numeric in one feed and categorical in another"):
        load_mapping(write(two))


def test_every_wrong_key_is_named_at_once(write: Callable[[str], Path]) -> None:
    with pytest.raises(MappingInvalid) as invalid:
        load_mapping(write(GOOD.replace("unit: major", "unit: seconds").replace("transaction_id: id", "id: id")))
    assert len(str(invalid.value).splitlines()) >= 4


def test_key_given_twice_is_an_error(write: Callable[[str], Path]) -> None:
    with pytest.raises(MappingInvalid, match="'name' is given twice"):
        load_mapping(write(GOOD + "name: other\n"))


@pytest.mark.parametrize("text", ["", "- a", "a: [", "\x00"])
def test_what_is_no_mapping_at_all_is_refused_with_the_files_name(write: Callable[[str], Path], text: str) -> None:
    with pytest.raises(MappingInvalid, match=r"mine\.yaml"):
        load_mapping(write(text))


def test_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MappingInvalid, match=r"none\.yaml: .*No such file"):
        load_mapping(tmp_path / "none.yaml")


def test_fingerprint_covers_what_rows_become_and_not_where_files_lie(write: Callable[[str], Path]) -> None:
    base = load_mapping(write(GOOD)).datasets["transactions"][0].fingerprint
    moved = GOOD.replace("payments/*_{date}.csv", "elsewhere/*.csv").replace("shop\nas_of", "store\nas_of")
    assert load_mapping(write(moved)).datasets["transactions"][0].fingerprint == base
    for old, new in (("card", "pan"), ("major", "minor"), ("EUR", "USD"), ("0s", "1s")):
        assert load_mapping(write(GOOD.replace(old, new))).datasets["transactions"][0].fingerprint != base
