"""The HTTP server: the listening socket, and uvicorn under the service's own lifecycle."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
from collections.abc import Callable, Iterator

import uvicorn
from starlette.types import ASGIApp

from atalaia.errors import Misconfigured

DRAIN_S = 3
TAKES_NOTHING_MS = 30_000


def listen(host: str, port: int) -> socket.socket:
    """Return the socket to serve on.

    Raises:
        Misconfigured: it cannot be had.
    """
    try:
        listener = socket.create_server((host, port), backlog=1024)
    except OSError as error:
        raise Misconfigured(
            f"ATALAIA_HTTP_PORT is {port}: {host}:{port} "
            f"cannot be listened on ({error.strerror}); choose another"
        ) from error
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; connections inherit it
        # who takes nothing of what waits for it is cut off by the system, which knows best
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, TAKES_NOTHING_MS)
    return listener


def allow_connections() -> None:
    """Let this process have as many files open as it may: each live stream is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        with contextlib.suppress(ValueError, OSError):  # some systems name a limit that cannot be had
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class _Server(uvicorn.Server):
    """uvicorn without signal handlers: the service's own say when it ends."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve_http(
    app: ASGIApp,
    listener: socket.socket,
    stopping: asyncio.Event,
    end_streams: Callable[[], None],
    *,
    linger_s: float,
) -> None:
    """Serve until `stopping`, and `linger_s` longer: `/readyz` says no from then on.

    Then answers under way have a moment left, streams have none.
    """
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_S,
    )
    server = _Server(config)

    async def stop() -> None:
        await stopping.wait()
        await asyncio.sleep(linger_s)
        end_streams()
        server.should_exit = True

    async with asyncio.TaskGroup() as group:
        group.create_task(stop())
        await server.serve(sockets=[listener])
