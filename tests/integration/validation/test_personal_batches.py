"""A world whose cards are persons is judged, and gives features, as one whose cards are numbers."""

from pathlib import Path

import polars as pl
import pytest
import yaml
from polars.testing import assert_frame_equal

from feature_store.offline import compute
from feature_store.views import view_named
from ledgerline.audit import Ledger
from ledgerline.audit.erasure import erase
from ledgerline.core.contracts import FRAUD_LABELS, TRANSACTIONS
from ledgerline.core.settings import PROJECT_ROOT, Settings
from ledgerline.sandbox import write_world
from pipelines.ingestion import land
from pipelines.validation import accepted_receipts, validate_batches

DATASETS = (TRANSACTIONS, FRAUD_LABELS)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world") / "data"
    write_world(folder, customers=200, terminals=50, days=21, seed=7)
    return folder


def judged(home: Path, data: Path, mapping: Path) -> tuple[Ledger, dict[str, list[tuple[int, int, dict[str, int]]]]]:
    """Land and judge the card world; return what became of every file."""
    ledger = Ledger.open(Settings(home=home, data=data, mapping=mapping))
    found = {}
    for contract in DATASETS:
        receipts = validate_batches(ledger, land(ledger, contract.name).batches)
        found[contract.name] = [(each.accepted, each.quarantined, dict(each.reasons)) for each in receipts]
    return ledger, found


def accepted(ledger: Ledger, dataset: str) -> pl.DataFrame:
    paths = [
        ledger.settings.workspace_path / each.detail["accepted_path"] for each in accepted_receipts(ledger, dataset)
    ]
    return pl.concat(pl.read_parquet(path) for path in paths)


def features(ledger: Ledger) -> pl.DataFrame:
    frame = compute(view_named("card_spending"), *(accepted(ledger, contract.name) for contract in DATASETS))
    return frame.drop("customer_id", strict=False).sort("transaction_id")


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory, data: Path):
    folder = tmp_path_factory.mktemp("homes")
    committed = PROJECT_ROOT / "mappings/sandbox.yaml"
    said = yaml.safe_load(committed.read_text())
    said["datasets"]["transactions"]["personal"] = {"subject": "customer_id"}
    (folder / "personal.yaml").write_text(yaml.safe_dump(said))
    return judged(folder / "plain", data, committed), judged(folder / "personal", data, folder / "personal.yaml")


def test_every_row_is_judged_alike(worlds):
    (_, plain), (_, personal) = worlds
    assert personal == plain
    assert sum(quarantined for _, quarantined, _ in personal["transactions"]) >= 5


def test_features_are_the_same_to_the_last_bit(worlds):
    (plain, _), (personal, _) = worlds
    assert set(accepted(plain, "transactions")["customer_id"]).isdisjoint(
        accepted(personal, "transactions")["customer_id"]
    )
    assert_frame_equal(features(personal), features(plain), check_exact=True)


def test_features_of_an_erased_person_stay_and_name_nobody(worlds):
    _, (ledger, _) = worlds
    before = accepted(ledger, "transactions")
    known = features(ledger)
    pseudonym = before["customer_id"][0]
    erase(ledger, pseudonym, person="dana", reason="request 7")
    assert_frame_equal(features(ledger), known, check_exact=True)
    assert accepted(ledger, "transactions")["customer_id"].str.starts_with("person-").all()
