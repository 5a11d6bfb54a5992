"""What docs/loadgen.md shows, executed as it stands."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.system.loadgen.command import ROOT
from tests.system.platform import Platform, await_that

TEXT = (ROOT / "docs" / "loadgen.md").read_text()
LINES = [line for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines()]
PLAN = ("--users 20 --requests 10", "--stress --max-users 100", "--endurance --duration 3 --rps 50")


def environment(platform: Platform) -> dict[str, str]:
    return {**platform.environment, "PYTHONPATH": f"{ROOT / 'shared'}{os.pathsep}{ROOT}"}


def test_the_plans_commands_are_there() -> None:
    assert all(any(command in line for line in LINES) for command in PLAN)  # test_platform.py executes them


def test_the_other_commands_do_what_they_say(platform: Platform, tmp_path: Path) -> None:
    others = [line for line in LINES if not any(command in line for command in PLAN)]
    assert len(others) == 4
    comparing = [line for line in others if " compare " in line]
    with ThreadPoolExecutor() as pool:  # they wait, mostly
        running = pool.map(lambda line: _succeeds(line, platform, tmp_path), set(others) - set(comparing))
        assert all(running)
    assert all(_succeeds(line, platform, tmp_path) for line in comparing)
    assert {path.name for path in tmp_path.iterdir()} == {"run.json", "run.xml", "run.html"}


def _succeeds(line: str, platform: Platform, folder: Path) -> str:
    """Return what a command says that ends well, at once or when another run is out of its way."""
    command = line.replace("python ", f"{shlex.quote(sys.executable)} ", 1)
    done = await_that(lambda: _done(command, platform, folder), what=f"`{line}` to succeed")
    return done.stdout


def _done(command: str, platform: Platform, folder: Path) -> subprocess.CompletedProcess[str] | None:
    """Run a command; None where another run is in its way."""
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env=environment(platform),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done
    return None if '"status":409' in done.stdout else done


def test_the_scenario_runs(platform: Platform, tmp_path: Path) -> None:
    (scenario,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    (tmp_path / "shop.py").write_text(scenario)
    command = f"{sys.executable} -m services.loadgen --scenario shop.py --users 3 --requests 3 --nats off"
    base = f"--url http://127.0.0.1:{platform.http_port}"
    done = _done(f"{command} {base}", platform, tmp_path)
    assert done is not None
    assert "has sources: 9 passed, 0 failed" in done.stdout


@pytest.mark.parametrize("flag", sorted(set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", TEXT)) - {"--with"}))
def test_every_flag_that_is_named_exists(flag: str) -> None:
    from services.loadgen.cli.arguments import parser

    assert flag in parser().format_help()
