"""Which mapping reads the data folder: the one that was named, the folder's own, or the one that fits best."""

from dataclasses import dataclass
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

    It is ``settings.mapping`` if set; else ``ledgerline.yaml`` in the folder; else the one in the project's
    ``mappings/`` that fits: all its feeds have files in the folder, or, if it is ``partial``, some have. Of several
    that fit, the one that explains most files is taken.

    Raises:
        MappingInvalid: The chosen mapping, or one that might be, is wrong.
        NoMappingFits: There is no folder, no mapping fits it, or several fit it equally well.
    """
    if settings.mapping is not None:
        return load_mapping(settings.mapping)
    folder = settings.data_path
    if not folder.is_dir():
        raise NoMappingFits(f"the data folder {folder} does not exist; set LEDGERLINE_DATA to a folder of files")
    if (folder / FOLDERS_OWN).exists():
        return load_mapping(folder / FOLDERS_OWN)
    return _the_one_that_fits(folder, sorted((settings.project / "mappings").glob("*.yaml")))


@dataclass(frozen=True, slots=True)
class _Fit:
    """How a mapping fits a folder: the files that it explains, and the patterns that find none."""

    mapping: Mapping
    explained: frozenset[str]
    missed: tuple[str, ...]

    @classmethod
    def of(cls, mapping: Mapping, folder: Path) -> "_Fit":
        found = {feed.files: [file.path for file in feed.pattern.files(folder)] for feed in mapping.feeds()}
        explained = frozenset(path for paths in found.values() for path in paths)
        return cls(mapping, explained, tuple(pattern for pattern, paths in found.items() if not paths))

    @property
    def is_whole(self) -> bool:
        return bool(self.explained) and (self.mapping.partial or not self.missed)


def _the_one_that_fits(folder: Path, candidates: list[Path]) -> Mapping:
    fits = {path: _Fit.of(load_mapping(path), folder) for path in candidates}
    most = max((len(fit.explained) for fit in fits.values() if fit.is_whole), default=0)
    best = [path for path, fit in fits.items() if fit.is_whole and len(fit.explained) == most]
    if len(best) == 1:
        return fits[best[0]].mapping
    if best:
        names = ", ".join(path.name for path in best)
        raise NoMappingFits(f"several mappings fit {folder}: {names}; choose one with LEDGERLINE_MAPPING")
    reasons = [f"{path.name}: finds no {' and no '.join(fit.missed)}" for path, fit in fits.items()]
    advice = f"write {folder / FOLDERS_OWN}, or name a mapping with LEDGERLINE_MAPPING"
    raise NoMappingFits("\n  ".join([f"no mapping fits {folder}; {advice}", *reasons]))
