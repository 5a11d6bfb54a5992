"""What docs/instrument.md shows, executed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.system.platform import ROOT, Platform, await_that, free_ports
from tests.unit.asgi.test_frameworks import django

PAGE = (Path(ROOT) / "docs" / "instrument.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
SHELL = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("snippet", PYTHON, ids=lambda snippet: re.findall(r"service=\"(.*?)\"", snippet)[0])
def test_the_snippet_makes_an_application(snippet: str) -> None:
    django()  # whose settings a project has
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(snippet, "instrument.md", "exec", dont_inherit=True), names)
    assert callable(names.get("app") or names["application"])


def test_started_as_the_page_says_it_is_seen_as_the_page_says(platform: Platform, tmp_path: Path) -> None:
    start, ask = SHELL
    (tmp_path / "shop.py").write_text(PYTHON[0].replace('"shop"', '"page-shop"'))
    (tmp_path / ".data").symlink_to(platform.data_dir)
    (port,) = free_ports(1)
    shell = subprocess.Popen(
        ["bash", "-ec", start.replace("\nuvicorn", "\nexec uvicorn")],
        cwd=tmp_path,
        env=os.environ
        | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT / "shared"),
            "UVICORN_PORT": str(port),
            "ATALAIA_APP_INTERVAL_S": "0.5",
        },
    )
    try:
        question = f"curl -sf http://127.0.0.1:{port}/products/7"
        await_that(lambda: subprocess.run(question.split()).returncode == 0, what="the shop", within_s=20)
        ask = ask.replace("127.0.0.1:8000", f"127.0.0.1:{platform.http_port}").replace("=shop", "=page-shop")
        await_that(
            lambda: '"/products/{product_id}"' in subprocess.check_output(["bash", "-ec", ask], text=True),
            what="the route",
        )
    finally:
        shell.send_signal(signal.SIGTERM)
        shell.wait(10)
