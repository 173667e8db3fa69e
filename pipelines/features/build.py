"""Build a feature version: from accepted rows to sealed, recorded features. Run again, it changes nothing."""

import io
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import polars as pl

from feature_store.columns import columns_read
from feature_store.table_view import TableView
from feature_store.versions.manifest import Manifest, Partition, manifest_path
from feature_store.view import FeatureView
from feature_store.views import VIEWS, View, view_named
from ledgerline.audit import Kind, Leaf, Ledger, Parent, RecordedLeaf
from ledgerline.core.clock import instant_text
from ledgerline.core.errors import LedgerlineError
from ledgerline.core.identity import canonical_json, content_id
from pipelines.features.cluster import computer_of
from pipelines.features.content_files import write_files
from pipelines.features.errors import NothingAccepted, NotReproducible
from pipelines.features.event_views import Inputs, write_features
from pipelines.features.inputs import AcceptedFile, accepted_inputs, located
from pipelines.features.known_files import KnownFiles
from pipelines.features.online_state import online_state
from pipelines.features.partitions import FORMAT_VERSION
from pipelines.features.seal import Sealed, seal
from pipelines.features.tables import read_tables
from pipelines.features.versions import FeatureVersion
from pipelines.features.workspace import Workspace
from pipelines.ingestion import mapped_datasets, source_as_of
from pipelines.validation import accepted_receipts

Progress = Callable[[str], None]


def build(
    ledger: Ledger, view_name: str, *, as_of: datetime | None = None, progress: Progress | None = None
) -> FeatureVersion:
    """Build a view from all accepted rows, seal it and record it.

    The same inputs and definition give the same version, whoever builds it and however often. Only files that
    something new can influence are written anew. Killed at any point, or run twice at once, it ends in the same
    evidence.

    Args:
        ledger: The installation.
        view_name: The view.
        as_of: The present, timezone-aware: nothing that became available later is read. None takes that of the view's
            first source.
        progress: Told what is going on.

    Raises:
        NothingAccepted: There are no rows to build from.
        RemoteDamaged: The DVC remote does not hold what was pushed.
        ClusterUnreachable: The settings name a Dask scheduler, and it does not answer.
        NotReproducible: Inputs that were sealed before gave other bytes.
    """
    say = progress or (lambda _: None)
    view = view_named(view_name)
    moment = as_of or source_as_of(ledger.settings, view.sources[0].name)
    workspace = Workspace(ledger.settings, ledger.clock)
    with workspace.locked(say):
        inputs = accepted_inputs(ledger, view, moment)
        request = _request(view, inputs, moment)
        workspace.prepare()
        made_before = _made_before(ledger, view, request)
        if made_before is not None and _is_sealed(workspace, made_before):
            return FeatureVersion.of(made_before, built=False)
        manifest = _make(ledger, view, inputs, moment, workspace, say)
        if made_before is not None and made_before.id != manifest.version:
            raise NotReproducible(
                f"{view.name} was sealed as {made_before.id} and came out as {manifest.version} from the same inputs; "
                "look for a library that changed, and raise the view's version"
            )
        columns = _columns_read(ledger, view, manifest.features)
        sealed = seal(workspace, manifest, say=say)
        return _record(ledger, manifest, inputs, sealed, request, columns)


def due_views(ledger: Ledger) -> list[str]:
    """Return the views that a build would make a new version of, in the order in which they are declared.

    That is a view of which every source that the installation's source has stands accepted, the first at least, with
    inputs or a definition that no version in the workspace was made from. Cheap: only the log and git are read.
    """
    mapped = _mapped(ledger)
    workspace = Workspace(ledger.settings, ledger.clock)
    return [view.name for view in VIEWS.values() if _is_due(ledger, view, mapped, workspace)]


def _is_due(ledger: Ledger, view: View, mapped: Sequence[str], workspace: Workspace) -> bool:
    primary, *others = (contract.name for contract in view.sources)
    awaited = [name for name in others if name in mapped]
    if primary not in mapped or not all(accepted_receipts(ledger, name) for name in awaited):
        return False
    moment = source_as_of(ledger.settings, primary)
    try:
        inputs = accepted_inputs(ledger, view, moment)
    except NothingAccepted:
        return False
    made_before = _made_before(ledger, view, _request(view, inputs, moment))
    return made_before is None or not _is_sealed(workspace, made_before)


def _mapped(ledger: Ledger) -> list[str]:
    """Return the datasets that the source has; none where there is no source now, for nothing new can come of it."""
    try:
        return mapped_datasets(ledger.settings)
    except LedgerlineError:
        return []


def _request(view: View, inputs: Sequence[AcceptedFile], as_of: datetime) -> str:
    """Return a hash over everything that decides what a build makes, known before it is made."""
    return content_id(
        {
            "fingerprint": view.fingerprint,
            "format": FORMAT_VERSION,
            "as_of": instant_text(as_of),
            "inputs": [[accepted.file.receipt, accepted.file.sha256] for accepted in inputs],
        }
    )


def _made_before(ledger: Ledger, view: View, request: str) -> RecordedLeaf | None:
    """Return the version that the same request made before."""
    made = ledger.log.leaves(Kind.FEATURE_VERSION, view=view.name, fingerprint=view.fingerprint)
    return next((leaf for leaf in made if leaf.detail["request"] == request), None)


def _is_sealed(workspace: Workspace, version: RecordedLeaf) -> bool:
    """Whether the workspace still has a version: a lost one is made again."""
    if not (workspace.path / ".git").exists():
        return False
    return workspace.git.commit(f"refs/tags/{version.detail['tag']}") is not None


def _make(
    ledger: Ledger, view: View, inputs: Sequence[AcceptedFile], as_of: datetime, workspace: Workspace, say: Progress
) -> Manifest:
    """Write the files of a version, and return its manifest."""
    say(f"reading {len(inputs)} accepted files")
    if isinstance(view, TableView):
        manifest = _from_tables(ledger, view, inputs, as_of, workspace, say)
    else:
        manifest = _from_events(ledger, view, inputs, as_of, workspace, say)
    ledger.objects.put(manifest.to_bytes())
    return manifest


def _from_events(
    ledger: Ledger,
    view: FeatureView,
    inputs: Sequence[AcceptedFile],
    as_of: datetime,
    workspace: Workspace,
    say: Progress,
) -> Manifest:
    known_files = KnownFiles(workspace.memory / "files.json")
    reading = Inputs(view, inputs, as_of, located(ledger, inputs, known_files))
    with computer_of(ledger.settings.dask_scheduler) as computer:
        partitions, arrivals = write_features(
            reading,
            workspace.path,
            memory=workspace.memory,
            sealed=_sealed_before(workspace, view),
            known_files=known_files,
            say=say,
            computer=computer,
        )
    state = _put_rows(ledger, online_state(reading, arrivals))
    known_files.save()
    return Manifest(
        view=view.name,
        fingerprint=view.fingerprint,
        features=view.feature_names,
        as_of=as_of,
        inputs=tuple(accepted.file for accepted in inputs),
        partitions=tuple(partitions),
        online_state=state,
    )


def _from_tables(
    ledger: Ledger,
    view: TableView,
    inputs: Sequence[AcceptedFile],
    as_of: datetime,
    workspace: Workspace,
    say: Progress,
) -> Manifest:
    tables = read_tables(ledger, view, inputs, as_of)
    say(f"computing features of {tables[view.primary.name].height:,} rows of {view.primary.name}")
    computed = view.compute(tables)
    return Manifest(
        view=view.name,
        fingerprint=view.fingerprint,
        features=view.features_of(computed),
        as_of=as_of,
        inputs=tuple(accepted.file for accepted in inputs),
        partitions=tuple(write_files(view, computed, workspace.path)),
        online_state=_put_recent_state(ledger, view.recent(tables, as_of)) if view.recent else None,
    )


def _sealed_before(workspace: Workspace, view: FeatureView) -> dict[str, Partition]:
    (content,) = workspace.git.read(f"HEAD:{manifest_path(view.name)}")
    return {each.path: each for each in Manifest.from_bytes(content).partitions} if content else {}


def _put_recent_state(ledger: Ledger, state: Mapping[str, pl.DataFrame]) -> str:
    """Keep what live features go on from: one object a table, and one that names them."""
    return ledger.objects.put(canonical_json({name: _put_rows(ledger, rows) for name, rows in state.items()}))


def _put_rows(ledger: Ledger, rows: pl.DataFrame) -> str:
    buffer = io.BytesIO()
    rows.rechunk().write_parquet(buffer, compression="zstd")
    return ledger.objects.put(buffer.getvalue())


def _record(
    ledger: Ledger,
    manifest: Manifest,
    inputs: Sequence[AcceptedFile],
    sealed: Sealed,
    request: str,
    columns: Mapping[str, Sequence[str]] | None,
) -> FeatureVersion:
    # What the features read is no part of the identity: it follows from the definition, whose fingerprint is.
    detail = {
        "commit": sealed.commit,
        "tag": sealed.tag,
        "manifest_path": manifest_path(manifest.view),
        "partitions": len(manifest.partitions),
        "rows": manifest.rows,
        "request": request,
        "built_at": instant_text(ledger.clock.now()),
    }
    if columns is not None:
        detail["columns"] = {feature: list(read) for feature, read in columns.items()}
    parents = [Parent(accepted.receipt.id, role="accepted") for accepted in inputs]
    leaf_id = ledger.log.append(Leaf(Kind.FEATURE_VERSION, manifest.identity, detail), parents)
    return FeatureVersion.of(ledger.log.get(leaf_id), built=True)


def _columns_read(ledger: Ledger, view: View, features: Sequence[str]) -> Mapping[str, Sequence[str]] | None:
    """Return what each feature reads: as an earlier version of the same definition says, for finding out takes long.

    None where nobody can find out: a view over tables that declares no probe.
    """
    if isinstance(view, TableView) and view.probe is None:
        return None
    earlier = ledger.log.leaves(Kind.FEATURE_VERSION, view=view.name, fingerprint=view.fingerprint)
    said = (leaf.detail.get("columns", {}) for leaf in reversed(earlier))
    return next((columns for columns in said if set(columns) == set(features)), None) or columns_read(view, features)
