"""When the line has nothing left to do, and which source a home belongs to."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ledgerline.audit import Ledger
from ledgerline.core.clock import FixedClock
from ledgerline.core.settings import PROJECT_ROOT, Settings
from pipelines.line import OtherSource, claim_home, inputs_id, is_at_rest, note_at_rest, source_of_home

MAPPING = """
name: {name}
as_of: 2018-10-01T00:00:00Z
datasets:
  transactions:
    files: payments_*.csv
    columns:
      transaction_id: id
      customer_id: customer
      terminal_id: terminal
      amount_minor: {{column: amount, unit: minor}}
      currency: {{constant: EUR}}
      event_time: at
      available_at: at
"""


def make_ledger(tmp_path: Path, *, source: str = "shop") -> Ledger:
    data = tmp_path / source
    data.mkdir(exist_ok=True)
    (data / "ledgerline.yaml").write_text(MAPPING.format(name=source))
    (data / "payments_1.csv").write_text("id,customer,terminal,amount,at\n1,a,b,100,2018-09-01T00:00:00Z\n")
    settings = Settings(home=tmp_path / "home", data=data, project=PROJECT_ROOT)
    return Ledger.open(settings, FixedClock(datetime(2018, 10, 1, tzinfo=UTC)))


def test_equal_inputs_have_equal_ids_whenever_they_are_asked_for(tmp_path: Path):
    assert inputs_id(make_ledger(tmp_path)) == inputs_id(make_ledger(tmp_path))


def test_a_new_file_is_a_new_input(tmp_path: Path):
    ledger = make_ledger(tmp_path)
    before = inputs_id(ledger)
    (ledger.settings.data_path / "payments_2.csv").write_text("id,customer,terminal,amount,at\n")
    assert inputs_id(ledger) != before


def test_another_mapping_of_the_same_files_is_a_new_input(tmp_path: Path):
    ledger = make_ledger(tmp_path)
    before = inputs_id(ledger)
    mapping = ledger.settings.data_path / "ledgerline.yaml"
    mapping.write_text(mapping.read_text().replace("EUR", "USD"))
    assert inputs_id(ledger) != before


def test_the_line_is_at_rest_only_after_it_ran_through_with_these_inputs(tmp_path: Path):
    ledger = make_ledger(tmp_path)
    inputs = inputs_id(ledger)
    ledger.settings.workspace_path.mkdir(parents=True)
    assert not is_at_rest(ledger, inputs)
    note_at_rest(ledger, inputs)
    assert is_at_rest(ledger, inputs)
    assert not is_at_rest(ledger, "0" * 64)


def test_a_home_whose_workspace_is_gone_is_not_at_rest(tmp_path: Path):
    ledger = make_ledger(tmp_path)
    note_at_rest(ledger, "1" * 64)
    assert not is_at_rest(ledger, "1" * 64)


def test_a_home_remembers_its_source(tmp_path: Path):
    ledger = make_ledger(tmp_path)
    assert source_of_home(ledger.settings.home) is None
    claim_home(ledger)
    held = source_of_home(ledger.settings.home)
    assert held is not None
    assert (held.name, held.data) == ("shop", ledger.settings.data)


def test_a_home_refuses_another_source_and_names_the_ways_on(tmp_path: Path):
    claim_home(make_ledger(tmp_path))
    with pytest.raises(OtherSource, match="make clean"):
        claim_home(make_ledger(tmp_path, source="bank"))
