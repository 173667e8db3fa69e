"""Who may never sign for a model: whoever trained it, and whoever wrote or committed the code that trained it.

People are compared by every name they go by, because a key is called ``ada`` and a commit says
``Ada Lovelace <ada.lovelace+git@example.org>``. The rule, which errs towards refusing:

- the name, the whole e-mail address, its local part, and each part of that around a ``+`` count, as :func:`person`
  spells them and without spaces, dots, hyphens and underscores, so that ``ada.lovelace`` and ``Ada Lovelace`` are one;
- a signer goes by the key's name, and by whatever ``also_known_as`` in ``policies/approvals.yaml`` adds.

Nobody can tell that ``maria`` is ``M. Rossi <mr17@example.org>`` unless the policy says so there.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ledgerline.audit import Kind, Ledger, RecordedLeaf
from ledgerline.core.settings import Profile
from ledgerline.decisions.approval_policy import ApprovalPolicy, person

_SEPARATORS = str.maketrans("", "", " ._-")


class Involvement(StrEnum):
    """What bars somebody from signing for a model."""

    TRAINED = "trained_it"
    AUTHORED = "authored_it"
    COMMITTED = "committed_it"
    UNKNOWN = (
        "authors_unknown"  # outside the sandbox: no commit is on record, so nobody can be told apart from its author
    )


@dataclass(frozen=True, slots=True)
class Maker:
    """Somebody who had a hand in a model.

    Attributes:
        name: As the run or git recorded it.
        email: As git recorded it; empty where there is none.
    """

    name: str
    email: str = ""

    @property
    def spellings(self) -> frozenset[str]:
        """Every name they go by, spelled so that two of the same person meet."""
        return _spellings(self.name) | _spellings(self.email)

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>" if self.email else self.name


@dataclass(frozen=True, slots=True)
class Makers:
    """Who made a model, as the training run recorded it.

    Attributes:
        trainers: Who ran the training.
        authors: Who wrote the commit that it ran from, co-authors included; empty where no commit is on record.
        committers: Who committed it.
    """

    trainers: tuple[Maker, ...]
    authors: tuple[Maker, ...]
    committers: tuple[Maker, ...]


def makers(ledger: Ledger, bundle: RecordedLeaf) -> Makers:
    """Return who is on record as having made a bundle.

    Args:
        ledger: The installation.
        bundle: The bundle's leaf.
    """
    runs = [leaf for _, leaf in ledger.log.parents(bundle.id) if leaf.kind is Kind.TRAINING_RUN]
    trainers = dict.fromkeys(leaf.detail["trained_by"] for leaf in (bundle, *runs) if leaf.detail.get("trained_by"))
    return Makers(
        trainers=tuple(Maker(name) for name in trainers),
        authors=tuple(_maker(said) for run in runs for said in run.detail.get("commit_authors") or ()),
        committers=tuple(_maker(run.detail["commit_committer"]) for run in runs if run.detail.get("commit_committer")),
    )


def involvement(
    ledger: Ledger, bundle: RecordedLeaf, approver: str, environment: str, policy: ApprovalPolicy
) -> Involvement | None:
    """Return what bars ``approver`` from signing for a bundle in ``environment``, or None.

    The sandbox also takes models of a plain folder, whose code nobody committed; elsewhere that bars everybody.
    """
    made = makers(ledger, bundle)
    signer = (policy.signers or {}).get(person(approver))
    known_as = _all_spellings((approver, *(signer.also_known_as if signer else ())))
    for people, involved in (
        (made.trainers, Involvement.TRAINED),
        (made.authors, Involvement.AUTHORED),
        (made.committers, Involvement.COMMITTED),
    ):
        if any(known_as & maker.spellings for maker in people):
            return involved
    if environment != Profile.SANDBOX and not (made.authors and made.committers):
        return Involvement.UNKNOWN
    return None


def _maker(said: Mapping[str, Any]) -> Maker:
    return Maker(str(said["name"]), str(said["email"]))


def _all_spellings(names: Iterable[str]) -> frozenset[str]:
    return frozenset[str]().union(*map(_spellings, names))


def _spellings(name: str) -> frozenset[str]:
    local, at, _ = name.rpartition("@")
    said = {name, local, *local.split("+")} if at else {name}
    return frozenset(spelled for each in said if (spelled := person(each).translate(_SEPARATORS)))
