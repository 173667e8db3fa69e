"""Read mapping files: YAML at the border, checked and typed before anything else sees it."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails, to_json

from ledgerline.core.errors import LedgerlineError
from pipelines.ingestion.mapping import Mapping
from pipelines.ingestion.mapping_rules import problems_with


class MappingInvalid(LedgerlineError):
    """A mapping file cannot be used; the message names the file and every wrong key."""


def load_mapping(path: Path) -> Mapping:
    """Read and check the mapping file at ``path``.

    Raises:
        MappingInvalid: Naming the file and every key that is wrong, and why.
    """
    try:
        document = yaml.load(path.read_bytes(), Loader=_MappingLoader)  # noqa: S506 (it is a SafeLoader)
        # As JSON: strict typing takes instants and codes from text there, and only there.
        mapping = Mapping.model_validate_json(to_json(_with_long_forms(document)))
    except OSError as error:
        raise MappingInvalid(f"{path}: the mapping file cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise MappingInvalid(f"{path}: not YAML: {error}") from error
    except ValidationError as error:
        raise _invalid(path, [_described(detail) for detail in error.errors()]) from error
    if problems := problems_with(mapping):
        raise _invalid(path, problems)
    return mapping


def _with_long_forms(document: Any) -> Any:
    """Write every ``customer_id: CUSTOMER_ID`` as ``customer_id: {column: CUSTOMER_ID}``; judge nothing."""
    if not isinstance(document, dict) or not isinstance(document.get("datasets"), dict):
        return document
    for dataset in document["datasets"].values():
        if isinstance(dataset, dict) and isinstance(dataset.get("columns"), dict):
            columns = dataset["columns"]
            columns.update({name: {"column": text} for name, text in columns.items() if isinstance(text, str)})
    return document


def _invalid(path: Path, problems: list[str]) -> MappingInvalid:
    return MappingInvalid("\n  ".join([f"{path}: the mapping cannot be used:", *problems]))


def _described(detail: ErrorDetails) -> str:
    key = ".".join(str(part) for part in detail["loc"]) or "the file"
    return f"{key}: {detail['msg']}"


class _MappingLoader(yaml.SafeLoader):
    """YAML without its surprises: a repeated key is an error, and instants stay text until pydantic reads them."""

    yaml_implicit_resolvers = {  # noqa: RUF012 (yaml's own class attribute)
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} is given twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)
