"""What a worker sees of itself."""

from __future__ import annotations

import gc
import time

import pytest

from services.loadgen.adapters.usage import Usage


def test_a_pause_of_the_garbage_collector_is_seen_once() -> None:
    usage = Usage()
    heard = len(gc.callbacks)
    try:
        gc.collect()
        assert usage.take(time.monotonic_ns()).gc_pause_s > 0
        gc.disable()
        assert usage.take(time.monotonic_ns()).gc_pause_s == 0
    finally:
        gc.enable()
        usage.close()
    assert len(gc.callbacks) == heard - 1


def test_a_busy_process_has_used_its_core() -> None:
    usage = Usage()
    began_s = time.process_time()
    while time.process_time() - began_s < 0.1:
        pass
    used = usage.take(time.monotonic_ns())
    usage.close()
    # others may have had the core meanwhile: then it was waited for
    assert used.cpu_share + used.cpu_wait_share == pytest.approx(1.0, abs=0.2)
    assert used.rss_bytes > 10_000_000
    assert used.retransmits >= 0
