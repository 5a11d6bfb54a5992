"""A real Prometheus, in a container."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
    # on the host's network and as root: it scrapes this process, and reads its folder
    arguments = [
        "--config.file=/given/prometheus.yml",
        "--storage.tsdb.path=/prometheus",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    container = (
        DockerContainer("prom/prometheus:latest")
        .with_kwargs(network_mode="host", user="root")
        .with_volume_mapping(str(folder), "/given", "ro")
        .with_command(" ".join(arguments))
    )
    with container:
        yield f"http://127.0.0.1:{port}"
