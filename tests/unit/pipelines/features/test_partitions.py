"""A partition's name changes exactly with what can change its bytes."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from feature_store.versions.manifest import InputFile
from feature_store.view import FeatureView
from feature_store.views.card_spending import CARD_SPENDING
from ledgerline.audit import Kind, RecordedLeaf
from pipelines.features.arrivals import History
from pipelines.features.inputs import AcceptedFile
from pipelines.features.partitions import days_of

START = datetime(2024, 1, 1, tzinfo=UTC)
AS_OF = START + timedelta(days=100)


def day(number: float) -> datetime:
    return START + timedelta(days=number)


@dataclass(frozen=True)
class Delivered:
    """An accepted file, and the latest event that its rows are about."""

    accepted: AcceptedFile
    last_event: datetime


def delivered(name: str, *, first: float, last: float, event: float | None = None) -> Delivered:
    """Return a file whose rows became available from one day to another, the latest event being of the last."""
    receipt = RecordedLeaf(1, name, Kind.VALIDATION_RECEIPT, {}, {}, START, "")
    file = InputFile("transactions", name, f"sha256 of {name}", f"{name}.parquet")
    return Delivered(AcceptedFile(file, receipt, day(first), day(last)), day(last if event is None else event))


def stamps(
    files: list[Delivered], *, days: int = 60, as_of: datetime = AS_OF, view: FeatureView = CARD_SPENDING
) -> dict[int, str]:
    """Return the path of each day's partition by the day's number."""
    inputs = [each.accepted for each in files]
    history = History(
        dates={day(number).date(): 1 for number in range(days)},
        contents={accepted.file.path: accepted.file.sha256 for accepted in inputs},
        last_event={each.accepted.file.path: each.last_event for each in files},
    )
    return {(each.start - START).days: each.path for each in days_of(view, inputs, history, as_of)}


def changed(before: dict[int, str], after: dict[int, str]) -> set[int]:
    return {number for number in after if before[number] != after[number]}


@pytest.fixture
def files():
    return [delivered(f"day{number}", first=number, last=number + 0.9) for number in range(60)]


def test_name_holds_the_day_and_a_stamp(files):
    assert stamps(files)[31].startswith("data/features/card_spending/2024-02-01-")
    assert len(stamps(files)[31]) == len("data/features/card_spending/2024-02-01-") + 12 + len(".parquet")


def test_order_of_files_does_not_matter(files):
    assert stamps(files) == stamps(files[::-1])


def test_new_file_changes_the_days_from_its_first_row_to_the_end_of_its_horizon(files):
    late = delivered("late", first=10, last=12, event=11)

    assert changed(stamps(files), stamps([*files, late])) == set(range(10, 11 + 37))


def test_file_whose_rows_all_came_too_late_to_count_changes_only_the_days_they_were_decided_on(files):
    ancient = delivered("ancient", first=50, last=51.5, event=3)

    assert changed(stamps(files), stamps([*files, ancient])) == {50, 51}


def test_validating_a_file_anew_to_the_same_bytes_changes_nothing(files):
    accepted = files[5].accepted
    again = replace(files[5], accepted=replace(accepted, file=replace(accepted.file, receipt="another receipt")))

    assert stamps([*files[:5], again, *files[6:]]) == stamps(files)


def test_day_that_as_of_cuts_short_is_not_the_whole_day(files):
    whole = stamps(files, days=20, as_of=day(20) - timedelta(microseconds=1))
    cut = stamps(files, days=20, as_of=day(19.75))

    assert changed(whole, cut) == {19}
    assert stamps(files, days=20, as_of=day(20)) == whole


def test_changed_definition_changes_every_day(files):
    other = replace(CARD_SPENDING, features=CARD_SPENDING.features[1:])

    assert changed(stamps(files), stamps(files, view=other)) == set(range(60))
