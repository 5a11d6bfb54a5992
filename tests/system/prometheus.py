"""A real Prometheus: the one that is installed here, else its image."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from testcontainers.core.container import DockerContainer

from tests.system.platform import free_ports


@contextmanager
def prometheus(folder: Path, targets: list[str]) -> Iterator[str]:
    """Scrape `/metrics` of these every 2 s, and lend the URL."""
    config = {
        "global": {"scrape_interval": "2s"},
        "scrape_configs": [{"job_name": "atalaia", "static_configs": [{"targets": targets}]}],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))
    (port,) = free_ports(1)
    binary = shutil.which("prometheus")
    address = f"--web.listen-address=127.0.0.1:{port}"
    if binary is not None:
        files = [f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}"]
        with subprocess.Popen([binary, *files, address, "--log.level=error"]) as process:
            try:
                yield f"http://127.0.0.1:{port}"
            finally:
                process.kill()
    elif shutil.which("docker") is not None:
        # on the host's network and as root: it scrapes this process, and reads its folder
        files = ["--config.file=/given/prometheus.yml", "--storage.tsdb.path=/prometheus"]
        container = (
            DockerContainer("prom/prometheus:latest")
            .with_kwargs(network_mode="host", user="root")
            .with_volume_mapping(str(folder), "/given", "ro")
            .with_command(" ".join([*files, address]))
        )
        with container:
            yield f"http://127.0.0.1:{port}"
    else:
        pytest.skip("neither `prometheus` nor a Docker engine is here")
