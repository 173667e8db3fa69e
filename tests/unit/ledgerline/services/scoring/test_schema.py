"""What a request may say: exact types, named fields, no guessing."""

from typing import Any

import pytest
from pydantic import ValidationError

from ledgerline.services.scoring.schema import ScoreRequest

GOOD = {
    "transaction_id": "1754155",
    "customer_id": "596",
    "terminal_id": "3156",
    "amount_minor": 5716,
    "currency": "EUR",
    "event_time": "2018-10-01T02:00:31+02:00",
}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("transaction_id", 1754155),
        ("transaction_id", ""),
        ("transaction_id", "a" * 65),
        ("customer_id", "a b"),
        ("customer_id", "a\x00"),
        ("customer_id", "５９６"),
        ("terminal_id", None),
        ("amount_minor", "5716"),
        ("amount_minor", 57.16),
        ("amount_minor", 57.0),
        ("amount_minor", True),
        ("amount_minor", -1),
        ("amount_minor", 10**12 + 1),
        ("currency", "eur"),
        ("currency", "EURO"),
        ("event_time", "2018-10-01T00:00:31"),
        ("event_time", "2018-10-01"),
        ("event_time", 1538352031),
        ("event_time", "1538352031"),
        ("event_time", "1538352031000.5"),
        ("event_time", "0001-01-01T00:00:00+14:00"),
        ("event_time", "9999-12-31T23:59:59-14:00"),
        ("extra", "?"),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_of_its_field(field: str, value: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        ScoreRequest.model_validate(GOOD | {field: value})
    assert [error["loc"] for error in refused.value.errors()] == [(field,)]


@pytest.mark.parametrize("field", list(GOOD))
def test_no_field_may_be_left_out(field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        ScoreRequest.model_validate({name: value for name, value in GOOD.items() if name != field})
    assert [error["loc"] for error in refused.value.errors()] == [(field,)]


def test_two_spellings_of_one_payment_ask_the_same() -> None:
    utc = ScoreRequest.model_validate(GOOD | {"event_time": "2018-10-01T00:00:31.000000Z"})
    assert utc.asked == ScoreRequest.model_validate(GOOD).asked


@pytest.mark.parametrize(
    "change", [{"amount_minor": 5717}, {"event_time": "2018-10-01T00:00:32Z"}, {"currency": "USD"}]
)
def test_another_payment_asks_something_else(change: dict[str, Any]) -> None:
    assert ScoreRequest.model_validate(GOOD | change).asked != ScoreRequest.model_validate(GOOD).asked


def test_an_instant_is_kept_in_utc_to_the_microsecond() -> None:
    request = ScoreRequest.model_validate(GOOD | {"event_time": "2018-10-01T02:00:31.123456+02:00"})
    assert request.event_values()["event_time"] == "2018-10-01T00:00:31.123456Z"
