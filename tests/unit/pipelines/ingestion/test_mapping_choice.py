"""Which mapping reads a folder."""

from pathlib import Path

import pytest

from ledgerline.core.settings import PROJECT_ROOT, Settings
from ledgerline.sandbox import write_world
from pipelines.ingestion import NoMappingFits, choose_mapping, mapped_datasets, source_as_of

MAPPING = """
name: {name}
as_of: 2024-02-01T02:00:00+02:00
datasets:
  fraud_labels:
    files: {files}
    columns:
      transaction_id: id
      is_fraud: fraud
      event_time: t
      available_at: t
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    project = tmp_path / "project"
    (project / "mappings").mkdir(parents=True)
    return project


def put(project: Path, name: str, files: str) -> Path:
    path = project / "mappings" / f"{name}.yaml"
    path.write_text(MAPPING.format(name=name, files=files))
    return path


def settings(tmp_path: Path, project: Path, **more: object) -> Settings:
    (tmp_path / "data").mkdir(exist_ok=True)
    return Settings(home=tmp_path / "home", data=tmp_path / "data", project=project, **more)


def test_named_mapping_comes_before_the_folders_own(tmp_path: Path, project: Path) -> None:
    chosen = settings(tmp_path, project, mapping=put(project, "named", "x.csv"))
    (tmp_path / "data" / "ledgerline.yaml").write_text(MAPPING.format(name="own", files="x.csv"))
    assert choose_mapping(chosen).name == "named"
    assert choose_mapping(settings(tmp_path, project)).name == "own"


def test_only_mapping_whose_files_are_there_is_found(tmp_path: Path, project: Path) -> None:
    put(project, "dated", "labels_{date}.csv")
    put(project, "plain", "labels_2024.csv")
    found = settings(tmp_path, project)
    (tmp_path / "data" / "labels_2024.csv").touch()
    assert choose_mapping(found).name == "plain"
    assert mapped_datasets(found) == ["fraud_labels"]
    assert source_as_of(found).isoformat() == "2024-02-01T00:00:00+00:00"


def test_no_fitting_mapping_says_what_each_missed(tmp_path: Path, project: Path) -> None:
    put(project, "a", "a/*.csv")
    put(project, "b", "b/*.parquet")
    with pytest.raises(NoMappingFits) as none:
        choose_mapping(settings(tmp_path, project))
    assert "a.yaml: finds no a/*.csv" in str(none.value)
    assert "b.yaml: finds no b/*.parquet" in str(none.value)


def test_several_fitting_mappings_are_named(tmp_path: Path, project: Path) -> None:
    put(project, "a", "?.csv")
    put(project, "b", "x*.csv")
    several = settings(tmp_path, project)
    (tmp_path / "data" / "x.csv").touch()
    with pytest.raises(NoMappingFits, match=r"a\.yaml, b\.yaml"):
        choose_mapping(several)


def test_mapping_that_explains_most_files_is_taken(tmp_path: Path, project: Path) -> None:
    put(project, "wide", "'*.csv'")
    put(project, "narrow", "x*.csv")
    found = settings(tmp_path, project)
    for name in ("x1.csv", "x2.csv", "y.csv"):
        (tmp_path / "data" / name).touch()
    assert choose_mapping(found).name == "wide"


def test_partial_mapping_fits_where_some_of_its_files_are(tmp_path: Path, project: Path) -> None:
    path = put(project, "part", "x.csv")
    more = MAPPING[MAPPING.index("  fraud_labels") :].replace("fraud_labels", "ledger").format(files="ledger.csv")
    columns = more[: more.index("      transaction_id")] + "".join(
        f"      {name}: {name}\n" for name in ("entity_id", "account", "amount", "event_time", "available_at")
    )
    path.write_text(path.read_text() + columns)
    found = settings(tmp_path, project)
    (tmp_path / "data" / "x.csv").touch()
    with pytest.raises(NoMappingFits, match=r"part\.yaml: finds no ledger\.csv"):
        choose_mapping(found)
    path.write_text(path.read_text().replace("datasets:", "partial: true\ndatasets:"))
    assert choose_mapping(found).name == "part"
    assert mapped_datasets(found) == ["fraud_labels"]


def test_partial_mapping_without_any_file_does_not_fit(tmp_path: Path, project: Path) -> None:
    path = put(project, "part", "x.csv")
    path.write_text(path.read_text().replace("datasets:", "partial: true\ndatasets:"))
    with pytest.raises(NoMappingFits, match=r"part\.yaml: finds no x\.csv"):
        choose_mapping(settings(tmp_path, project))


def test_absent_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoMappingFits, match="nowhere does not exist"):
        choose_mapping(Settings(home=tmp_path, data=tmp_path / "nowhere"))


def test_shipped_mappings_tell_the_sandbox_from_the_published_file(tmp_path: Path) -> None:
    write_world(tmp_path / "world", customers=50, terminals=50, days=8, seed=1)
    assert choose_mapping(Settings(home=tmp_path, data=tmp_path / "world", project=PROJECT_ROOT)).name == "sandbox"
    published = tmp_path / "published" / "transactions"
    published.mkdir(parents=True)
    (published / "card_transactions_2018.parquet").touch()
    assert choose_mapping(Settings(home=tmp_path, data=published.parent)).name == "published"
