"""Data Docs are Great Expectations' own pages of every judged batch, and can be built again at any time."""

import re
import shutil

import pytest

from pipelines.validation import build_data_docs, validate


@pytest.fixture
def judged(landing, ledger):
    """A receipt with a quarantined row, under a path that HTML must not take for markup."""
    rows = landing.payments(40)
    rows[3]["amount_minor"] = -77
    batch = landing.land(ledger, rows, path="in/<b>payments</b> & more.csv")
    return validate(ledger, batch.id, as_of=landing.AS_OF)


def pages(index):
    return {path.relative_to(index.parent).as_posix() for path in index.parent.rglob("*.html")}


def test_first_page_names_the_batch_its_file_its_verdict_and_its_page(ledger, judged):
    index = build_data_docs(ledger)
    assert index == ledger.settings.data_docs_path / "index.html"
    text = index.read_text()
    assert judged.batch[:16] in text
    assert "in/&lt;b&gt;payments&lt;/b&gt; &amp; more.csv" in text
    assert "<td>accepted</td>" in text
    assert "amount_negative 1" in text
    [link] = re.findall(r'<td><a href="(validations/[^"]+)"', text)
    assert (index.parent / link).exists()


def test_result_page_shows_the_expectations_and_what_failed_them(ledger, judged):
    index = build_data_docs(ledger)
    [page] = [page for page in pages(index) if page.startswith("validations/")]
    text = re.sub(r"<[^>]+>", " ", (index.parent / page).read_text())
    assert judged.id in text
    assert "-77" in text
    assert "2018-10-01T00:00:00.000000Z" in text
    assert "$PARAMETER" not in text
    assert "expectations/transactions.html" in pages(index)


def test_custom_expectation_says_what_it_expects(landing, ledger):
    validate(ledger, landing.land(ledger, landing.labels(5), dataset="fraud_labels").id, as_of=landing.AS_OF)
    index = build_data_docs(ledger)
    text = re.sub(r"<[^>]+>", " ", (index.parent / "expectations/fraud_labels.html").read_text())
    assert re.search(r"must be at least\s+7\s+days after those in", text)


def test_building_again_renders_only_what_is_new(landing, ledger, judged):
    index = build_data_docs(ledger)
    [first] = [page for page in pages(index) if page.startswith("validations/")]
    old = index.parent / first
    old.write_text("not rendered again")
    batch = landing.land(ledger, landing.payments(5, start=100), path="second.csv")
    validate(ledger, batch.id, as_of=landing.AS_OF)
    build_data_docs(ledger)
    assert old.read_text() == "not rendered again"
    assert len([page for page in pages(index) if page.startswith("validations/")]) == 2
    assert "second.csv" in index.read_text()


def test_deleted_site_is_built_again_from_the_stored_results(ledger, judged):
    before = pages(build_data_docs(ledger))
    shutil.rmtree(ledger.settings.data_docs_path)
    assert pages(build_data_docs(ledger)) == before


def test_site_without_any_receipt_has_a_first_page(ledger):
    assert build_data_docs(ledger).exists()
