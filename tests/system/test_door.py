"""The door that storms are made with, on both loops that it stands on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvloop

from tests.system.storm.door import Door, Trap

GREETING = b"hello\n"
Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    found: Run = request.param
    return found


@dataclass
class Echo:
    """A server that greets and says again what it hears; and the door before it."""

    door: Door
    heard: bytearray = field(default_factory=bytearray)
    left: int = 0

    @asynccontextmanager
    async def entered(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.door.port)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GREETING)
        try:
            while chunk := await reader.read(2**16):
                self.heard += chunk
                writer.write(chunk)
                await writer.drain()
        except OSError:
            return
        finally:
            self.left += 1
            writer.transport.abort()


@asynccontextmanager
async def echo() -> AsyncIterator[Echo]:
    found: list[Echo] = []
    server = await asyncio.start_server(lambda r, w: found[0].answer(r, w), "127.0.0.1", 0)
    found.append(Echo(Door(server.sockets[0].getsockname()[1])))
    await found[0].door.open()
    try:
        yield found[0]
    finally:
        await found[0].door.shut()
        server.close()


async def until(question: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not question():
            await asyncio.sleep(0.01)


async def nothing_comes(reader: asyncio.StreamReader, *, for_s: float = 0.2) -> bool:
    try:
        async with asyncio.timeout(for_s):
            await reader.read(1)
    except TimeoutError:
        return True
    return False


async def is_cut(reader: asyncio.StreamReader) -> bool:
    """Return whether the connection ends without another word."""
    try:
        async with asyncio.timeout(5):
            return await reader.read(1) == b""
    except ConnectionError:
        return True


def test_all_passes_in_order_and_no_faster_than_it_is_read(run: Run) -> None:
    async def scene() -> None:
        said = bytes(range(256)) * 2**17
        async with echo() as place, place.entered() as (reader, writer):
            writer.write(said)  # before the server was asked
            await until(lambda: bool(place.heard))
            heard = 0
            while len(place.heard) != heard:
                heard = len(place.heard)
                await asyncio.sleep(0.2)
            assert heard < len(said), "the door took in what nobody read"
            async with asyncio.timeout(20):
                assert await reader.readexactly(len(GREETING + said)) == GREETING + said

    run(scene())


def test_who_leaves_is_missed_at_the_other_end(run: Run) -> None:
    async def scene() -> None:
        async with echo() as place:
            async with place.entered() as (reader, _):
                await reader.readexactly(len(GREETING))
            await until(lambda: place.left == 1)

    run(scene())


def test_what_is_said_to_a_slow_server_is_late_each_time(run: Run) -> None:
    async def scene() -> None:
        async with echo() as place:
            place.door.delay_s = 0.2
            loop = asyncio.get_running_loop()
            began_s = loop.time()
            async with place.entered() as (reader, writer):
                for word in (b"one", b"two"):
                    writer.write(word)
                    await reader.readuntil(word)
            assert loop.time() - began_s >= 0.4

    run(scene())


@pytest.mark.parametrize(("trap", "heard"), [(Trap.CUT_BEFORE, b""), (Trap.CUT_AFTER, b"COMMIT")])
def test_a_trap_cuts_before_or_after_the_server_hears_the_word(run: Run, trap: Trap, heard: bytes) -> None:
    async def scene() -> None:
        async with echo() as place, place.entered() as (reader, writer):
            await reader.readexactly(len(GREETING))
            place.door.set_trap(b"COMMIT", trap)
            writer.write(b"COMMIT")
            assert await is_cut(reader)
            await until(lambda: place.left == 1)
            assert (bytes(place.heard), place.door.trapped) == (heard, 1)

    run(scene())


def test_who_went_silent_stays_so_and_whoever_comes_later_passes(run: Run) -> None:
    async def scene() -> None:
        async with echo() as place, place.entered() as (reader, writer):
            await reader.readexactly(len(GREETING))
            place.door.go_silent()
            async with place.entered() as (also_silent, _):
                place.door.listen_again()
                writer.write(b"unheard")
                assert await nothing_comes(reader)
                assert await nothing_comes(also_silent)
            async with place.entered() as (third, _):
                assert await third.readexactly(len(GREETING)) == GREETING
            assert not place.heard

    run(scene())


def test_nobody_is_told_that_a_silent_client_left(run: Run) -> None:
    async def scene() -> None:
        async with echo() as place:
            async with place.entered() as (reader, _):
                await reader.readexactly(len(GREETING))
                place.door.go_silent()
            async with place.entered() as (other, _):
                assert await nothing_comes(other)
            assert place.left == 0
            place.door.cut()
            await until(lambda: place.left >= 1)

    run(scene())


def test_a_shut_door_refuses_and_leaves_nobody_inside(run: Run) -> None:
    async def scene() -> None:
        async with echo() as place, place.entered() as (inside, _):
            await inside.readexactly(len(GREETING))
            async with place.entered() as (entering, _):
                await place.door.shut()
                assert await is_cut(inside)
                assert await is_cut(entering)
            with pytest.raises(ConnectionRefusedError):
                async with place.entered():
                    pass

    run(scene())


def test_a_door_before_no_server_cuts_whoever_comes(run: Run) -> None:
    async def scene() -> None:
        door = Door(1)
        await door.open()
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        assert await is_cut(reader)
        writer.transport.abort()
        await door.shut()

    run(scene())
