"""The approvals policy: how many distinct people, in which roles, for how long."""

import itertools
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgerline.core.settings import PROJECT_ROOT, Settings
from ledgerline.decisions.approval_policy import ApprovalPolicy, PolicyInvalid, Role, approval_policy, person

ROLES = st.sampled_from(list(Role))
ADA = {"roles": ["validator"], "public_key": "0" * 64}
PEOPLE = st.sampled_from(["ada", "bob", "cyd", "dot"])


def policy(*slots: Role) -> ApprovalPolicy:
    return ApprovalPolicy(slots, timedelta(days=30), None)


def read(tmp_path: Path, content: Any) -> ApprovalPolicy:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "approvals.yaml").write_text(json.dumps(content))
    return approval_policy(Settings(home=tmp_path, project=tmp_path), "fraud", "sandbox")


def test_sandbox_needs_one_validator() -> None:
    committed = approval_policy(Settings(project=PROJECT_ROOT), "fraud", "sandbox")
    assert committed.slots == (Role.VALIDATOR,)
    assert committed.validity == timedelta(days=30)


def test_live_needs_a_validator_and_a_risk_owner() -> None:
    committed = approval_policy(Settings(project=PROJECT_ROOT), "fraud", "live")
    assert set(committed.slots) == {Role.VALIDATOR, Role.RISK_OWNER}


def test_one_person_in_two_roles_counts_once() -> None:
    both = policy(Role.VALIDATOR, Role.RISK_OWNER)
    assert both.unfilled([("ada", Role.VALIDATOR), ("ada", Role.RISK_OWNER)]) == (Role.RISK_OWNER,)


def test_one_person_in_two_spellings_counts_once() -> None:
    both = policy(Role.VALIDATOR, Role.RISK_OWNER)
    assert len(both.unfilled([("Ada", Role.VALIDATOR), (" ada", Role.RISK_OWNER)])) == 1


@pytest.mark.parametrize("spelling", ["ADA", " ada\t", "ａｄａ", "a\u200bda", "\ufeffada", "ada\u00a0"])
def test_a_name_in_other_code_points_is_the_same_person(spelling: str) -> None:
    assert person(spelling) == "ada"
    assert person("Jose\u0301") == person("JOS\u00c9")


def test_a_person_of_both_roles_steps_aside_for_one_of_only_one() -> None:
    both = policy(Role.VALIDATOR, Role.RISK_OWNER)
    signed = [("ada", Role.VALIDATOR), ("ada", Role.RISK_OWNER), ("bob", Role.VALIDATOR)]
    assert both.unfilled(signed) == ()


@given(st.lists(ROLES, min_size=1, max_size=3), st.lists(st.tuples(PEOPLE, ROLES), max_size=6))
def test_as_many_roles_are_filled_as_any_assignment_of_distinct_people_fills(
    slots: list[Role], signed: list[tuple[str, Role]]
) -> None:
    people = sorted({name for name, _ in signed})
    seats = [*people, *[None] * len(slots)]
    best = max(
        sum((name, role) in signed for name, role in zip(order, slots, strict=True))
        for order in set(itertools.permutations(seats, len(slots)))
    )
    assert len(policy(*slots).unfilled(signed)) == len(slots) - best


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"signatures": {}, "valid_days": 30},
        {"signatures": {"validator": 0}, "valid_days": 30},
        {"signatures": {"validator": True}, "valid_days": 30},
        {"signatures": {"janitor": 1}, "valid_days": 30},
        {"signatures": {"validator": 1}},
        {"signatures": {"validator": 1}, "valid_days": -1},
        {"signatures": ["validator"], "valid_days": 30},
        {"signatures": None, "valid_days": 30},
        {"signatures": {"validator": 1}, "valid_days": 10**10},
        {"signatures": {"validator": 1}, "valid_days": 30, "signers": []},
        {"signatures": {"validator": 1}, "valid_days": 30, "signers": {"Ada": ADA, "ada ": ADA}},
        {"signatures": {"validator": 1}, "valid_days": 30, "signer": {}},
        {"signatures": {"validator": 1}, "valid_days": 30, "signers": {"ada": {**ADA, "also_know_as": ["a"]}}},
        {"signatures": {"validator": 1}, "valid_days": 30, "signers": {"ada": {**ADA, "also_known_as": "a"}}},
        {"signatures": {"validator": 1}, "valid_days": 30, "signers": {"ada": {"roles": ["validator"]}}},
        {"signatures": {"validator": 1}, "valid_days": 30, "signers": {"ada": {"roles": [], "public_key": "zz"}}},
    ],
)
def test_a_policy_that_does_not_say_what_it_must_is_refused(tmp_path: Path, entry: dict[str, Any]) -> None:
    with pytest.raises(PolicyInvalid, match=r"approvals\.yaml"):
        read(tmp_path, {"fraud": {"sandbox": entry}})


def test_a_family_without_an_entry_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyInvalid, match="fraud"):
        read(tmp_path, {"credit": {}})


def test_a_missing_policy_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyInvalid, match="cannot be read"):
        approval_policy(Settings(home=tmp_path, project=tmp_path), "fraud", "sandbox")


def test_an_entry_given_twice_is_refused_and_the_later_does_not_undo_the_first(tmp_path: Path) -> None:
    strict = "{sandbox: {signatures: {validator: 2, risk_owner: 1}, valid_days: 30}}"
    lax = "{sandbox: {signatures: {validator: 1}, valid_days: 30}}"
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "approvals.yaml").write_text(f"fraud: {strict}\nfraud: {lax}\n")
    with pytest.raises(PolicyInvalid, match="'fraud' is given twice"):
        approval_policy(Settings(home=tmp_path, project=tmp_path), "fraud", "sandbox")


def test_outside_the_sandbox_a_policy_without_signers_lets_nobody_sign() -> None:
    settings = Settings(project=PROJECT_ROOT)
    assert approval_policy(settings, "fraud", "sandbox").signers is None
    assert approval_policy(settings, "fraud", "live").signers == {}
