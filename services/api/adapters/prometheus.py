"""Prometheus, asked for ranges. It is optional: who asks gets along without an answer."""

from __future__ import annotations

import asyncio
import http.client
import time
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor

from atalaia.errors import Invalid, Transient
from atalaia.resilience.circuit import breaker
from services.api.domain.ranges import Line, Range, read_matrix

WITHIN_S = 3.0
MOST_AT_ONCE = 4
MOST_BYTES = 32 * 2**20
AT_ONCE_BYTES = 2**16


class PrometheusRanges:
    """Away or slow twice in a row, it is left alone for a while: who asks waits no more."""

    def __init__(self, address: str) -> None:
        self._url = f"{address.rstrip('/')}/api/v1/query_range"
        # of its own: names are looked up in the loop's threads, and must not wait behind it
        self._threads = ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="prometheus")
        self.circuit = breaker("prometheus", failures=2, first_s=1.0, most_s=15.0)

    async def lines(self, query: str, asked: Range) -> list[Line]:
        form = {
            "query": query,
            "start": f"{asked.start_s:.3f}",
            "end": f"{asked.end_s:.3f}",
            "step": str(asked.step_s),
            "timeout": f"{WITHIN_S:g}s",
        }
        async with self.circuit:
            try:
                async with asyncio.timeout(WITHIN_S):
                    body = urllib.parse.urlencode(form).encode()
                    return await asyncio.get_running_loop().run_in_executor(self._threads, self._ask, body)
            except TimeoutError as error:
                raise Transient(f"no answer within {WITHIN_S:g} s") from error

    def _ask(self, form: bytes) -> list[Line]:
        try:
            try:
                request = urllib.request.Request(self._url, form)
                with urllib.request.urlopen(request, timeout=WITHIN_S) as answer:
                    return read_matrix(_whole(answer))
            except urllib.error.HTTPError as refusal:
                with refusal:
                    said = f"answers {refusal.code}: {refusal.read1(500).decode(errors='replace')}"
                raise (Invalid if refusal.code in (400, 422) else Transient)(said) from refusal
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise Transient(f"{type(error).__name__}: {error}") from error


def _whole(answer: http.client.HTTPResponse) -> bytes:
    """Return the body, however slowly it comes, unless that is too slow or too much."""
    until_s = time.monotonic() + WITHIN_S
    body = bytearray()
    while more := answer.read1(AT_ONCE_BYTES):
        body += more
        if len(body) > MOST_BYTES:
            raise Invalid(f"over {MOST_BYTES} bytes")
        if time.monotonic() > until_s:
            raise Transient(f"no whole answer within {WITHIN_S:g} s")
    if answer.length:  # announced, and not there
        raise http.client.IncompleteRead(bytes(body), answer.length)
    return bytes(body)
