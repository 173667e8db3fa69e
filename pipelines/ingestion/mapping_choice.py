"""Which mapping reads the data folder: the one that was named, the folder's own, or the only one that fits."""

from pathlib import Path

from ledgerline.core.errors import LedgerlineError
from ledgerline.core.settings import Settings
from pipelines.ingestion.mapping import Mapping
from pipelines.ingestion.mapping_file import load_mapping

FOLDERS_OWN = "ledgerline.yaml"


class NoMappingFits(LedgerlineError):
    """No mapping reads the data folder, or several do; the message says what each missed."""


def choose_mapping(settings: Settings) -> Mapping:
    """Return the mapping for ``settings.data_path``.

    It is ``settings.mapping`` if set; else ``ledgerline.yaml`` in the folder; else the only file in the project's
    ``mappings/`` all of whose datasets have files in the folder.

    Raises:
        MappingInvalid: The chosen mapping, or one that might be, is wrong.
        NoMappingFits: There is no folder, or not exactly one mapping fits it.
    """
    if settings.mapping is not None:
        return load_mapping(settings.mapping)
    folder = settings.data_path
    if not folder.is_dir():
        raise NoMappingFits(f"the data folder {folder} does not exist; set LEDGERLINE_DATA to a folder of files")
    if (folder / FOLDERS_OWN).exists():
        return load_mapping(folder / FOLDERS_OWN)
    return _the_one_that_fits(folder, sorted((settings.project / "mappings").glob("*.yaml")))


def _the_one_that_fits(folder: Path, candidates: list[Path]) -> Mapping:
    mappings = {path: load_mapping(path) for path in candidates}
    missed = {path: _patterns_without_files(mapping, folder) for path, mapping in mappings.items()}
    fitting = [path for path, patterns in missed.items() if not patterns]
    if len(fitting) == 1:
        return mappings[fitting[0]]
    if fitting:
        names = ", ".join(path.name for path in fitting)
        raise NoMappingFits(f"several mappings fit {folder}: {names}; choose one with LEDGERLINE_MAPPING")
    reasons = [f"{path.name}: finds no {' and no '.join(patterns)}" for path, patterns in missed.items()]
    advice = f"write {folder / FOLDERS_OWN}, or name a mapping with LEDGERLINE_MAPPING"
    raise NoMappingFits("\n  ".join([f"no mapping fits {folder}; {advice}", *reasons]))


def _patterns_without_files(mapping: Mapping, folder: Path) -> list[str]:
    patterns = dict.fromkeys(dataset.files for dataset in mapping.datasets.values())
    found = {dataset.files for dataset in mapping.datasets.values() if dataset.pattern.files(folder)}
    return [pattern for pattern in patterns if pattern not in found]
