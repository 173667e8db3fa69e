"""Landing is the same however often it runs, and in whatever steps the files arrive."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from ledgerline.audit import Kind, Ledger
from ledgerline.core.settings import Settings
from pipelines.ingestion import land

MAPPING = """
name: shop
as_of: 2024-02-01T00:00:00Z
datasets:
  fraud_labels:
    files: labels_*.csv
    columns:
      transaction_id: id
      is_fraud: fraud
      event_time: t
      available_at: {after: event_time, delay: 7d}
"""
ROW = st.tuples(st.sampled_from(["a", "b", "\\"]), st.sampled_from(["1", "0", "x", ""]), st.just("2024-01-01T00:00Z"))
FILE = st.lists(ROW, max_size=4).map(lambda rows: "id,fraud,t\n" + "".join(",".join(row) + "\n" for row in rows))


def installation(home: Path, data: Path) -> Ledger:
    data.mkdir(exist_ok=True)
    (data / "ledgerline.yaml").write_text(MAPPING)
    return Ledger.open(Settings(home=home, data=data))


@settings(max_examples=15, deadline=None)
@given(files=st.lists(FILE, min_size=1, max_size=4), again=st.integers(0, 3))
def test_files_arriving_one_by_one_leave_the_evidence_of_files_arriving_at_once(files: list[str], again: int) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        slow, quick = installation(root / "slow", root / "a"), installation(root / "quick", root / "b")
        for number, content in enumerate(files):
            for data in ("a", "b"):
                (root / data / f"labels_{number}.csv").write_text(content)
            for _ in range(1 + again % 2):
                land(slow, "fraud_labels")
        stepwise, at_once = land(slow, "fraud_labels"), land(quick, "fraud_labels")
        assert stepwise.batches == at_once.batches == at_once.new
        assert stepwise.new == ()
        for kind in (Kind.RAW_FILE, Kind.LANDED_BATCH):
            assert {leaf.id for leaf in slow.log.leaves(kind)} == {leaf.id for leaf in quick.log.leaves(kind)}
        for leaf in quick.log.leaves(Kind.LANDED_BATCH):
            source_rows = quick.objects.get(leaf.identity["raw"]).count(b"\n") - 1
            assert leaf.identity["rows"] + leaf.identity["unreadable"] == source_rows
