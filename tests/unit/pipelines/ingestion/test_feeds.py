"""Several feeds fill one dataset: files of different shapes, lenders with other columns, each with its own present."""

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from ledgerline.audit import Kind, Ledger
from ledgerline.core.contracts import APPLICATIONS, MACRO_SERIES, Role
from ledgerline.core.identity import sha256_bytes
from pipelines.ingestion import NoSourceFiles, Window, land, mapped_datasets, source_as_of, source_digest, source_of

Landed = Callable[[str], pl.DataFrame]
Unreadable = Callable[[str], list[tuple[object, ...]]]
Put = Callable[..., None]

MAPPING = """
name: desk
as_of: 2018-10-01T00:00:00Z
datasets:
  prices_daily:
    files: prices/{symbol}.csv
    as_of: 2014-07-07T20:00:00Z
    missing: ["", "null"]
    columns:
      symbol: {name_part: symbol}
      open: Open
      high: High
      low: Low
      close: Close
      volume: Volume
      adjustment: {constant: split}
      asset_class: {constant: equity}
      event_time: {column: Date, session_close: XNYS}
      available_at: {after: event_time, delay: 15m}

  instruments:
    files: table.tsv
    columns:
      symbol: {column: Symbol, remove_prefix: $}
      company: Company
      sector: Sector
      event_time: {constant: "2014-01-01T00:00:00Z"}
      available_at: {constant: "2014-01-01T00:00:00Z"}

  macro_series:
    - files: rates_{date}.csv
      as_of: 2015-01-01T00:00:00Z
      unpivot: {columns: {10year: TREASURY_10Y, 1month: TREASURY_1M}, name: series, value: rate}
      columns:
        series_id: series
        value: rate
        vintage: {constant: none}
        event_time: {column: Time Period, start_of: day, timezone: UTC}
        available_at: {after: event_time, delay: 24h}
    - files: cpi.csv
      columns:
        series_id: {constant: CPI}
        value: Index
        vintage: {constant: none}
        event_time: {column: Date, start_of: month, timezone: UTC}
        available_at: {after: event_time, delay: 48d}

  posts:
    files: posts_{span}.jsonl.gz
    starts: 2014-01-02T14:30:00Z
    columns:
      post_id: {template: "{span}:{symbol}:{row_number}"}
      symbol: symbol
      text: text
      event_time: created_at
      available_at: {after: event_time, delay: 0s}

  applications:
    - files: bank.parquet
      columns:
        application_id: {template: "bank-{ID}"}
        portfolio: {constant: bank}
        defaulted: {column: BAD, equals: 1}
        dated: {constant: false}
        event_time: {constant: "2005-10-01T00:00:00Z"}
        available_at: {constant: "2005-10-01T00:00:00Z"}
      roles:
        numeric: {limit: LIMIT_BAL, balance: BILL}
        categorical: [EDUCATION]
        protected: {sex: SEX}
    - files: lender.csv
      columns:
        application_id: id
        portfolio: {constant: lender}
        dated: {constant: true}
        event_time: applied
        available_at: applied
      roles:
        categorical: [purpose]
"""
RATES = "Time Period,1month,10year\n2014-07-03 00:00:00+00:00,,0.0265\n2014-07-07 00:00:00+00:00,0.0002,0.0263\n"
BARS = (
    "Date,Open,High,Low,Close,Adj Close,Volume\n"
    "2014-07-03,1.5,2,1,1.75,1.7,100\n"
    "2014-07-04,1,1,1,1,1,1\n"
    "2014-07-07,null,null,null,null,null,null\n"
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "ledgerline.yaml").write_text(MAPPING)
    return folder


@pytest.fixture
def put(data: Path) -> Put:
    """Write a file of the folder: text, bytes, or a frame as Parquet."""

    def write(name: str, content: str | bytes | pl.DataFrame) -> None:
        path = data / name
        path.parent.mkdir(exist_ok=True)
        if isinstance(content, pl.DataFrame):
            content.write_parquet(path)
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    return write


def bank(ids: list[int]) -> pl.DataFrame:
    return pl.DataFrame({"ID": ids, "LIMIT_BAL": 2.5, "BILL": None, "EDUCATION": 2, "SEX": 1.0, "BAD": 1})


def test_part_of_the_file_s_name_fills_a_column(ledger: Ledger, put: Put, landed_rows: Landed) -> None:
    put("prices/AAPL.csv", BARS)
    (batch,) = land(ledger, "prices_daily").batches
    assert ledger.log.get(batch).identity["name_parts"] == {"symbol": "AAPL"}
    assert landed_rows(batch)["symbol"].to_list() == ["AAPL", "AAPL"]


def test_equal_files_of_two_symbols_are_two_batches_of_one_raw_file(
    ledger: Ledger, put: Put, landed_rows: Landed
) -> None:
    put("prices/GOOG.csv", BARS)
    put("prices/GOOGL.csv", BARS)
    batches = land(ledger, "prices_daily").batches
    assert [landed_rows(batch)["symbol"][0] for batch in batches] == ["GOOG", "GOOGL"]
    assert len(ledger.log.leaves(Kind.RAW_FILE)) == 1
    again = land(ledger, "prices_daily")
    assert (again.batches, again.new) == (batches, ())


def test_renamed_file_lands_again_only_where_its_name_matters(ledger: Ledger, put: Put, data: Path) -> None:
    put("prices/FB.csv", BARS)
    put("rates_2014-07-07.csv", RATES)
    put("cpi.csv", "Date,Index\n2014-05-01,237.9\n")
    land(ledger, "prices_daily"), land(ledger, "macro_series")
    (data / "prices/FB.csv").rename(data / "prices/META.csv")
    (data / "rates_2014-07-07.csv").rename(data / "rates_2014-07-08.csv")
    assert len(land(ledger, "prices_daily").new) == 1
    assert land(ledger, "macro_series").new == ()


def test_bar_of_a_day_without_a_session_is_unreadable_and_a_null_bar_lands_without_prices(
    ledger: Ledger, put: Put, landed_rows: Landed, unreadable: Unreadable
) -> None:
    put("prices/AAPL.csv", BARS)
    (batch,) = land(ledger, "prices_daily").batches
    assert unreadable(batch) == [(2, "Date", "2014-07-04", "not_a_session")]
    rows = landed_rows(batch).select("row_number", "close", "volume", "adjusted_close", "event_time", "available_at")
    assert rows.rows() == [
        (1, 1.75, 100.0, None, datetime(2014, 7, 3, 17, tzinfo=UTC), datetime(2014, 7, 3, 17, 15, tzinfo=UTC)),
        (3, None, None, None, datetime(2014, 7, 7, 20, tzinfo=UTC), datetime(2014, 7, 7, 20, 15, tzinfo=UTC)),
    ]


def test_prefix_is_taken_off_where_it_stands(ledger: Ledger, put: Put, landed_rows: Landed) -> None:
    put("table.tsv", "Sector\tSymbol\tCompany\nEnergy\t$XOM\tExxon\nEnergy\tBP\tBP p.l.c.\n\t$$A\tA\n")
    (batch,) = land(ledger, "instruments").batches
    assert landed_rows(batch)["symbol"].to_list() == ["XOM", "BP", "$A"]


def test_wide_rows_become_one_row_a_series_and_an_empty_cell_is_a_row_without_a_value(
    ledger: Ledger, put: Put, landed_rows: Landed
) -> None:
    put("rates_2014-07-07.csv", RATES)
    put("cpi.csv", "Date,Index\n2014-05-01,237.9\n")
    rates, _ = land(ledger, "macro_series").batches
    assert landed_rows(rates).select("row_number", "series_id", "value").rows() == [
        (1, "TREASURY_10Y", 0.0265),
        (2, "TREASURY_1M", None),
        (3, "TREASURY_10Y", 0.0263),
        (4, "TREASURY_1M", 0.0002),
    ]


def test_broken_cell_costs_itself_and_a_broken_line_one_row(
    ledger: Ledger, put: Put, landed_rows: Landed, unreadable: Unreadable
) -> None:
    put("cpi.csv", "Date,Index\n2014-05-01,237.9\n")
    put("rates_2014-07-07.csv", RATES + "2014-07-08 00:00:00+00:00,n/a,0.0259\n2014-07-09 00:00:00+00:00,1\n")
    rates, _ = land(ledger, "macro_series").batches
    assert unreadable(rates) == [
        (6, "rate", "n/a", "not_a_number"),
        (7, None, "2014-07-09 00:00:00+00:00,1", "wrong_field_count"),
    ]
    assert landed_rows(rates)["row_number"].to_list() == [1, 2, 3, 4, 5]


def test_wide_file_that_lacks_a_series_is_refused_with_its_column(ledger: Ledger, put: Put) -> None:
    put("cpi.csv", "Date,Index\n2014-05-01,237.9\n")
    put("rates_2014-07-07.csv", "Time Period,1month\n2014-07-03,0.1\n")
    report = land(ledger, "macro_series")
    assert len(report.batches) == 1
    assert ledger.log.get(report.refused[0]).identity["column"] == "10year"


def test_whole_numbers_and_fractions_may_stand_beside_each_other_in_a_wide_parquet_file(
    ledger: Ledger, put: Put, data: Path, landed_rows: Landed
) -> None:
    (data / "ledgerline.yaml").write_text(MAPPING.replace("rates_{date}.csv", "rates_{date}.parquet"))
    put("cpi.csv", "Date,Index\n2014-05-01,237.9\n")
    day = datetime(2014, 7, 3, tzinfo=UTC)
    put("rates_2014-07-03.parquet", pl.DataFrame({"Time Period": [day], "1month": [1], "10year": [2.5]}))
    rates, _ = land(ledger, "macro_series").batches
    assert landed_rows(rates)["value"].to_list() == [2.5, 1.0]


def test_feeds_of_one_dataset_keep_one_contract_and_name_each_other(
    ledger: Ledger, put: Put, landed_rows: Landed
) -> None:
    put("rates_2014-07-07.csv", RATES)
    put("cpi.csv", "Date,Index\n2014-05-01,237.9\n")
    batches = [ledger.log.get(batch) for batch in land(ledger, "macro_series").batches]
    assert {batch.identity["contract"] for batch in batches} == {MACRO_SERIES.fingerprint}
    feeds = [batch.identity["mapping"] for batch in batches]
    assert [batch.detail["feeds"] for batch in batches] == [feeds, feeds]
    cpi = landed_rows(batches[1].id)
    assert cpi.row(0)[1:] == (
        "CPI",
        237.9,
        "none",
        datetime(2014, 5, 1, tzinfo=UTC),
        datetime(2014, 6, 18, tzinfo=UTC),
    )


def test_feed_without_files_is_named(ledger: Ledger, put: Put) -> None:
    put("rates_2014-07-07.csv", RATES)
    with pytest.raises(NoSourceFiles, match=r"macro_series: no file .* is called cpi\.csv"):
        land(ledger, "macro_series")


def test_partial_mapping_has_the_datasets_and_feeds_whose_files_are_there(ledger: Ledger, put: Put, data: Path) -> None:
    (data / "ledgerline.yaml").write_text(MAPPING.replace("datasets:", "partial: true\ndatasets:"))
    put("cpi.csv", "Date,Index\n2014-05-01,237.9\n")
    assert mapped_datasets(ledger.settings) == ["macro_series"]
    assert len(land(ledger, "macro_series").batches) == 1
    assert list(source_digest(ledger.settings)) == ["macro_series"]
    with pytest.raises(NoSourceFiles, match="posts"):
        land(ledger, "posts")


def test_window_takes_dated_files_of_its_days_and_undated_ones_always(ledger: Ledger, put: Put) -> None:
    for day in ("2014-07-03", "2014-07-07"):
        put(f"rates_{day}.csv", RATES.replace("0.0265", f"0.02{day[-2:]}"))
    put("cpi.csv", "Date,Index\n2014-05-01,237.9\n")
    third = Window(datetime(2014, 7, 3, tzinfo=UTC), datetime(2014, 7, 4, tzinfo=UTC))
    landed = land(ledger, "macro_series", window=third).batches
    paths = [ledger.log.get(batch).detail["path"] for batch in landed]
    assert paths == ["rates_2014-07-03.csv", "cpi.csv"]


def test_template_makes_ids_from_the_file_s_name_a_column_and_the_row_s_number(
    ledger: Ledger, put: Put, landed_rows: Landed
) -> None:
    lines = [{"created_at": "2014-01-02T15:00:00Z", "symbol": symbol, "text": "up"} for symbol in ("A", "B", None)]
    for span in ("2014", "2015"):
        put(f"posts_{span}.jsonl.gz", gzip.compress("\n".join(map(json.dumps, lines)).encode()))
    batches = land(ledger, "posts").batches
    assert [landed_rows(batch)["post_id"].to_list() for batch in batches] == [
        ["2014:A:1", "2014:B:2", None],
        ["2015:A:1", "2015:B:2", None],
    ]


def test_lender_s_columns_land_typed_by_role_in_the_order_of_their_names(
    ledger: Ledger, put: Put, landed_rows: Landed
) -> None:
    put("bank.parquet", bank([7]))
    put("lender.csv", "id,applied,purpose\nx,2018-01-05T00:00:00Z,car\n")
    first, second = (ledger.log.get(batch) for batch in land(ledger, "applications").batches)
    roles = {"EDUCATION": "categorical", "balance": "numeric", "limit": "numeric", "sex": "protected"}
    assert first.identity["roles"] == roles
    assert first.identity["contract"] == APPLICATIONS.with_roles(roles).fingerprint
    rows = landed_rows(first.id)
    assert rows.columns == ["row_number", *APPLICATIONS.column_names, *roles]
    own = rows.select("application_id", "defaulted", "outcome_at", "EDUCATION", "balance", "limit", "sex")
    assert own.row(0) == ("bank-7", True, None, "2", None, 2.5, "1")
    assert own.dtypes[-4:] == [pl.String, pl.Float64, pl.Float64, pl.String]
    assert second.identity["roles"] == {"purpose": "categorical"}
    assert landed_rows(second.id)["purpose"].to_list() == ["car"]


def test_order_in_which_roles_are_written_does_not_matter(ledger: Ledger, data: Path) -> None:
    before = source_of(ledger.settings).feeds("applications")[0]
    (data / "ledgerline.yaml").write_text(
        MAPPING.replace("{limit: LIMIT_BAL, balance: BILL}", "{balance: BILL, limit: LIMIT_BAL}")
    )
    after = source_of(ledger.settings).feeds("applications")[0]
    assert after.roles is not None
    assert list(after.roles[Role.NUMERIC]) == ["balance", "limit"]
    assert (after.fingerprint, after.contract("applications")) == (before.fingerprint, before.contract("applications"))


def test_number_that_is_none_costs_the_lender_s_row(ledger: Ledger, put: Put, unreadable: Unreadable) -> None:
    put("bank.parquet", bank([7, 8]).with_columns(LIMIT_BAL=pl.Series(["2.5", "lots"])))
    put("lender.csv", "id,applied,purpose\n")
    (batch, _) = land(ledger, "applications").batches
    assert unreadable(batch) == [(2, "LIMIT_BAL", "lots", "not_a_number")]


def test_dataset_s_present_is_that_of_its_main_feed_or_else_the_mapping_s(ledger: Ledger) -> None:
    presents = [source_as_of(ledger.settings, name).isoformat()[:10] for name in ("macro_series", "posts")]
    assert presents == ["2015-01-01", "2018-10-01"]
    assert source_as_of(ledger.settings).isoformat() == "2018-10-01T00:00:00+00:00"


def test_what_is_due_when_does_not_make_other_rows(ledger: Ledger, data: Path) -> None:
    before = [feed.fingerprint for feed in source_of(ledger.settings).feeds("posts")]
    (data / "ledgerline.yaml").write_text(
        MAPPING.replace("starts: 2014-01-02T14:30:00Z", "as_of: 2017-01-01T00:00:00Z")
    )
    assert [feed.fingerprint for feed in source_of(ledger.settings).feeds("posts")] == before


def test_digest_names_a_file_once_though_two_feeds_read_it(ledger: Ledger, put: Put, data: Path) -> None:
    (data / "ledgerline.yaml").write_text(
        MAPPING.replace("cpi.csv", "rates_*.csv")
        .replace("column: Date, start_of: month", "column: Time Period, start_of: day")
        .replace("Index", "10year")
        .replace("datasets:", "partial: true\ndatasets:")
    )
    put("rates_2014-07-07.csv", RATES)
    assert source_digest(ledger.settings) == {"macro_series": [("rates_2014-07-07.csv", sha256_bytes(RATES.encode()))]}
    assert len(land(ledger, "macro_series").batches) == 2
