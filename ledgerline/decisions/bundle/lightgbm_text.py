"""Read a LightGBM model from its text, once its structure proved sound.

The library's own reader trusts the text: trees that point nowhere abort the whole process, and a text that was cut off
loads as a smaller model. A job must refuse a model, not die of it, so what the reader relies on is checked first.

Format: ``src/boosting/gbdt_model_text.cpp`` and ``src/io/tree.cpp`` of LightGBM 4.
"""

from collections.abc import Mapping
from typing import Any

_HEADER = ("version", "num_class", "num_tree_per_iteration", "label_index", "max_feature_idx", "feature_names")
_END = "end of trees"
_PER_SPLIT = ("split_feature", "split_gain", "threshold", "decision_type", "left_child", "right_child")


def read_lightgbm(text: str) -> Any:
    """Return a ``lightgbm.Booster`` that answers as the model that was written.

    Raises:
        ValueError: The text is damaged, or holds what is not used here (categorical splits, linear leaves).
    """
    _check(text)
    import lightgbm

    try:
        return lightgbm.Booster(model_str=text)
    except lightgbm.basic.LightGBMError as unreadable:
        raise ValueError(f"LightGBM cannot read the model: {unreadable}") from unreadable


def _check(text: str) -> None:
    head, separator, trees = text.partition("\n\nTree=")
    fields = _fields(head)
    if not head.startswith("tree\n") or not separator or any(name not in fields for name in _HEADER):
        raise ValueError("this is no LightGBM model")
    sizes = _integers(fields, "tree_sizes")
    whole = ("Tree=" + trees).encode()
    if not whole[sum(sizes) :].decode().startswith(_END):
        raise ValueError("the LightGBM model was cut off or changed: its trees have another size than it says")
    features = int(fields["max_feature_idx"]) + 1
    start = 0
    for number, size in enumerate(sizes):
        block = whole[start : start + size].decode()
        if not block.startswith(f"Tree={number}\n"):
            raise ValueError(f"tree {number} of the LightGBM model does not begin where it should")
        _check_tree(_fields(block), features, number)
        start += size


def _check_tree(tree: Mapping[str, str], features: int, number: int) -> None:
    """Check that every split asks a feature that exists and that every node hangs on exactly one split."""
    leaves = int(tree.get("num_leaves", "0"))
    if leaves < 1 or tree.get("num_cat") != "0" or tree.get("is_linear", "0") != "0":
        raise ValueError(f"tree {number} of the LightGBM model is of a kind that is not used")
    if len(_floats(tree, "leaf_value")) != leaves:
        raise ValueError(f"tree {number} of the LightGBM model lacks values of leaves")
    if leaves == 1:
        return
    splits = leaves - 1
    if any(len(_floats(tree, name)) != splits for name in _PER_SPLIT):
        raise ValueError(f"tree {number} of the LightGBM model does not have {splits} splits")
    children = [*_integers(tree, "left_child"), *_integers(tree, "right_child")]
    # A leaf is written as the complement of its number. All nodes but the root, each once; no split before its parent.
    if sorted(children) != [*range(-leaves, 0), *range(1, splits)]:
        raise ValueError(f"tree {number} of the LightGBM model is no tree")
    if any(0 < child <= place % splits for place, child in enumerate(children)):
        raise ValueError(f"tree {number} of the LightGBM model goes round in circles")
    if not all(0 <= feature < features for feature in _integers(tree, "split_feature")):
        raise ValueError(f"tree {number} of the LightGBM model asks features that it does not have")


def _fields(lines: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in lines.split("\n") if "=" in line)


def _integers(fields: Mapping[str, str], name: str) -> list[int]:
    return [int(value) for value in fields.get(name, "").split()]


def _floats(fields: Mapping[str, str], name: str) -> list[float]:
    return [float(value) for value in fields.get(name, "").split()]
