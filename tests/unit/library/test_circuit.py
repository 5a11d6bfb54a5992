"""The shell around the breaker. Its waits are a tenth of a millisecond: nothing here is timed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from atalaia.errors import Invalid, Refused, Transient
from atalaia.resilience.breaker import State
from atalaia.resilience.circuit import Circuit, breaker


def brief(**how: int) -> Circuit:
    return breaker("shop", failures=how.get("failures", 2), first_s=0.0001, most_s=0.0001)


def long() -> Circuit:
    return breaker("shop", failures=2, first_s=3600, most_s=3600)


async def fails(error: BaseException) -> None:
    raise error


async def after_failures(
    circuit: Circuit, count: int = 2, error: Callable[[], Exception] = Transient
) -> None:
    for _ in range(count):
        with pytest.raises(type(error())):
            await circuit(fails)(error())


async def until_a_probe(call: Callable[[], Awaitable[object]]) -> object:
    async with asyncio.timeout(5):
        while True:
            try:
                return await call()
            except Refused:
                await asyncio.sleep(0.001)


async def test_it_refuses_without_calling() -> None:
    circuit, called = long(), []

    @circuit
    async def call() -> None:
        called.append(1)

    await after_failures(circuit)
    with pytest.raises(Refused, match="shop: circuit open") as refusal:
        await call()
    assert refusal.value.retry_in_s > 60
    assert not called


@pytest.mark.parametrize("error", [Transient, OSError, TimeoutError])
async def test_a_dependency_that_is_away_or_slow_opens_it(error: type[Exception]) -> None:
    circuit = long()
    await after_failures(circuit, error=error)
    assert circuit.state is State.OPEN


async def test_an_answer_that_one_does_not_like_is_an_answer() -> None:
    circuit = long()
    await after_failures(circuit, 10, error=lambda: Invalid("no"))
    assert circuit.state is State.CLOSED


async def test_which_errors_count_can_be_said() -> None:
    circuit = breaker("shop", failures=2, counted=(LookupError,))
    await after_failures(circuit, error=KeyError)
    assert circuit.state is State.OPEN


async def test_of_a_crowd_one_probes() -> None:
    circuit, let_in, go = brief(), [], asyncio.Event()

    @circuit
    async def call() -> None:
        let_in.append(1)
        await go.wait()

    await after_failures(circuit)
    probe = asyncio.create_task(until_a_probe(call))
    async with asyncio.timeout(5):
        while circuit.state is not State.HALF_OPEN:
            await asyncio.sleep(0.001)
    crowd = await asyncio.gather(*(call() for _ in range(50)), return_exceptions=True)
    assert all(isinstance(one, Refused) for one in crowd)
    go.set()
    await probe
    assert (let_in, circuit.state) == ([1], State.CLOSED)


async def test_a_cancelled_probe_makes_room_for_another() -> None:
    circuit = brief()
    await after_failures(circuit)
    probe = asyncio.create_task(until_a_probe(lambda: circuit(asyncio.sleep)(3600)))
    async with asyncio.timeout(5):
        while circuit.state is not State.HALF_OPEN:
            await asyncio.sleep(0.001)
    probe.cancel()
    await asyncio.wait({probe})
    await until_a_probe(lambda: circuit(asyncio.sleep)(0))
    assert circuit.gauges() == {'circuit.open{circuit.name="shop"}': 0.0}


async def test_it_surrounds_calls_too() -> None:
    circuit = long()
    for _ in range(2):
        with pytest.raises(Transient):
            async with circuit:
                raise Transient("away")
    with pytest.raises(Refused):
        async with circuit:
            pytest.fail("let in")


async def test_it_counts() -> None:
    circuit = long()
    await circuit(asyncio.sleep)(0)
    await after_failures(circuit)
    with pytest.raises(Refused):
        await circuit(asyncio.sleep)(0)
    assert circuit.counters() == {
        'circuit.calls{circuit.name="shop",circuit.outcome="failed"}': 2,
        'circuit.calls{circuit.name="shop",circuit.outcome="refused"}': 1,
        'circuit.calls{circuit.name="shop",circuit.outcome="succeeded"}': 1,
        'circuit.openings{circuit.name="shop"}': 1,
    }
    assert circuit.gauges() == {'circuit.open{circuit.name="shop"}': 1.0}
