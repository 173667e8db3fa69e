"""What a mapping must say about its datasets and feeds, beyond having the right shape."""

from collections.abc import Iterator

from ledgerline.core.contracts import CONTRACTS, ColumnType, DatasetContract, Role
from pipelines.ingestion.column_mapping import ROW_NUMBER_PLACE
from pipelines.ingestion.column_rules import after_problems, column_problems
from pipelines.ingestion.file_pattern import FileFormat, FilePattern, format_of
from pipelines.ingestion.mapping import Feed, Mapping
from pipelines.ingestion.reading import source_columns


def problems_with(mapping: Mapping) -> list[str]:
    """Return what keeps ``mapping`` from being used, each as ``key: what is wrong``; none if it is sound."""
    problems = [problem for name, feeds in mapping.datasets.items() for problem in _dataset_problems(name, feeds)]
    return problems or list(_personal_in_clear(mapping))


def _dataset_problems(name: str, feeds: tuple[Feed, ...]) -> Iterator[str]:
    place = f"datasets.{name}"
    contract = CONTRACTS.get(name)
    if contract is None:
        yield f"{place}: no dataset contract is called {name!r}; there are: {', '.join(CONTRACTS)}"
        return
    if not feeds:
        yield f"{place}: an empty list; name at least one set of files"
    for position, feed in enumerate(feeds):
        feed_place = place if len(feeds) == 1 else f"{place}.{position}"
        yield from (f"{feed_place}.{problem}" for problem in _feed_problems(feed, contract))
    yield from (f"{place}: {problem}" for problem in _disagreements(feeds))


def _feed_problems(feed: Feed, contract: DatasetContract) -> Iterator[str]:
    try:
        pattern = FilePattern.parse(feed.files)
    except ValueError as problem:
        yield f"files: {feed.files!r} {problem}"
        return
    yield from _file_problems(feed, pattern)
    yield from _unpivot_problems(feed)
    yield from _role_problems(feed, contract)
    yield from _personal_problems(feed, contract)
    if not any(source_columns(mapped, feed) for mapped in feed.all_columns.values()):
        yield "columns: nothing comes out of the files; name at least one source column"
    for unknown in feed.columns.keys() - set(contract.column_names):
        yield f"columns.{unknown}: {contract.name} has no such column; it has: {', '.join(contract.column_names)}"
    for column in contract.columns:
        place = f"columns.{column.name}"
        mapped = feed.columns.get(column.name)
        if mapped is not None:
            yield from (f"{place}: {problem}" for problem in column_problems(column, mapped, pattern.parts))
            yield from (f"{place}.after: {problem}" for problem in after_problems(mapped, contract, feed))
        elif not column.nullable:
            yield f"{place}: missing; every row needs {column.name} ({column.description})"


def _file_problems(feed: Feed, pattern: FilePattern) -> Iterator[str]:
    if ROW_NUMBER_PLACE in pattern.parts:
        yield f"files: a part cannot be called {ROW_NUMBER_PLACE}, as templates call the row's number so"
    for part in pattern.parts:
        if part not in feed.name_parts and part != "date":
            yield f"files: {{{part}}} fills no column; say `{{name_part: {part}}}` of one, or write * for it"
    file_format = feed.format or format_of(feed.files)
    if file_format is None:
        yield f"format: {feed.files!r} tells no format; say csv, jsonl or parquet"
    if feed.delimiter is not None and file_format is not FileFormat.CSV:
        yield "delimiter: only CSV has one"
    if feed.as_of is not None and feed.starts is not None and feed.as_of < feed.starts:
        yield f"starts: {feed.starts.isoformat()} is after as_of, {feed.as_of.isoformat()}"


def _unpivot_problems(feed: Feed) -> Iterator[str]:
    if feed.unpivot is None:
        return
    made = (feed.unpivot.name, feed.unpivot.value)
    used = {column for mapped in feed.all_columns.values() for column in source_columns(mapped, feed)}
    if made[0] == made[1] or set(made) & set(feed.unpivot.columns):
        yield f"unpivot: {made[0]!r} and {made[1]!r} must differ, and be called other than the columns"
    for name in made:
        if name not in used:
            yield f"unpivot: {name!r} fills no column; name it below columns"
    for column in sorted(used & set(feed.unpivot.columns)):
        yield f"unpivot: {column!r} becomes rows; below columns it is {feed.unpivot.value!r}"
    series = list(feed.unpivot.columns.values())
    for name in sorted({name for name in series if series.count(name) > 1}):
        yield f"unpivot.columns: {name!r} is the name of two columns"


def _role_problems(feed: Feed, contract: DatasetContract) -> Iterator[str]:
    if not feed.roles:
        return
    if not contract.open:
        yield f"roles: {contract.name} takes no columns of a provider's own"
    named = [(name, role) for role, columns in feed.roles.items() for name in columns]
    for name in sorted({name for name, _ in named if [other for other, _ in named].count(name) > 1}):
        yield f"roles: {name!r} is given twice"
    for name, role in named:
        if name in contract.column_names:
            yield f"roles.{role}.{name}: {contract.name} has a column of that name; give it another"


def _personal_problems(feed: Feed, contract: DatasetContract) -> Iterator[str]:
    if feed.personal is None:
        if (feed.roles or {}).get(Role.PERSONAL):
            yield f"personal: missing; say by `subject:` which column of {contract.name} names the person"
        return
    texts = [column.name for column in contract.columns if column.type is ColumnType.STRING]
    named = [("subject", feed.personal.subject), *(("columns", name) for name in feed.personal.columns)]
    for key, name in named:
        mapped = feed.columns.get(name)
        if name not in texts:
            yield f"personal.{key}: {name!r} is no text column of {contract.name}; those are: {', '.join(texts)}"
        elif mapped is None or not source_columns(mapped, feed):
            yield f"personal.{key}: {name!r} is filled from no column of the files"
        elif set(mapped.name_parts) & set(feed.name_parts):
            yield f"personal.{key}: {name!r} is filled from names of files, which evidence shows as they are"
    if len({name for _, name in named}) < len(named):
        yield "personal: a column is named twice"


def _disagreements(feeds: tuple[Feed, ...]) -> Iterator[str]:
    """Yield the names that are of one role in one feed and of another in the next: a view has one column of a name."""
    known: dict[str, Role] = {}
    for feed in feeds:
        for role, columns in (feed.roles or {}).items():
            for name in columns:
                if known.setdefault(name, role) is not role:
                    yield f"roles: {name!r} is {known[name]} in one feed and {role} in another"
    if any(feed.personal != feeds[0].personal for feed in feeds):
        yield "personal: every feed of a dataset must say the same: a person is in the rows of all by one pseudonym"


def _personal_in_clear(mapping: Mapping) -> Iterator[str]:
    """Yield what would be kept as it is of a source column that the same feed, or one of the same files, protects."""
    protected: dict[str, set[str]] = {}
    for feed in mapping.feeds():
        known = protected.setdefault(feed.files, set())
        for name in _personal_names(feed):
            known.update(source_columns(feed.all_columns[name], feed))
    for dataset, feeds in mapping.datasets.items():
        for feed in feeds:
            for name, mapped in feed.all_columns.items():
                shown = sorted(protected[feed.files] & set(source_columns(mapped, feed)))
                if shown and name not in _personal_names(feed):
                    yield (
                        f"datasets.{dataset}: {name!r} is filled from {shown[0]!r}, which says who somebody is; "
                        "fill it otherwise, or say below `personal:` that it does too"
                    )


def _personal_names(feed: Feed) -> set[str]:
    """Return the personal columns that the feed fills."""
    return set(feed.personal_columns.every) & set(feed.all_columns) if feed.personal_columns else set()
