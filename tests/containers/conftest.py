"""Projects of compose, each brought up once for the tests that share it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.compose import Compose

FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if FOLDER in item.path.parents:
            item.add_marker(pytest.mark.containers)


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The four images, built from this working tree."""
    Compose("atalaia-build", tmp_path_factory.mktemp("build"))("build", within_s=600)


@pytest.fixture(scope="module")
def plain(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    """What `docker compose up --wait` brings up."""
    compose = Compose(f"atalaia-plain-{os.getpid()}", tmp_path_factory.mktemp("plain"))
    yield from _up(compose, [])


@pytest.fixture(scope="module")
def highly_available(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    """The profile `ha`: three NATS nodes, and a balancer before two gateways."""
    folder = tmp_path_factory.mktemp("ha")
    compose = Compose(f"atalaia-ha-{os.getpid()}", folder, profile="ha")
    yield from _up(compose, ["--scale", "api=2", "--scale", "alerting=2"])


def _up(compose: Compose, scale: list[str]) -> Iterator[Compose]:
    began_s = time.monotonic()
    try:
        compose("up", "--detach", "--wait", *scale)
        print(f"\n{compose.project}: all healthy after {time.monotonic() - began_s:.1f} s")
        yield compose
    finally:
        compose.down()
