"""Another process with the same cached function, told what to do line by line."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Self

from redis.asyncio import Redis

from atalaia.cache import Cache
from tests.system.platform import ROOT

CHANNEL = "atalaia:~invalidated"


class Worker:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    @asynccontextmanager
    async def started(cls, url: str, truth: Path, **settings: str) -> AsyncIterator[Self]:
        environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'shared'}{os.pathsep}{ROOT}", "REDIS_URL": url}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.system.cache.worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**environment, "TRUTH": str(truth), **settings},
        )
        worker = cls(process)
        try:
            assert await worker.ask("hello") == "hello"
            yield worker
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def ask(self, *words: str) -> Any:
        """Return the answer to a command."""
        self.say(*words)
        return await self.answer()

    def say(self, *words: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{' '.join(words)}\n".encode())

    async def answer(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(await asyncio.wait_for(self._process.stdout.readline(), 20))

    def kill(self) -> None:
        self._process.kill()


class Work:
    """`get` reads the file `TRUTH`; a load takes `LOAD_S`, and for ever after `hang`."""

    def __init__(self) -> None:
        self.truth = Path(os.environ["TRUTH"])
        self.ran = 0
        self.hangs = False
        self.cache = Cache(
            os.environ["REDIS_URL"],
            within_s=float(os.environ.get("WITHIN_S", "1")),
            local_s=float(os.environ.get("LOCAL_S", "2")),
        )
        flight_s = float(os.environ.get("FLIGHT_S", "5"))

        @self.cache.cached(ttl_s=60, namespace="truth", flight_s=flight_s)
        async def get(key: str) -> str:
            self.ran += 1
            value = self.truth.read_text()
            if self.hangs:
                print('"hanging"', flush=True)
            await asyncio.sleep(3600 if self.hangs else float(os.environ.get("LOAD_S", "0.05")))
            return value

        self.get = get

    async def do(self, command: str, *words: str) -> Any:
        if command == "get":
            values = await asyncio.gather(*(self.get(words[0]) for _ in range(int(words[1]))))
            return {"values": sorted(set(values)), "ran": self.ran}
        if command == "change":
            self.truth.write_text(words[0])
            return await self.cache.invalidate(words[1])
        if command == "listens":
            await listening(os.environ["REDIS_URL"])
        if command == "hang":
            self.hangs = True
        return command


async def listening(url: str, count: int = 1) -> None:
    """Wait until as many caches hear of invalidations."""
    async with Redis.from_url(url) as redis, asyncio.timeout(10):
        while (await redis.pubsub_numsub(CHANNEL))[0][1] < count:
            await asyncio.sleep(0.01)


async def main() -> None:
    work = Work()
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(await work.do(*line.split())), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
