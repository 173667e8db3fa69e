"""How many people must sign for a model, in which roles and for how long: `policies/approvals.yaml` as a value."""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

import yaml

from ledgerline.core.errors import LedgerlineError
from ledgerline.core.settings import Profile, Settings
from ledgerline.core.strict_yaml import read_yaml

_FIELDS = {"signatures", "valid_days", "signers"}
_SIGNER_FIELDS = {"roles", "public_key", "also_known_as"}
_PUBLIC_KEY_DIGITS = 64
_UNSEEN = "Cf"  # format characters, such as a zero-width space


class PolicyInvalid(LedgerlineError):
    """The approvals policy does not say what it must."""


class Role(StrEnum):
    """In which capacity a person signs for a model."""

    VALIDATOR = "validator"
    RISK_OWNER = "risk_owner"


@dataclass(frozen=True, slots=True)
class Signer:
    """A person whose signature counts where a policy names its signers.

    Attributes:
        roles: In which capacities.
        public_key: The only key that is theirs, Ed25519, 64 hex digits.
        also_known_as: Other names and e-mail addresses of theirs, as git or the training machine may say them.
    """

    roles: frozenset[Role]
    public_key: str
    also_known_as: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ApprovalPolicy:
    """What one family needs in one environment.

    Attributes:
        slots: One role for every signature needed, e.g. ``(VALIDATOR, RISK_OWNER)``; distinct people fill them.
        validity: How long a signature holds at most.
        signers: By the person's name as :func:`person` spells it; None where anyone who holds a recorded key may sign,
            which is so nowhere but in the sandbox.
    """

    slots: tuple[Role, ...]
    validity: timedelta
    signers: Mapping[str, Signer] | None

    def unfilled(self, signatures: Iterable[tuple[str, Role]]) -> tuple[Role, ...]:
        """Return the roles that nobody has signed for yet, each person counting once at most.

        Args:
            signatures: ``(approver, role)`` of every signature that holds.
        """
        roles_of: dict[str, set[Role]] = {}
        for approver, role in signatures:
            roles_of.setdefault(person(approver), set()).add(role)
        return _fewest_unfilled(self.slots, roles_of)


def person(name: str) -> str:
    """Return one spelling per person, so that ``Ada``, ``ada `` and a look-alike in other code points are not two.

    Compatibility forms and case are folded (The Unicode Standard, section 3.13, "Default Caseless Matching"), and what
    nobody sees is left out.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return "".join(letter for letter in folded if unicodedata.category(letter) != _UNSEEN).strip()


def approval_policy(settings: Settings, family: str, environment: str) -> ApprovalPolicy:
    """Read what ``family`` needs in ``environment`` from ``policies/approvals.yaml`` of the project.

    Raises:
        PolicyInvalid: The file is missing, unreadable, or says nothing (sensible) about the two.
    """
    path = settings.project / "policies" / "approvals.yaml"
    try:
        document = read_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise PolicyInvalid(f"{path} cannot be read: {error}") from error
    try:
        return _policy(document[family][environment], Profile(environment))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise PolicyInvalid(
            f"{path}: no usable entry for {family} in {environment} ({type(error).__name__}: {error}); it needs "
            "signatures {validator|risk_owner: how many} and valid_days"
        ) from error


def _policy(entry: Mapping[str, Any], profile: Profile) -> ApprovalPolicy:
    if unknown := set(entry) - _FIELDS:
        raise ValueError(f"unknown fields {', '.join(sorted(unknown))}")
    slots = tuple(Role(role) for role, count in entry["signatures"].items() for _ in range(_positive(count)))
    if not slots:
        raise ValueError("no signature is asked for")
    return ApprovalPolicy(
        slots=slots,
        validity=timedelta(days=_positive(entry["valid_days"])),
        signers=_signers(entry.get("signers"), profile),
    )


def _signers(named: Mapping[str, Any] | None, profile: Profile) -> Mapping[str, Signer] | None:
    if named is None:
        # Anybody can make a key under any name, so outside the sandbox an unnamed one must count for nothing.
        return None if profile is Profile.SANDBOX else {}
    signers = {person(name): _signer(value) for name, value in named.items()}
    if len(signers) != len(named):
        raise ValueError("a signer is named twice, in two spellings")
    return signers


def _signer(entry: Mapping[str, Any]) -> Signer:
    if unknown := set(entry) - _SIGNER_FIELDS:
        raise ValueError(f"unknown fields {', '.join(sorted(unknown))} of a signer")
    public_key = str(entry["public_key"])
    if len(bytes.fromhex(public_key)) * 2 != _PUBLIC_KEY_DIGITS:
        raise ValueError(f"public key {public_key!r} has not {_PUBLIC_KEY_DIGITS} hex digits")
    also_known_as = entry.get("also_known_as", [])
    if not isinstance(also_known_as, list) or not all(isinstance(name, str) for name in also_known_as):
        raise ValueError(f"also_known_as must be a list of names, not {also_known_as!r}")
    roles = frozenset(Role(role) for role in entry["roles"])
    return Signer(roles, public_key.lower(), tuple(also_known_as))


def _positive(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{value!r} is not a whole number above zero")
    return value


def _fewest_unfilled(slots: tuple[Role, ...], roles_of: Mapping[str, set[Role]]) -> tuple[Role, ...]:
    """Give each slot to a person not used before, in every possible way, and keep the way that fills most."""
    if not slots:
        return ()
    first, rest = slots[0], slots[1:]
    filled = (
        _fewest_unfilled(rest, {other: held for other, held in roles_of.items() if other != name})
        for name, roles in roles_of.items()
        if first in roles
    )
    return min((*filled, (first, *_fewest_unfilled(rest, roles_of))), key=len)
