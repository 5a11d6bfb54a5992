"""What docs/database.md shows, executed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.platform import ROOT

SNIPPETS = re.findall(r"```python\n(.*?)```", (Path(ROOT) / "docs" / "database.md").read_text(), re.DOTALL)


def run(snippet: str, url: str) -> str:
    environment = {**os.environ, "DATABASE_URL": url, "PYTHONPATH": str(Path(ROOT) / "shared")}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", snippet],
        env=environment,
        check=True,
        timeout=20,
        capture_output=True,
        text=True,
    ).stdout


async def test_the_first_example_sells_a_lamp(database_url: str) -> None:
    assert run(SNIPPETS[0], database_url) == "left: 2\nread: 2\n"


@pytest.mark.parametrize("snippet", SNIPPETS[1:])
def test_every_other_snippet_runs(snippet: str) -> None:
    run(snippet, "postgresql://nobody@127.0.0.1:1/none")


def test_the_limits_shown_are_the_defaults() -> None:
    run(SNIPPETS[1] + "\nassert vars(pool)['_kept'] == 20 and vars(pool)['_most'] == 50", "")
