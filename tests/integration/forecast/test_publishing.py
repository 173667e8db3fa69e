"""Publishing forecasts by the model in force: once, on record, by the live job's checks."""

import itertools
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ledgerline.audit import Kind, Ledger
from ledgerline.audit.verify import entries_holding
from ledgerline.core.identity import sha256_file
from ledgerline.core.settings import Settings
from ledgerline.decisions.bundle import BundleRefused, RefusalReason, load_bundle
from ledgerline.decisions.deployment import current
from ledgerline.decisions.forecast.series import series_of
from ledgerline.decisions.models import load_model
from pipelines.features import versions
from pipelines.publishing import NothingToPublish, Published, last_published, publish_forecast
from pipelines.training.forecast.sealed import known_months
from pipelines.training.inputs import feature_manifest

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # within DVC


def copied(ledger: Ledger, home: Path, to: Path) -> Ledger:
    """Open a copy of an installation whose home is ``home``."""
    settings = ledger.settings
    copy = Path(shutil.copytree(home, to, symlinks=True))
    return Ledger.open(Settings(home=copy, project=settings.project, actor=settings.actor), ledger.clock)


@pytest.fixture(scope="module")
def home_before(deployed: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the installation in which nothing was published yet."""
    home = tmp_path_factory.mktemp("copy") / "home"
    return Path(shutil.copytree(deployed.ledger.settings.home, home, symlinks=True))


@pytest.fixture(scope="module")
def published(deployed: Any, home_before: Path) -> Published:
    return publish_forecast(deployed.ledger)


def test_tables_hold_what_the_deployed_model_says_of_every_series(deployed: Any, published: Published):
    ledger = deployed.ledger
    table = pl.read_parquet(published.parquet)
    model = load_model(load_bundle(ledger.objects, current(ledger, "forecast").bundle))
    version = ledger.log.get(versions(ledger, "ledger_monthly")[-1].id)
    manifest = feature_manifest(ledger, version)
    series = series_of(known_months(ledger, manifest), as_of=manifest.as_of)

    assert table.height == published.rows == len(series) * 12
    for each in series[:3]:
        rows = table.filter(pl.col("entity_id") == each.entity_id)
        forecast = model.forecast(each.values)
        assert rows["expected"].to_list() == forecast.point.tolist()
        assert rows["high_0.95"].to_list() == forecast.bounds["0.95"][1].tolist()
    assert str(table["month"].min()) == "2024-01-01"
    assert str(table["month"].max()) == "2024-12-01"
    assert pl.read_csv(published.csv)["expected"].to_list() == pytest.approx(table["expected"].to_list(), abs=1e-6)


def test_intervals_contain_each_other_and_the_point(published: Published):
    table = pl.read_parquet(published.parquet)
    order = ["low_0.95", "low_0.8", "expected", "high_0.8", "high_0.95"]
    assert all((table[one] <= table[other]).all() for one, other in itertools.pairwise(order))


def test_plots_are_a_picture_and_a_page_that_needs_no_network(published: Published):
    assert published.plot.read_bytes().startswith(b"\x89PNG")
    page = published.page.read_text()
    assert r"book-00\u002frevenue" in page
    assert "<script src=" not in page


def test_leaf_leads_to_deployment_and_features(deployed: Any, published: Published):
    log = deployed.ledger.log
    leaf = log.get(published.id)

    parents = dict(log.parents(leaf.id))
    assert parents["deployment"].id == current(deployed.ledger, "forecast").id
    assert parents["features"].kind is Kind.FEATURE_VERSION
    assert leaf.identity["csv"] == sha256_file(published.csv)
    assert leaf.identity["parquet"] == sha256_file(published.parquet)


def test_publishing_again_records_nothing(deployed: Any, published: Published):
    before = entries_holding(deployed.ledger.log)

    again = publish_forecast(deployed.ledger)

    assert (again.id, again.reused) == (published.id, True)
    assert entries_holding(deployed.ledger.log) == before


def test_files_that_were_lost_or_changed_come_back(deployed: Any, published: Published):
    wanted = sha256_file(published.csv)
    published.csv.write_text("changed")
    published.parquet.unlink()

    again = last_published(deployed.ledger)

    assert sha256_file(again.csv) == wanted
    assert again.parquet.is_file()


def test_killed_before_the_record_it_ends_in_the_same_leaf_and_files(
    deployed: Any, published: Published, home_before: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    ledger = copied(deployed.ledger, home_before, tmp_path / "home")
    with monkeypatch.context() as killed:
        killed.setattr(type(ledger.log), "append", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            publish_forecast(ledger)
    assert ledger.log.latest(Kind.FORECAST) is None

    again = publish_forecast(ledger)

    assert (again.id, again.reused) == (published.id, False)
    assert sha256_file(again.csv) == sha256_file(published.csv)


def test_nothing_is_published_without_a_model_in_force(tmp_path: Any):
    with pytest.raises(NothingToPublish, match="no forecasting model is in force in sandbox"):
        publish_forecast(Ledger.open(Settings(home=tmp_path)))


def test_model_whose_bytes_changed_publishes_nothing(deployed: Any, home_before: Path, tmp_path: Path):
    ledger = copied(deployed.ledger, home_before, tmp_path / "home")
    bundle = load_bundle(ledger.objects, current(ledger, "forecast").bundle)
    with ledger.objects.local(bundle.manifest.files["model.json"].sha256) as stored:
        stored.chmod(0o600)
        stored.write_bytes(bundle.model_bytes.replace(b'"horizon":12', b'"horizon":11'))

    with pytest.raises(BundleRefused) as refused:
        publish_forecast(ledger)
    assert refused.value.reason is RefusalReason.OBJECT_CORRUPT
    assert ledger.log.latest(Kind.FORECAST) is None
