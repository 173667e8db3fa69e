"""The text that goes with an export: what is in it, how to check it, and what it cannot show."""

from collections.abc import Mapping, Sequence

from ledgerline.audit.export_seals import Seals
from ledgerline.audit.leaf import Kind, RecordedLeaf


def readme(
    starts: Mapping[str, RecordedLeaf],
    leaves: Sequence[RecordedLeaf],
    seals: Seals,
    left_out: Mapping[str, str],
) -> str:
    """Return the text.

    Args:
        starts: What was asked for, by the names it was asked for by.
        leaves: The entries.
        seals: What they stand on.
        left_out: SHA-256 by path of what is not in it.
    """
    counts: dict[str, int] = {}
    for leaf in leaves:
        counts[leaf.kind.value] = counts.get(leaf.kind.value, 0) + 1
    values = {
        "starts": "\n".join(f"  {leaf.kind} {name}  (entry {leaf.sequence})" for name, leaf in starts.items()),
        "kinds": "\n".join(f"  {counts[kind]:>6} {kind}" for kind in Kind if kind in counts),
        "checkpoint": f"{seals.checkpoint.checkpoint.origin}, {seals.checkpoint.checkpoint.size} entries",
        "log_key": seals.log_key.text if seals.log_key else "NOT IN HERE: it was not known where this was exported",
        "witness": _witness_text(seals, leaves[-1].sequence),
        "left_out": (
            f"LEFT OUT: {len(left_out)} raw files and files of rows. manifest.json names each with its SHA-256."
            if left_out
            else "Nothing was left out."
        ),
    }
    return _README.format_map(values)


def _witness_text(seals: Seals, newest: int) -> str:
    if seals.witness_key is None or not seals.witnessed:
        return "NONE: no witness had vouched for this log when it was exported."
    if seals.witnessed < newest:
        return f"{seals.witness_key.text}\n  It had seen the entries up to {seals.witnessed}, and NOT those after it."
    return f"{seals.witness_key.text}\n  It had seen every entry in here."


_README = """\
LEDGERLINE EVIDENCE

This folder says what stands behind

{starts}

and lets you check it, offline, without trusting who gave it to you.

HOW TO CHECK IT

  python -I verify_export.py FOLDER --log-key VKEY --witness-key VKEY

It needs Python 3.11 or newer and the package `cryptography` (pip install cryptography). Exit status 0 means that
everything holds, 1 that something does not; it says what. A copy of the program lies in here for convenience. If you do
not trust who gave you this folder, do not run it: take verify_export.py from Ledgerline's published source
(ledgerline/audit/verify_export.py), or from an earlier export whose copy you have read.

The keys are what you trust. Get them from their owners, on another way than this folder: the log's from whoever runs
Ledgerline, the witness's from whoever runs the witness. Without them the program believes the keys in this folder and
says so; that proves only that the folder agrees with itself.

  the log's key:      {log_key}
  the witness's key:  {witness}

WHAT IS IN HERE

  entries/      the log's entries, each as the exact bytes that are in the log; the name is the position in it
{kinds}
  checkpoint.txt  what the log signed ({checkpoint}), perhaps with the witness's cosignature
  witness/      other checkpoints that the witness cosigned: what it saw before and after the entries, and when
  proofs.json   for every entry the proof that it is in the log of checkpoint.txt, and for every checkpoint of the
                witness the proof that it is of the same log (RFC 9162, sections 2.1.3 and 2.1.4)
  keys/         the public keys of log and witness. The people's are entries of the kind signing_key: all that were on
                record before the newest approval in here
  bundles/      the models' files, by the digest of their manifest
  decisions/    event, features and answer of each decision, byte for byte
  requests/     requests and answers of others, as they were received, by their SHA-256
  orders/       what was sent to the venue
  raw/          the raw files as they were received, by their SHA-256; the entries say how they were called
  data/, documents/  rows, feature manifests, validation results and a venue's answers, by their SHA-256
  manifest.json every file of this folder with its SHA-256, and what was asked for

{left_out}

WHAT THIS CANNOT SHOW

  - That nothing else happened. It is about what was asked for; a decision that is not in here is not denied by it.
  - That a key which is not in here did not replace one that is: ask for every entry of the kind signing_key.
  - Whether the roles that signed were enough. That is the policy of whoever runs Ledgerline (policies/approvals.yaml);
    the program says who signed, in which role.
  - Whether the model decides again as it did. Its files and its features are in here; Ledgerline's replay does it.
  - Anything, of entries that no witness has seen, against whoever holds the log's own key.
"""
