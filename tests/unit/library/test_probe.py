"""The health command of images: exit 0 where the answer is 200, in no other case."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from atalaia.service import probe

FILE = Path(probe.__file__)


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """Answer one connection with these bytes, whatever it asks for."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def once() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(answer)

        thread = threading.Thread(target=once)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(5)


def ask(port: int) -> int:
    environment = os.environ | {"ATALAIA_HEALTH_LISTEN": f"0.0.0.0:{port}"}
    return subprocess.run(
        [sys.executable, "-IS", FILE], env=environment, stderr=subprocess.PIPE, timeout=10, check=False
    ).returncode


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n{}", 0),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", 1),
        (b"nonsense", 1),
        (b"", 1),
    ],
)
def test_only_a_200_is_healthy(answer: bytes, code: int) -> None:
    with answering(answer) as port:
        assert ask(port) == code


def test_nobody_there_is_not_healthy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert ask(port) == 1
