"""Build a feature version: from accepted rows to sealed, recorded features. Run again, it changes nothing."""

import io
from collections.abc import Callable, Sequence
from datetime import datetime

from feature_store.online import recent_events
from feature_store.view import FeatureView
from feature_store.views import view_named
from ledgerline.audit import Kind, Leaf, Ledger, Parent
from ledgerline.core.clock import instant_text
from ledgerline.core.identity import content_id
from pipelines.features.inputs import AcceptedFile, History, accepted_inputs, read_history
from pipelines.features.manifest import Manifest, manifest_path
from pipelines.features.partitions import FORMAT_VERSION, days_of, write_missing
from pipelines.features.seal import Sealed, seal
from pipelines.features.versions import FeatureVersion
from pipelines.features.workspace import Workspace

Progress = Callable[[str], None]


def build(
    ledger: Ledger, view_name: str, *, as_of: datetime | None = None, progress: Progress | None = None
) -> FeatureVersion:
    """Build a view from all accepted rows, seal it and record it.

    The same inputs and definition give the same version, whoever builds it and however often. Only days that something
    new can influence are computed anew. Killed at any point, or run twice at once, it ends in the same evidence.

    Args:
        ledger: The installation.
        view_name: The view.
        as_of: The present, timezone-aware: nothing that became available later is read. None takes the source's own.
        progress: Told what is going on.

    Raises:
        NothingAccepted: There are no events to build from.
        RemoteDamaged: The DVC remote does not hold what was pushed.
        NotReproducible: Inputs that were sealed before gave other bytes.
    """
    say = progress or (lambda _: None)
    view = view_named(view_name)
    moment = as_of or _present_of_source(ledger)
    workspace = Workspace(ledger.settings, ledger.clock)
    with workspace.locked(say):
        inputs = accepted_inputs(ledger, view, moment)
        request = _request(view, inputs, moment)
        workspace.prepare()
        if (recorded := _recorded(ledger, view, request, workspace)) is not None:
            return recorded
        manifest = _make(ledger, view, inputs, moment, workspace, say)
        sealed = seal(workspace, manifest, say=say)
        return _record(ledger, manifest, inputs, sealed, request)


def _present_of_source(ledger: Ledger) -> datetime:
    from pipelines.ingestion import source_as_of

    return source_as_of(ledger.settings)


def _request(view: FeatureView, inputs: Sequence[AcceptedFile], as_of: datetime) -> str:
    """Return a hash over everything that decides what a build makes, known before it is made."""
    return content_id(
        {
            "fingerprint": view.fingerprint,
            "format": FORMAT_VERSION,
            "as_of": instant_text(as_of),
            "inputs": [[accepted.file.receipt, accepted.file.sha256] for accepted in inputs],
        }
    )


def _recorded(ledger: Ledger, view: FeatureView, request: str, workspace: Workspace) -> FeatureVersion | None:
    """Return the version that the same request made before, if the workspace still has it: a lost one is made again."""
    made = ledger.log.leaves(Kind.FEATURE_VERSION, view=view.name, fingerprint=view.fingerprint)
    found = next((leaf for leaf in made if leaf.detail["request"] == request), None)
    if found is None or workspace.git.commit(f"refs/tags/{found.detail['tag']}") is None:
        return None
    return FeatureVersion.of(found, built=False)


def _make(
    ledger: Ledger,
    view: FeatureView,
    inputs: Sequence[AcceptedFile],
    as_of: datetime,
    workspace: Workspace,
    say: Progress,
) -> Manifest:
    """Write the files of a version, and return its manifest."""
    say(f"reading {len(inputs)} accepted files")
    history = read_history(ledger, view, inputs, as_of)
    say(f"computing {len(view.features)} features of {history.events.height:,} events")
    days = days_of(view, inputs, history, as_of)
    partitions = write_missing(view, days, history, workspace.path, sealed=_sealed_before(workspace, view))
    manifest = Manifest(
        view=view.name,
        fingerprint=view.fingerprint,
        features=view.feature_names,
        as_of=as_of,
        inputs=tuple(accepted.file for accepted in inputs),
        partitions=tuple(partitions),
        online_state=_put_online_state(ledger, view, history, as_of),
    )
    ledger.objects.put(manifest.to_bytes())
    return manifest


def _sealed_before(workspace: Workspace, view: FeatureView) -> dict[str, str]:
    (content,) = workspace.git.read(f"HEAD:{manifest_path(view.name)}")
    return Manifest.from_bytes(content).files if content else {}


def _put_online_state(ledger: Ledger, view: FeatureView, history: History, as_of: datetime) -> str:
    buffer = io.BytesIO()
    state = recent_events(view, history.events, history.labels, as_of)
    state.rechunk().write_parquet(buffer, compression="zstd")
    return ledger.objects.put(buffer.getvalue())


def _record(
    ledger: Ledger, manifest: Manifest, inputs: Sequence[AcceptedFile], sealed: Sealed, request: str
) -> FeatureVersion:
    detail = {
        "commit": sealed.commit,
        "tag": sealed.tag,
        "manifest_path": manifest_path(manifest.view),
        "partitions": len(manifest.partitions),
        "rows": manifest.rows,
        "request": request,
        "built_at": instant_text(ledger.clock.now()),
    }
    parents = [Parent(accepted.receipt.id, role="accepted") for accepted in inputs]
    leaf_id = ledger.log.append(Leaf(Kind.FEATURE_VERSION, manifest.identity, detail), parents)
    return FeatureVersion.of(ledger.log.get(leaf_id), built=True)
