"""The live stream while something is away: the gateway itself, Postgres, NATS."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psutil
import pytest

from tests.system.listening import Listener
from tests.system.platform import Platform, Source, await_that
from tests.system.test_stream import calm, fire, listening, received, says

AT_ONCE = """
rules:
  - {name: high-cpu, for: 0s}
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("stream")
    rules = folder / "rules.yaml"
    rules.write_text(AT_ONCE)
    platform = Platform(folder / "data", ATALAIA_ALERTING_RULES=str(rules))
    platform.start()
    yield platform
    assert platform.stop() == 0


@contextlib.contextmanager
def frozen(platform: Platform, name: str) -> Iterator[None]:
    processes = [one for one in psutil.Process(platform.pid).children(recursive=True) if one.name() == name]
    assert processes
    for one in processes:
        one.suspend()
    try:
        yield
    finally:
        for one in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.resume()


def await_the_gateway(platform: Platform, path: str = "//readyz") -> None:
    def answers() -> bool:
        with contextlib.suppress(OSError):
            return platform.get(path)[0] == 200
        return False

    await_that(answers, within_s=30, what="the gateway")


async def test_after_a_restart_a_reader_goes_on_where_it_was(own: Platform) -> None:
    source = Source("stream-restart", series="a.gauge")
    query = f"topics=alerts,points&metric=a.gauge&source={source.name}"
    passing = Source("stream-passing")
    async with own.nats() as client:
        async with listening(own, query) as listener:
            for body in source.bodies(1.0, 2.0):
                await client.publish(source.subject, body)
            before = await received(listener, 2)
            own.child("services.api").kill()
            with pytest.raises((EOFError, OSError)):
                await listener.until(lambda event: False)
            last_id = listener.last_id
        for body in source.bodies(3.0, 4.0):
            await client.publish(source.subject, body)
        await fire(client, passing, values=1)
        await calm(client, passing)
        await_the_gateway(own)
        async with listening(own, query, last_id=last_id) as listener:
            came = await listener.until(says("alerts", passing.name, "resolved"))
            after = await received(listener, 1)
            await client.publish(source.subject, source.body(5.0))
            after += await received(listener, 1)
    assert came[0].data["snapshot"]
    assert [value for _, value in before + after] == [1.0, 2.0, 3.0, 4.0, 5.0]


async def test_a_gateway_that_is_told_to_stop_ends_its_streams_at_once(own: Platform) -> None:
    async with listening(own, "topics=health") as listener:
        await listener.next()
        own.child("services.api").terminate()
        await listener.ended(within_s=2.0)  # it would drain for three
    await_the_gateway(own)


async def test_without_postgres_the_stream_opens_and_says_so(own: Platform) -> None:
    with frozen(own, "postgres"):
        own.child("services.api").kill()
        await_the_gateway(own, "//livez")
        listener = await Listener.open(own.http_port, "topics=health,alerts")
        alerts = await listener.next("alerts")
        await listener.until(
            lambda event: (
                event.topic == "health" and event.data["dependencies"]["postgres"]["status"] == "down"
            )
        )
    assert alerts.data["snapshot"] and not alerts.data["complete"] and alerts.data["detail"]
    await listener.until(lambda event: event.topic == "alerts" and event.data["complete"], within_s=30)
    await listener.close()


async def test_without_nats_the_stream_goes_on_and_catches_up(own: Platform) -> None:
    source = Source("stream-no-nats", series="a.gauge")
    query = f"topics=health,points&metric=a.gauge&source={source.name}"
    async with listening(own, query) as listener, own.nats() as client:
        await client.publish(source.subject, source.body(1.0))
        before = await received(listener, 1)
        with frozen(own, "nats-server"):
            await listener.until(
                lambda event: (
                    event.topic == "health" and event.data["dependencies"]["nats"]["status"] == "down"
                )
            )
            async with listening(own, "topics=health") as other:
                assert (await other.next()).data["dependencies"]["nats"]["status"] == "down"
        await client.publish(source.subject, source.body(2.0))
        after = await received(listener, 1)
    assert [value for _, value in before + after] == [1.0, 2.0]
