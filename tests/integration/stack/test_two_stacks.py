"""Two people, or two tests, start a stack on one machine at the same moment."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from ledgerline.core.settings import Settings
from ledgerline.launch import Part, Stack, start
from ledgerline.launch.ports import free_port


def test_stacks_started_at_once_never_share_a_port(tmp_path: Path):
    wished = free_port("127.0.0.1", 0)

    def launch(name: str) -> Stack:
        return start(Settings(home=tmp_path / name, scoring_port=wished), parts=frozenset({Part.SCORING}))

    with ThreadPoolExecutor(2) as pool:
        stacks = list(pool.map(launch, ("one", "other")))
    try:
        assert len({stack.scoring_url for stack in stacks}) == 2
        assert wished in {httpx.URL(stack.scoring_url).port for stack in stacks}
        assert [httpx.get(f"{stack.scoring_url}/healthz").status_code for stack in stacks] == [200, 200]
    finally:
        for stack in stacks:
            stack.stop()
