"""Our start and stop inside the application's own lifespan."""

from __future__ import annotations

from typing import Protocol

from atalaia.asgi.exchange import ASGIApp, Message, Receive, Scope, Send


class Part(Protocol):
    """What starts and stops with the application. `stop` without `start` does nothing."""

    def start(self) -> None: ...

    async def stop(self) -> None: ...


async def joined(app: ASGIApp, scope: Scope, receive: Receive, send: Send, part: Part) -> None:
    """Run the application's lifespan; `part` starts after it and stops after it.

    An application that does not know lifespans (it raises or returns without having
    asked for a message, as Django does) gets one all the same.
    """
    asked = False

    async def ask() -> Message:
        nonlocal asked
        asked = True
        return await receive()

    async def say(message: Message) -> None:
        if message["type"] == "lifespan.startup.complete":
            part.start()
        elif message["type"] in ("lifespan.shutdown.complete", "lifespan.shutdown.failed"):
            await part.stop()
        await send(message)

    try:
        await app(scope, ask, say)
    except Exception:
        if asked:
            raise
    finally:
        if asked:
            await part.stop()
    if not asked:
        await _alone(receive, send, part)


async def _alone(receive: Receive, send: Send, part: Part) -> None:
    await receive()
    part.start()
    try:
        await send({"type": "lifespan.startup.complete"})
        await receive()
    finally:
        await part.stop()
    await send({"type": "lifespan.shutdown.complete"})
