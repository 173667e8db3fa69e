"""A deployed model, what it was served live, and the page and metrics that show how its features fare."""

import importlib.util
import json
import re
import shutil
import sys
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest
from typer.testing import CliRunner

from feature_store.views.card_spending import CARD_SPENDING
from ledgerline.audit import Kind, Leaf, Ledger, Parent
from ledgerline.cli.main import app
from ledgerline.core.clock import FixedClock, instant_text
from ledgerline.core.errors import LedgerlineError
from ledgerline.core.settings import PROJECT_ROOT
from ledgerline.decisions.deployment import record_deployment
from ledgerline.decisions.record import NewDecision, record_decision
from ledgerline.decisions.schema import ensure_tables
from ledgerline.services.scoring.feature_state import FeatureState
from ledgerline.services.scoring.metrics import ScoringMetrics
from pipelines.features import FeatureVersion, build, read_features
from pipelines.monitoring import monitor_models
from pipelines.monitoring.feature_page import describe, render
from pipelines.monitoring.stability import stability_index

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # within DVC
VIEW = CARD_SPENDING.name
NAMES = CARD_SPENDING.feature_names
WRONG = 9


@dataclass(frozen=True)
class Installation:
    """What the tests look at.

    Attributes:
        ledger: Its evidence.
        trained: The version that the deployed model was trained on.
        newest: The version built since, with larger amounts.
        bundle: The deployed model.
        deployment: Leaf id of its deployment.
    """

    ledger: Ledger
    trained: FeatureVersion
    newest: FeatureVersion
    bundle: str
    deployment: str


@pytest.fixture(scope="module")
def line() -> ModuleType:
    if "promotion_line" not in sys.modules:
        path = Path(__file__).parents[1] / "promotion" / "line.py"
        spec = importlib.util.spec_from_file_location("promotion_line", path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules["promotion_line"] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules["promotion_line"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory, line, history, files_of, day_of) -> Installation:
    """A model trained on fifteen days is deployed; in the next fifteen, amounts are four times as large."""
    folder = tmp_path_factory.mktemp("quality")
    project = line.project_with(folder / "project")
    (project / "policies" / "monitoring.yaml").write_bytes((PROJECT_ROOT / "policies" / "monitoring.yaml").read_bytes())
    suites = Path("great_expectations", "expectations")
    shutil.copytree(PROJECT_ROOT / suites, project / suites)
    mapping = PROJECT_ROOT / "mappings" / "sandbox.yaml"
    ledger = line.open_ledger(folder / "home", FixedClock(day_of(40)), project=project, mapping=mapping)
    versions = []
    for first, last, times in ((0, 15, 1), (15, 30, 4)):
        transactions, labels = history.of_days(first, last)
        files_of(ledger, transactions.with_columns(pl.col("amount_minor") * times), labels)
        versions.append(build(ledger, VIEW, as_of=day_of(last)))
    trained, newest = versions
    bundle = line.approved_model(ledger, training_set=_training_set(ledger, line, trained))
    deployment = record_deployment(ledger, bundle).id
    _serve(ledger, newest, bundle, deployment)
    return Installation(ledger, trained, newest, bundle, deployment)


def _training_set(ledger, line, version) -> str:
    features = read_features(ledger, version.id).collect()
    content = line.parquet(features.with_columns(is_fraud=pl.lit(False)))
    identity = {
        "family": "fraud",
        "feature_version": version.id,
        "labels": [],
        "as_of": instant_text(ledger.clock.now()),
        "spec": "0" * 64,
        "rows": features.height,
        "sha256": ledger.objects.put(content),
    }
    return ledger.log.append(Leaf(Kind.TRAINING_SET, identity), [Parent(version.id, "features")])


def _serve(ledger, version, bundle, deployment) -> None:
    """Record that the newest payments were decided on live: a few with another amount than they have offline."""
    ensure_tables(ledger)
    rows = read_features(ledger, version.id).tail(300).collect().to_dicts()
    with ledger.log.transaction() as transaction:
        for number, row in enumerate(rows):
            vector = {name: float(row[name]) for name in NAMES}
            vector["amount"] += 0.01 if number < WRONG else 0.0
            subject = row["transaction_id"]
            new = NewDecision(
                family="fraud",
                subject=subject,
                body=json.dumps({"transaction_id": subject}).encode(),
                event={"transaction_id": subject, "event_time": instant_text(row["event_time"])},
                vector=vector,
                answer={"score": 0.5},
                bundle=bundle,
                deployment=deployment,
                decided_at=ledger.clock.now(),
            )
            record_decision(ledger, transaction, new)


@pytest.fixture(scope="module")
def described(installed):
    return describe(installed.ledger, VIEW)


def test_drift_is_that_of_the_newest_rows_against_the_version_that_the_champion_was_trained_on(installed, described):
    assert described.leaf.id == installed.newest.id
    assert described.trained.bundle == installed.bundle
    assert described.trained.feature_version == installed.trained.id
    then, now = (read_features(installed.ledger, each.id).collect() for each in (installed.trained, installed.newest))
    recent = now.filter(pl.col("available_at") > described.manifest.as_of - pl.duration(days=28))
    expected = {name: stability_index(then[name], recent[name]) for name in NAMES}
    assert {each.name: each.profile.psi for each in described.features} == pytest.approx(expected)
    assert described.features[0].profile.psi == max(expected.values())
    assert "amount" in {each.name for each in described.drifted(described.alert_psi)}
    assert "is_night" not in {each.name for each in described.drifted(0.1)}


def test_counts_bounds_and_means_are_those_of_every_row(installed, described):
    rows = read_features(installed.ledger, installed.newest.id).collect()
    (amount,) = (each.profile for each in described.features if each.name == "amount")
    assert (amount.exact.rows, amount.exact.nulls) == (rows.height, 0)
    assert (amount.exact.low, amount.exact.high) == (rows["amount"].min(), rows["amount"].max())
    assert amount.exact.mean == pytest.approx(rows["amount"].mean())
    assert amount.quantiles[0.5] == pytest.approx(rows["amount"].median())
    assert sum(bar.share for bar in amount.bars) == pytest.approx(1.0)
    assert len(amount.weeks) == rows["available_at"].dt.truncate("1w").n_unique()
    assert described.newest_event == rows["event_time"].max()


def test_who_uses_the_view_stands_in_the_log(installed, described):
    (use,) = described.uses
    assert (use.family, use.job, use.deployments) == ("fraud", "scoring", (installed.deployment,))
    assert [leaf.id for leaf in described.versions] == [installed.newest.id, installed.trained.id]


class Page(HTMLParser):
    """Collects what a page says, what it fetches, and which elements it leaves open."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.fetched += [
            value for name, value in attrs if name in ("src", "srcset") or (tag == "link" and name == "href")
        ]
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in ("meta", "rect", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.texts.append(data)


def test_page_is_whole_and_fetches_nothing(described, installed):
    page = Page()
    page.feed(render(described))
    text = " ".join(" ".join(page.texts).split())
    assert (page.open, page.fetched) == ([], [])
    assert len(set(page.ids)) == len(page.ids)
    assert text.index("Drifted") < text.index("Features") < text.index("One by one") < text.index("Versions")
    for said in ("as today's", "fraud in scoring", installed.bundle[:12], installed.trained.id[:12], "major units"):
        assert said in text
    first = re.search(r"Unit (\w+)", text)
    assert first is not None
    assert first.group(1) == described.features[0].name


def test_page_draws_what_was_measured(described):
    found = re.search(r'<script type="application/json" id="plots">(.*?)</script>', render(described), re.S)
    plots = json.loads(found.group(1))
    assert len(plots) == len(described.features)
    assert all(len(each["labels"]) == len(each["now"]) == len(each["newest"]) == len(each["trained"]) for each in plots)
    assert all(len(each["weeks"]) == len(each["median"]) for each in plots)


def test_command_writes_the_page(installed, tmp_path, monkeypatch):
    monkeypatch.setenv("LEDGERLINE_HOME", str(installed.ledger.settings.home))
    monkeypatch.setenv("LEDGERLINE_PROJECT", str(installed.ledger.settings.project))
    out = tmp_path / "page.html"
    run = CliRunner().invoke(app, ["features", "describe", VIEW, "--version", installed.trained.id, "--out", str(out)])
    assert run.exit_code == 0, run.output
    assert "none has drifted" in run.stdout
    assert installed.trained.id[:12] in out.read_text()


@pytest.fixture(scope="module")
def seen(installed):
    return monitor_models(installed.ledger)


def test_decisions_that_were_served_other_features_than_their_rows_have_are_counted_and_alert(seen):
    found = seen.report["skew"]["fraud"]
    assert (found["decisions"], found["compared"], found["differing"]) == (300, 300, WRONG)
    assert set(found["features"]) == set(NAMES)
    assert found["features"]["amount"] > 0.25
    assert any("9 of 300 live decisions were served other features" in sentence for sentence in seen.exceeded)
    assert any("served otherwise than trained on" in sentence for sentence in seen.exceeded)


def test_view_is_as_old_as_its_newest_row(seen, installed, described):
    found = seen.report["views"][VIEW]
    assert found["version"] == installed.newest.id
    assert found["newest"] == instant_text(described.newest_event)


def test_metrics_say_what_monitoring_saw_last(seen, installed):
    metrics = ScoringMetrics()
    metrics.watch_features(FeatureState(installed.ledger))
    said = metrics.exposition().decode()
    values = dict(line.rsplit(" ", 1) for line in said.splitlines() if not line.startswith("#"))
    of = f'{{family="fraud",view="{VIEW}"}}'
    assert float(values[f"ledgerline_feature_served_differing_share{of}"]) == pytest.approx(WRONG / 300)
    assert float(values[f"ledgerline_feature_served_compared{of}"]) == 300
    fresh = float(values[f'ledgerline_feature_freshness_seconds{{view="{VIEW}"}}'])
    assert fresh == pytest.approx(seen.report["views"][VIEW]["age_seconds"])
    psi = {name: value for name, value in values.items() if name.startswith("ledgerline_feature_skew_psi")}
    assert len(psi) == len(NAMES)
    assert float(values["ledgerline_monitoring_exceeded"]) == len(seen.exceeded)


def test_metrics_of_an_installation_that_was_never_looked_at_are_whole_without_these(line, tmp_path):
    metrics = ScoringMetrics()
    metrics.watch_features(FeatureState(line.open_ledger(tmp_path / "home")))
    said = metrics.exposition().decode()
    assert "ledgerline_scoring_in_flight 0.0" in said
    assert "ledgerline_feature_" not in said


def test_metrics_are_whole_without_these_while_the_look_cannot_be_read(line, tmp_path):
    ledger = line.open_ledger(tmp_path / "home")
    ledger.log.append(Leaf(Kind.MONITORING, {"report": "0" * 64}, {"looked_at": instant_text(ledger.clock.now())}))
    with pytest.raises(LedgerlineError):
        ledger.objects.get("0" * 64)
    metrics = ScoringMetrics()
    metrics.watch_features(FeatureState(ledger))
    assert "ledgerline_scoring_in_flight 0.0" in metrics.exposition().decode()
