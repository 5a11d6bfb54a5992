"""Ends come, whatever the tasks make of a cancellation."""

from __future__ import annotations

import asyncio

import pytest

from atalaia.resilience.ending import bounded, ended, heeding_cancellation


async def deaf() -> None:
    """Go on as if nobody had spoken."""
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            continue


async def met_by_its_result() -> asyncio.Task[None]:
    """Return a task whose first cancellation was lost: on 3.11 `wait_for` forgets it beside a result."""
    answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def loop_for_ever() -> None:
        while True:
            try:
                await answer
            except asyncio.CancelledError:
                if not answer.done():
                    raise
            await asyncio.sleep(0.01)

    task = asyncio.create_task(loop_for_ever())
    await asyncio.sleep(0)
    answer.set_result(None)
    return task


async def test_a_task_whose_first_cancellation_was_lost_ends_with_the_next() -> None:
    task = await met_by_its_result()
    assert await ended({task}, within_s=2)
    assert task.cancelled()


async def test_a_task_that_heeds_nothing_holds_nobody_up() -> None:
    task = asyncio.create_task(deaf())
    await asyncio.sleep(0)
    assert not await ended({task}, within_s=0.05)
    assert not task.done()
    task.get_coro().close()


async def test_what_joins_while_others_end_ends_with_them() -> None:
    tasks: set[asyncio.Task[None]] = set()

    async def leaves_another() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            tasks.add(asyncio.create_task(asyncio.sleep(3600)))

    tasks.add(asyncio.create_task(leaves_another()))
    await asyncio.sleep(0)
    assert await ended(tasks, within_s=2)
    assert len(tasks) == 2
    assert all(task.done() for task in tasks)


async def test_bounded_work_that_is_done_in_time_says_so() -> None:
    assert await bounded(asyncio.sleep(0), within_s=2)


async def test_bounded_work_that_takes_too_long_is_cancelled() -> None:
    seen: list[str] = []

    async def slow() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            seen.append("cancelled")

    assert not await bounded(slow(), within_s=0.01)
    assert seen == ["cancelled"]


async def test_bounded_work_that_fails_in_time_raises() -> None:
    async def fails() -> None:
        raise OSError("away")

    with pytest.raises(OSError, match="away"):
        await bounded(fails(), within_s=2)


async def test_whoever_is_cancelled_while_waiting_cancels_the_work() -> None:
    begun, seen = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        begun.set()
        try:
            await asyncio.sleep(3600)
        finally:
            seen.set()

    waiting = asyncio.create_task(bounded(slow(), within_s=3600))
    await begun.wait()
    waiting.cancel()
    async with asyncio.timeout(2):
        await seen.wait()
    assert (await asyncio.gather(waiting, return_exceptions=True))[0].__class__ is asyncio.CancelledError


@pytest.mark.parametrize("refused", [False, True])
async def test_a_cancellation_that_is_forgotten_in_a_block_is_raised_at_its_end(refused: bool) -> None:
    async def forgetful() -> None:
        with heeding_cancellation():
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                if refused:
                    raise ConnectionRefusedError from None

    task = asyncio.create_task(forgetful())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()


async def test_a_cancellation_from_before_a_block_is_not_its_business() -> None:
    async def putting_away() -> str:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            with heeding_cancellation():
                await asyncio.sleep(0)
        return "put away"

    task = asyncio.create_task(putting_away())
    await asyncio.sleep(0)
    task.cancel()
    assert await task == "put away"


async def test_a_block_in_a_timeout_of_its_own_may_end_late() -> None:
    with heeding_cancellation(), pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await asyncio.sleep(3600)
