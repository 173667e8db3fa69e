"""Verbs that make models and let named people approve them: train, keys, approve, deploy, rollback, monitor."""

import json
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from ledgerline.audit import Kind
from ledgerline.cli.terminal import OUT, JsonOption, open_ledger, progress
from ledgerline.core.errors import LedgerlineError


def register(app: typer.Typer) -> None:
    """Add this file's verbs to the command."""
    panel = "Models and the people who approve them"
    for verb in (train, approve, deploy, rollback, monitor):
        app.command(rich_help_panel=panel)(verb)
    app.add_typer(keys, name="keys", rich_help_panel=panel)


def train(family: Annotated[str, typer.Argument(help="fraud, credit, forecast or price.")] = "fraud") -> None:
    """Train a challenger on the newest feature version, beside its baselines, and judge it at the gates.

    The run, its metrics, plots and model are in MLflow; the same data, parameters and code train nothing twice.

    Example: `ledgerline train credit`
    """
    from ledgerline.cli.figures import figures_table
    from pipelines.promotion import evaluate_gates
    from pipelines.training import train as train_family

    ledger = open_ledger()
    result = train_family(ledger, family, progress=progress(family))
    OUT.print(figures_table(result.report))
    OUT.print(f"{family}@{result.model_version}  bundle {result.bundle[:16]}{'  (as trained before)' * result.reused}")
    evaluation = evaluate_gates(ledger, result.bundle)
    for gate in evaluation.identity["gates"]:
        OUT.print(
            f"  {'[green]pass[/green]' if gate['passed'] else '[red]REFUSED[/red]'} {gate['gate']}: {gate['detail']}"
        )
    if evaluation.identity["passed"]:
        OUT.print(
            f"Next: a named person who did not train it runs `ledgerline approve {family}@{result.model_version}`"
        )


keys = typer.Typer(no_args_is_help=True, help="Signing keys of the people who approve.")


def _passphrase(prompt: str, *, confirm: bool) -> str:
    from ledgerline.core.settings import Settings

    configured = Settings().key_passphrase
    if configured is not None:
        return configured.get_secret_value()
    return str(typer.prompt(prompt, hide_input=True, confirmation_prompt=confirm))


@keys.command("create")
def keys_create(
    name: Annotated[str, typer.Argument(help="The person's name, as approvals will show it.")],
    keyring: Annotated[
        bool,
        typer.Option(
            "--keyring", help="Let the operating system's keyring keep a random passphrase; none is asked for."
        ),
    ] = False,
) -> None:
    """Create a person's Ed25519 signing key, encrypted under a passphrase; its public half goes into the evidence.

    The passphrase is asked for, or taken from `LEDGERLINE_KEY_PASSPHRASE`. With `--keyring` the operating system's
    keyring (macOS Keychain, Windows Credential Locker, Secret Service) keeps a random one and gives it back at signing;
    that needs `pip install 'ledgerline[keyring]'`.

    Example: `ledgerline keys create maria`
    """
    from pipelines.promotion import create_key

    ledger = open_ledger()
    passphrase = None if keyring else _passphrase(f"New passphrase for {name}", confirm=True)
    create_key(ledger, name, passphrase=passphrase)
    OUT.print(f"key of {name} created in {ledger.settings.keys_path}")


@keys.command("revoke")
def keys_revoke(
    name: Annotated[str, typer.Argument(help="Whose key.")],
    person: Annotated[str, typer.Option("--as", help="Your name; it stays on record.")],
    reason: Annotated[str, typer.Option(help="Why; it stays on record.")],
) -> None:
    """Revoke a person's key: what it signs from now on is refused, everywhere; what it signed before stands.

    For a key that was lost or stolen, or whose owner left. Nothing undoes it; `ledgerline keys create` makes a new one.

    Example: `ledgerline keys revoke maria --as omar --reason "laptop stolen"`
    """
    from pipelines.promotion import revoke_key

    revoke_key(open_ledger(), name, revoked_by=person, reason=reason)
    OUT.print(f"the newest key of {name} is revoked; approvals recorded before this moment stand")


@keys.command("list")
def keys_list() -> None:
    """List the public keys that the evidence knows, with who revoked which and why."""
    from ledgerline.decisions.signing_keys import revocation

    ledger = open_ledger()
    table = Table("name", "public key", "created at", "revoked")
    for leaf in ledger.log.leaves(Kind.SIGNING_KEY):
        public_key = str(leaf.identity["public_key"])
        revoked = revocation(ledger, public_key)
        said = "{revoked_at} by {revoked_by}: {reason}".format(**revoked.detail) if revoked else ""
        table.add_row(str(leaf.identity["name"]), public_key, str(leaf.detail["created_at"]), escape(said))
    OUT.print(table)


def approve(
    model: Annotated[str, typer.Argument(help="A model version such as fraud@3, or a bundle digest.")],
    approver: Annotated[
        str, typer.Option("--as", help="Whose key signs. It must not be who trained the model or wrote its code.")
    ],
    role: Annotated[str, typer.Option(help="In which role of policies/approvals.yaml.")] = "validator",
) -> None:
    """Sign a model that passed its gates: bundle, training data, evaluation, environment and expiry in one signature.

    Example: `ledgerline approve fraud@3 --as maria`
    """
    from pipelines.promotion import approve as sign
    from pipelines.promotion import missing_approvals
    from pipelines.promotion.keys import passphrase_in_keyring

    ledger = open_ledger()
    passphrase = passphrase_in_keyring(ledger, approver) or _passphrase(f"Passphrase of {approver}", confirm=False)
    leaf_id = sign(ledger, model, approver=approver, role=role, passphrase=passphrase)
    approval = ledger.log.get(leaf_id).identity
    OUT.print(f"{model} approved by {approver} as {role} for {approval['environment']} until {approval['expires_at']}")
    missing = missing_approvals(ledger, approval["bundle"])
    if missing:
        OUT.print(f"Still needed: {', '.join(missing)}")
    else:
        OUT.print(f"Complete. Airflow deploys it, or `ledgerline deploy {model}` does.")


def deploy(model: Annotated[str, typer.Argument(help="A model version such as fraud@3, or a bundle digest.")]) -> None:
    """Put an approved model in force for its family's live job. Without valid approvals nothing is deployed.

    Example: `ledgerline deploy credit@2`
    """
    from ledgerline.audit.trace import resolve
    from pipelines.promotion import deploy as deploy_bundle

    ledger = open_ledger()
    bundle = resolve(ledger.log, model)
    if bundle.kind is not Kind.MODEL_BUNDLE:
        raise LedgerlineError(f"{model} is a {bundle.kind}, not a model")
    deployment = deploy_bundle(ledger, bundle.identity["digest"])
    OUT.print(f"{model} is deployed to {deployment.identity['job']} in {deployment.identity['environment']}")


def rollback(
    family: Annotated[str, typer.Argument(help="fraud, credit, forecast or price.")],
    reason: Annotated[str, typer.Option(help="Why; it stays on record.")],
) -> None:
    """Put the model back in force that the present one replaced, by the same checks as any deployment.

    The live job swaps without failing a request. Example: `ledgerline rollback fraud --reason "too many alerts"`
    """
    from pipelines.promotion import rollback as roll_back

    if not reason.strip():
        raise LedgerlineError("say why with --reason: it stays on record")
    ledger = open_ledger()
    deployment = roll_back(ledger, family, reason=reason.strip())
    OUT.print(f"{family}: bundle {deployment.identity['bundle'][:16]} is in force again in {ledger.settings.profile}")


def monitor(as_json: JsonOption = False) -> None:
    """Compare what the deployed models see, and were served live, with what they were trained on; say how old data are.

    What accepted labels say of live decisions is put on record too.

    Limits are in `policies/monitoring.yaml`; each look is on record, and Airflow's `monitor_models` does the same every
    day. Exit status 1 when something exceeds its limit. Example: `ledgerline monitor`
    """
    from pipelines.monitoring import monitor_models

    ledger = open_ledger()
    seen = monitor_models(ledger, progress=progress("monitor"))
    if as_json:
        OUT.print_json(json.dumps({**seen.report, "outcomes": dict(seen.outcomes)}))
    else:
        show_monitoring(seen.report)
        for family, count in seen.outcomes.items():
            OUT.print(f"{family}: {count:,} outcomes of live decisions have become known")
    if seen.exceeded:
        raise typer.Exit(1)


def show_monitoring(report: dict[str, Any]) -> None:
    """Show what monitoring saw: each model's largest drift and skew, the age of all data, what exceeds its limit."""
    table = Table("model", "rows now", "PSI of the score", "largest PSI of a feature", "of", title="Drift")
    for family, drift in report["drift"].items():
        worst = max(drift["features"].items(), key=lambda each: each[1], default=("-", None))
        psi = ("-" if value is None else f"{value:.3f}" for value in (drift["score"], worst[1]))
        table.add_row(family, f"{drift['rows']:,}", *psi, worst[0])
    OUT.print(table)
    _show_skew(report["skew"])
    ages = Table("dataset", "newest row", "age at its present", "limit", title="Freshness")
    for dataset, fresh in report["freshness"].items():
        ages.add_row(dataset, fresh["newest"], f"{fresh['age_days']:.1f} d", f"{fresh['limit_days']:g} d")
    OUT.print(ages)
    views = Table("view", "newest row of its newest version", "age at its source's present", "limit", title="Views")
    for view, fresh in report["views"].items():
        age = "-" if fresh["age_seconds"] is None else f"{fresh['age_seconds'] / 86_400:.1f} d"
        views.add_row(view, fresh["newest"] or "-", age, f"{fresh['limit_days']:g} d")
    OUT.print(views)
    for sentence in report["exceeded"]:
        OUT.print(f"[red]exceeded[/red] {escape(sentence)}")


def _show_skew(skews: dict[str, Any]) -> None:
    if not skews:
        return
    heads = ("model", "live decisions", "largest PSI as served", "of", "with a row offline", "served otherwise")
    table = Table(*heads, title="Skew between training and serving")
    for family, skew in skews.items():
        worst = max(skew["features"].items(), key=lambda each: each[1], default=("-", None))
        psi = "-" if worst[1] is None else f"{worst[1]:.3f}"
        table.add_row(
            family, f"{skew['decisions']:,}", psi, worst[0], f"{skew['compared']:,}", f"{skew['differing']:,}"
        )
    OUT.print(table)
