"""Read mapping files: YAML at the border, checked and typed before anything else sees it."""

from collections.abc import Hashable, Iterator
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
        raise _invalid(path, [_described(detail, document) for detail in error.errors()]) from error
    if problems := problems_with(mapping):
        raise _invalid(path, problems)
    return mapping


def _with_long_forms(document: Any) -> Any:
    """Write out what may be written short; judge nothing.

    ``customer_id: CUSTOMER_ID`` becomes ``customer_id: {column: CUSTOMER_ID}``; a dataset's only feed a list of one; a
    list of columns of a role each column under its own name.
    """
    if not isinstance(document, dict) or not isinstance(document.get("datasets"), dict):
        return document
    datasets = {
        name: [_long_feed(feed) for feed in (feeds if isinstance(feeds, list) else [feeds])]
        for name, feeds in document["datasets"].items()
    }
    return document | {"datasets": datasets}


def _long_feed(feed: Any) -> Any:
    if not isinstance(feed, dict):
        return feed
    long = dict(feed)
    if isinstance(columns := feed.get("columns"), dict):
        long["columns"] = {name: {"column": of} if isinstance(of, str) else of for name, of in columns.items()}
    if isinstance(roles := feed.get("roles"), dict):
        long["roles"] = {role: _long_role(columns) for role, columns in roles.items()}
    return long


def _long_role(columns: Any) -> Any:
    is_plain = isinstance(columns, list) and all(isinstance(column, str) for column in columns)
    return dict(zip(columns, columns, strict=True)) if is_plain else columns


def _invalid(path: Path, problems: list[str]) -> MappingInvalid:
    return MappingInvalid("\n  ".join([f"{path}: the mapping cannot be used:", *problems]))


def _described(detail: ErrorDetails, document: Any) -> str:
    key = ".".join(_as_written(detail["loc"], document)) or "the file"
    return f"{key}: {detail['msg']}"


def _as_written(place: tuple[int | str, ...], document: Any) -> Iterator[str]:
    """Yield the keys that lead to a place of the file: a feed that is the only one stands in no list."""
    for depth, key in enumerate(place):
        is_feed = depth == 2 and place[0] == "datasets"
        if not is_feed or isinstance(document["datasets"].get(place[1]), list):
            yield str(key)


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
