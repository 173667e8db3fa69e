"""Whole lines in a log, from raw files to venue events, with every kind of entry and every kind of edge."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ledgerline.audit import EvidenceLog, Kind, Leaf, Parent
from ledgerline.core.identity import content_id

GATES = [{"gate": "beats_baseline", "passed": True, "detail": "0.61 > 0.42"}]


@dataclass
class Line:
    """One line's leaf ids, by what they are."""

    log: EvidenceLog
    number: int
    ids: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, leaf: Leaf, *parents: tuple[str, str]) -> str:
        """Record a leaf under a name; ``parents`` are ``(name, role)``."""
        self.ids[name] = self.log.append(leaf, [Parent(self.ids[parent], role) for parent, role in parents])
        return self.ids[name]


def data(line: Line, *, batches: int = 2) -> None:
    """Raw files, landed batches, receipts, a release, a refused file and a feature version."""
    number, ids = line.number, line.ids
    for batch in range(batches):
        sha256, path = content_id([number, batch]), f"payments/{number}-{batch}.csv"
        line.add(f"raw {batch}", Leaf(Kind.RAW_FILE, {"sha256": sha256}, {"path": path}))
        landed = {"raw": sha256, "dataset": f"payments {number}", "rows": 9, "unreadable": 0}
        line.add(f"batch {batch}", Leaf(Kind.LANDED_BATCH, landed, {"path": path}), (f"raw {batch}", "raw"))
        judged = {"batch": ids[f"batch {batch}"], "dataset": f"payments {number}"}
        said = {"verdict": "accepted", "accepted": 8, "quarantined": 1}
        line.add(f"receipt {batch}", Leaf(Kind.VALIDATION_RECEIPT, {**judged, **said}), (f"batch {batch}", "batch"))
    torn = {"raw": content_id([number, 0]), "dataset": "customers", "reason": "torn"}
    line.add("refused", Leaf(Kind.REFUSED_FILE, torn, {"path": "torn.csv"}), ("raw 0", "raw"))
    released = {"receipt": ids["receipt 0"], "batch": ids["batch 0"], "person": "maria", "reason": "corrected"}
    line.add("release", Leaf(Kind.RELEASE, released), ("receipt 0", "receipt"), ("batch 0", "batch"))
    accepted = [(f"receipt {batch}", "accepted") for batch in range(batches)]
    view = Leaf(
        Kind.FEATURE_VERSION,
        {"view": "payments", "manifest": content_id(["manifest", number])},
        {
            "rows": 16,
            "tag": f"payments-v{number}",
            "commit": "c0ffee",
            "columns": {"amount": ["transactions.amount_minor"], "night": ["transactions.event_time"]},
        },
    )
    line.add("features", view, *accepted, ("release", "accepted"))


def model(line: Line, *, family: str, version: int, passed: bool = True, signers: Sequence[str] = ("maria",)) -> str:
    """Train, judge and sign a model; return its digest."""
    number, ids = line.number, line.ids
    digest = content_id(["bundle", number, family, version])
    trained_on = {
        "family": family,
        "feature_version": ids["features"],
        "labels": [ids["receipt 0"], ids["receipt 1"]],
        "as_of": f"2018-09-0{version}T00:00:00.000000Z",
        "rows": 16,
    }
    labels = [("receipt 0", "labels"), ("receipt 1", "labels")]
    line.add("set", Leaf(Kind.TRAINING_SET, trained_on), ("features", "features"), *labels)
    run = Leaf(
        Kind.TRAINING_RUN,
        {"training_set": ids["set"], "parameters": {"seed": version}},
        {"mlflow_run_id": f"run {version}", "trained_by": "joe"},
    )
    line.add("run", run, ("set", "training_set"))
    detail = {
        "family": family,
        "model_version": version,
        "trained_by": "joe",
        "training_run": ids["run"],
        "training_set": ids["set"],
        "feature_version": ids["features"],
    }
    line.add("bundle", Leaf(Kind.MODEL_BUNDLE, {"digest": digest}, detail), ("run", "run"))
    gates = [{**gate, "passed": passed} for gate in GATES]
    line.add(
        "evaluation", Leaf(Kind.EVALUATION, {"bundle": digest, "gates": gates, "passed": passed}), ("bundle", "bundle")
    )
    for signer in signers:
        line.add(
            f"key of {signer}", Leaf(Kind.SIGNING_KEY, {"name": signer, "public_key": content_id([signer, number])})
        )
        statement = {
            "family": family,
            "bundle": digest,
            "evaluation": ids["evaluation"],
            "key": ids[f"key of {signer}"],
            "approver": signer,
            "role": "validator",
            "environment": "sandbox",
            "signed_at": "2018-10-01T00:00:00.000000Z",
            "expires_at": "2018-12-01T00:00:00.000000Z",
        }
        signed = [("evaluation", "evaluation"), (f"key of {signer}", "key")]
        line.add(f"approval of {signer}", Leaf(Kind.APPROVAL, statement), *signed)
        revoked = {"key": statement["key"], "public_key": content_id([signer, number])}
        line.add(f"revocation of {signer}", Leaf(Kind.KEY_REVOCATION, revoked), (f"key of {signer}", "key"))
    return digest


def deploy(
    line: Line,
    *,
    family: str,
    bundle: str = "bundle",
    job: str = "scoring",
    reason: str | None = None,
    supersedes: str | None = None,
    signers: Sequence[str] = ("maria",),
) -> str:
    """Put a model in force and return the deployment's leaf id."""
    approvals = [f"approval of {signer}" for signer in signers]
    digest = line.log.get(line.ids[bundle]).identity["digest"]
    identity = {
        "family": family,
        "job": job,
        "environment": "sandbox",
        "bundle": digest,
        "approvals": [line.ids[each] for each in approvals],
        "supersedes": supersedes,
    }
    detail = {"deployed_by": "airflow", "deployed_at": "2018-10-01T00:00:00.000000Z"}
    detail |= {"reason": reason} if reason else {}
    return line.add(
        "deployment",
        Leaf(Kind.DEPLOYMENT, identity, detail),
        (bundle, "bundle"),
        *((each, "approval") for each in approvals),
        ("features", "online_state"),
    )


def decide(line: Line, *, subject: str, bundle: str) -> str:
    """Answer a request, and return the decision's leaf id."""
    sha256 = content_id(["request", line.number, subject])
    line.add("request", Leaf(Kind.REQUEST, {"sha256": sha256}, {"bytes": 17}))
    identity = {"family": "price", "decision_id": content_id(subject), "request": sha256, "bundle": bundle}
    detail = {"deployment": line.ids["deployment"], "decided_at": "2018-10-01T00:00:00.000000Z"}
    made_from = [("request", "request"), ("deployment", "deployment")]
    return line.add("decision", Leaf(Kind.DECISION, identity, detail), *made_from)


def order(line: Line, *, name: str, bundle: str) -> str:
    """Commit an order after the last decision, see it filled, and return the intent's leaf id."""
    line.add("account", Leaf(Kind.REQUEST, {"sha256": content_id(["account", line.number])}, {"bytes": 99}))
    intent = {"client_order_id": name, "symbol": "AAPL", "side": "buy", "quantity": "3", "session": "2018-10-01"}
    made_from = [("decision", "decision"), ("account", "account")]
    line.add("intent", Leaf(Kind.ORDER_INTENT, {**intent, "bundle": bundle}), *made_from)
    filled = {"client_order_id": name, "status": "filled", "filled": "3", "average_price": "200.5"}
    line.add("event", Leaf(Kind.VENUE_EVENT, filled), ("intent", "intent"))
    return line.ids["intent"]


def outcomes(line: Line) -> None:
    """Record what came of the last decision: a label, and the fill of its order."""
    label = {"decision": line.ids["decision"], "came": {"is_fraud": True}, "known_at": "2018-10-08T00:00:00.000000Z"}
    detail = {"subject": "payment", "label": line.ids["receipt 1"]}
    line.add("label", Leaf(Kind.OUTCOME, label, detail), ("decision", "decision"), ("receipt 1", "label"))
    fill = {
        "decision": line.ids["decision"],
        "came": {"filled": "3", "average_price": "200.5", "quantity": "3"},
        "known_at": "2018-10-02T00:00:00.000000Z",
        "intent": line.ids["intent"],
        "event": line.ids["event"],
    }
    made_from = [("decision", "decision"), ("intent", "intent"), ("event", "event")]
    line.add("fill", Leaf(Kind.OUTCOME, fill, {"subject": "order"}), *made_from)


def whole_line(log: EvidenceLog, number: int, *, family: str = "price") -> Line:
    """Record a whole line with every kind of entry; ``number`` tells it from others in the same log."""
    line = Line(log, number)
    data(line)
    digest = model(line, family=family, version=number)
    deploy(line, family=family, job="trading")
    decide(line, subject=f"AAPL {number}", bundle=digest)
    order(line, name=f"order-{number}", bundle=digest)
    outcomes(line)
    features = line.ids["features"]
    forecast = {"bundle": digest, "feature_version": features, "series": 3}
    served = [("deployment", "deployment"), ("features", "features")]
    line.add("forecast", Leaf(Kind.FORECAST, forecast, {"model": "lightgbm"}), *served)
    scored = {"family": family, "bundle": digest, "feature_version": features, "receipt": line.ids["receipt 1"]}
    line.add("scored", Leaf(Kind.SCORED_BATCH, {**scored, "rows": 8}), *served, ("receipt 1", "batch"))
    look = [("bundle", "bundle"), ("features", "features")]
    line.add("monitoring", Leaf(Kind.MONITORING, {"report": str(number), "exceeded": 0}), *look)
    halt = {"action": "halt", "person": "maria", "reason": f"odd prices {number}"}
    line.add("halt", Leaf(Kind.HALT, {**halt, "follows": None}))
    line.add("clear", Leaf(Kind.HALT, {**halt, "action": "clear", "follows": line.ids["halt"]}), ("halt", "follows"))
    erased = {"subject": f"person-{number}", "files": [line.ids["raw 0"]]}
    line.add("erasure", Leaf(Kind.ERASURE, erased, {"erased_by": "maria", "reason": "asked"}), ("raw 0", "raw"))
    return line
