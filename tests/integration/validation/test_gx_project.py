"""The committed GX project is Great Expectations' own: it opens as a file context and its checkpoints run by hand."""

import shutil

import pytest

from ledgerline.core.clock import instant_text
from ledgerline.core.contracts import CONTRACTS
from ledgerline.core.identity import source_fingerprint
from ledgerline.core.settings import PROJECT_ROOT
from pipelines.validation.examiner import great_expectations
from pipelines.validation.suites import FACTS, Severity, read_suite

PROJECT = PROJECT_ROOT / "great_expectations"


@pytest.fixture
def project(tmp_path):
    """A copy of the committed project: a file context writes beside what it reads."""
    shutil.copytree(PROJECT, tmp_path / "gx", ignore=shutil.ignore_patterns("uncommitted"))
    return tmp_path / "gx"


@pytest.fixture
def context(project):
    return great_expectations().get_context(mode="file", context_root_dir=project)


@pytest.mark.parametrize("dataset", CONTRACTS)
def test_committed_suite_loads_in_a_file_context_with_every_expectation(context, ledger, dataset):
    suite = context.suites.get(dataset)
    committed = read_suite(ledger.settings, dataset)
    assert {expectation.id for expectation in suite.expectations} == {rule.id for rule in committed.rules}
    assert {expectation.severity.value for expectation in suite.expectations} <= {level.value for level in Severity}
    assert suite.meta["max_quarantined_share"] == committed.max_quarantined_share == 0.05


def test_opening_the_project_changes_no_committed_file(project):
    files = sorted(path for path in project.rglob("*") if path.is_file())
    before = source_fingerprint(files)
    context = great_expectations().get_context(mode="file", context_root_dir=project)
    for dataset in CONTRACTS:
        context.checkpoints.get(dataset)
    assert source_fingerprint(files) == before


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # GX's use of pandas
def test_checkpoint_run_by_hand_finds_the_bad_row_that_the_validator_finds(context, landing):
    import pandas as pd

    rows = landing.labels(20)
    rows[7]["available_at"] = rows[7]["event_time"]
    frame = pd.DataFrame(rows).assign(**dict(zip(FACTS, (False, 1), strict=True)))
    found = context.checkpoints.get("fraud_labels").run(
        batch_parameters={"dataframe": frame}, expectation_parameters={"as_of": instant_text(landing.AS_OF)}
    )
    [result] = found.run_results.values()
    failed = [entry for entry in result.results if not entry.success]
    assert [entry.expectation_config.type for entry in failed] == ["expect_label_delay"]
    assert failed[0].result["unexpected_index_list"] == [7]


@pytest.mark.parametrize("dataset", CONTRACTS)
def test_every_non_nullable_column_is_expected_not_to_be_null(ledger, dataset):
    rules = read_suite(ledger.settings, dataset).rules
    guarded = {
        rule.column
        for rule in rules
        if rule.document["type"] == "expect_column_values_to_not_be_null" and rule.severity is Severity.CRITICAL
    }
    assert guarded == {column.name for column in CONTRACTS[dataset].columns if not column.nullable}
