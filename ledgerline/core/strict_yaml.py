"""YAML at the border, without its quietest surprise."""

from collections.abc import Hashable
from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key.value for key, _ in node.value]
        for position, key in enumerate(keys):
            if key in keys[:position]:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} is given twice", node.start_mark)
        return super().construct_mapping(node, deep=deep)


def read_yaml(text: str) -> Any:
    """Read a YAML document in which no key is given twice: a later one would undo the one that was reviewed.

    Raises:
        yaml.YAMLError: It is not YAML, or a key is repeated.
    """
    return yaml.load(text, Loader=_Loader)  # noqa: S506 (it is a SafeLoader)
