"""Whether the line from source files to a deployed model has anything left to do."""

import json
from dataclasses import dataclass
from pathlib import Path

from ledgerline.audit import Ledger
from ledgerline.core.errors import LedgerlineError
from ledgerline.core.identity import content_id, sha256_file, source_fingerprint
from ledgerline.core.storage import write_atomically
from pipelines.ingestion import choose_mapping, source_digest

_CODE = ("pipelines", "feature_store", "ledgerline/core", "ledgerline/audit", "ledgerline/decisions")
_KNOBS = ("params.yaml", "policies", "great_expectations/expectations", "requirements.lock")
_SOURCE = "source.json"


class OtherSource(LedgerlineError):
    """The home holds another source's data."""


@dataclass(frozen=True, slots=True)
class HomeSource:
    """What fills a home.

    Attributes:
        name: The mapping's name.
        data: The folder of files; None for the simulated world.
        mapping: The mapping file, where one was named.
    """

    name: str
    data: Path | None
    mapping: Path | None


def inputs_id(ledger: Ledger) -> str:
    """Return one id over everything that the line's outcome follows from.

    That is: the source's files, their mapping, the code of every stage, parameters, policies, suites and locked
    libraries. Two equal ids mean that running the line again would make nothing new.
    """
    project = ledger.settings.project
    knobs = (path for name in _KNOBS for path in _files(project / name))
    return content_id(
        {
            "files": {
                dataset: [list(file) for file in files] for dataset, files in source_digest(ledger.settings).items()
            },
            "mapping": choose_mapping(ledger.settings).model_dump(mode="json"),
            "profile": ledger.settings.profile,
            "code": source_fingerprint(project / name for name in _CODE),
            "knobs": {path.relative_to(project).as_posix(): sha256_file(path) for path in knobs},
        }
    )


def is_at_rest(ledger: Ledger, inputs: str) -> bool:
    """Return whether the line ran through with these very inputs and nothing of it was taken away since."""
    marker = _marker(ledger)
    return marker.exists() and marker.read_text(encoding="ascii") == inputs and ledger.settings.workspace_path.exists()


def note_at_rest(ledger: Ledger, inputs: str) -> None:
    """Note that the line ran through with these inputs. A hint for the next start, not evidence."""
    write_atomically(_marker(ledger), inputs.encode("ascii"))


def claim_home(ledger: Ledger) -> None:
    """Bind the home to its source on first use, so that later commands find it without being told.

    The same folder is the same source, even if its mapping is called otherwise now.

    Raises:
        OtherSource: It holds another source's data, which must not be mixed with this one's.
    """
    settings = ledger.settings
    name = choose_mapping(settings).name
    held = source_of_home(settings.home)
    if held is not None and held.name != name and (held.data is None or held.data != settings.data):
        raise OtherSource(
            f"{settings.home} holds the data of {held.name!r}, not of {name!r}; rows of two sources must not be "
            "mixed. Name another home (LEDGERLINE_HOME=...), or remove this one (`make clean`)"
        )
    source = HomeSource(name, settings.data, settings.mapping)
    if source != held:
        written = {
            "name": name,
            "data": source.data and str(source.data),
            "mapping": source.mapping and str(source.mapping),
        }
        write_atomically(settings.home / _SOURCE, json.dumps(written).encode())


def source_of_home(home: Path) -> HomeSource | None:
    """Return the source that a home is bound to; None before the first ingestion."""
    try:
        found = json.loads((home / _SOURCE).read_text())
    except FileNotFoundError:
        return None
    return HomeSource(found["name"], *(found[key] and Path(found[key]) for key in ("data", "mapping")))


def _marker(ledger: Ledger) -> Path:
    return ledger.settings.home / "run" / "at-rest"


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
