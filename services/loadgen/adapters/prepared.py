"""Requests as bytes, and the places they go to."""

from __future__ import annotations

import asyncio
import itertools
import random
import socket
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urljoin, urlsplit

from atalaia import __version__
from atalaia.errors import Invalid, Misconfigured
from services.loadgen.domain.hosts import refuse_foreign
from services.loadgen.domain.plan import Plan, Request

MIX = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """Where connections go: an address, resolved once, and TLS. There is one of each: itself is its key."""

    host: str
    port: int
    address: str
    tls: ssl.SSLContext | None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request ready to be written."""

    origin: Origin
    data: bytes
    url: str
    head_only: bool
    source: Request


class Preparation:
    """Turns requests into bytes. Resolves each name once; keeps to the hosts that the plan allows."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._origins: dict[tuple[str, str, int], Origin] = {}
        self._contexts: dict[bool, ssl.SSLContext] = {}

    async def of(self, request: Request) -> Prepared:
        """Prepare a request.

        Raises:
            Invalid: the URL is none, or its host is not allowed.
            Misconfigured: its host has no address.
        """
        parts = split(request.url)
        origin = await self._origin(parts)
        return Prepared(
            origin,
            request_bytes(request, parts, keep_alive=self._plan.keep_alive, run_id=self._plan.run_id),
            request.url,
            request.method == "HEAD",
            request,
        )

    async def redirected(self, prepared: Prepared, status: int, location: str) -> Prepared:
        """Prepare what a redirect leads to; 303, and 301 and 302 after a POST, become a GET."""
        source = prepared.source
        url = urljoin(prepared.url, location)
        becomes_get = status == 303 or (status in (301, 302) and source.method == "POST")
        method, body = (
            ("GET", "") if becomes_get and source.method != "HEAD" else (source.method, source.body)
        )
        return await self.of(Request(url, method, source.headers, body))

    async def _origin(self, parts: SplitResult) -> Origin:
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        key = (parts.scheme, host, port)
        if key not in self._origins:
            refuse_foreign(host, self._plan.allowed_hosts)
            tls = self._context() if parts.scheme == "https" else None
            self._origins[key] = Origin(host, port, await _resolve(host, port), tls)
        return self._origins[key]

    def _context(self) -> ssl.SSLContext:
        verify = self._plan.verify_tls
        if verify not in self._contexts:
            context = ssl.create_default_context()
            if not verify:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            self._contexts[verify] = context
        return self._contexts[verify]


def split(url: str) -> SplitResult:
    """Return the parts of an http or https URL.

    Raises:
        Invalid: it is none.
    """
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
    except ValueError as error:
        raise Invalid(f"{url!r}: {error}", field="url") from error
    if not known or any(ord(character) <= 32 for character in url):
        raise Invalid(f"{url!r} is no http:// or https:// URL", field="url")
    return parts


def request_bytes(request: Request, parts: SplitResult, *, keep_alive: bool, run_id: str) -> bytes:
    """Return the request as it is written. What the caller gave wins over what we would add."""
    path = parts.path or "/"
    if parts.query:
        path += f"?{parts.query}"
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    body = request.body.encode()
    headers = {
        "Host": f"{host}:{parts.port}" if parts.port else f"{host}",
        "User-Agent": f"atalaia-loadgen/{__version__} (run {run_id})",
        "Accept": "*/*",
    }
    if body or request.method in ("POST", "PUT", "PATCH"):
        headers["Content-Length"] = str(len(body))
    if not keep_alive:
        headers["Connection"] = "close"
    given = {name.lower() for name, _ in request.headers}
    lines = [f"{name}: {value}" for name, value in headers.items() if name.lower() not in given]
    lines += [f"{name}: {value}" for name, value in request.headers]
    if any("\r" in line or "\n" in line for line in (request.method, *lines)):
        raise Invalid("a header must not hold a line break", field="headers")
    head = "\r\n".join([f"{request.method} {path} HTTP/1.1", *lines, "", ""])
    return head.encode("utf-8") + body


def mix(prepared: Sequence[Prepared], seed: int) -> Iterator[Prepared]:
    """Yield requests for ever, each as often as its weight says."""
    if len(prepared) <= 1:
        return itertools.cycle(prepared)
    weights = [one.source.weight for one in prepared]
    return itertools.cycle(random.Random(seed).choices(prepared, weights, k=MIX))


async def _resolve(host: str, port: int) -> str:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Misconfigured(f"--url: {host!r} has no address: {error.strerror}") from error
    # IPv4 first: what listens on "localhost" most often listens there alone
    found.sort(key=lambda one: one[0] != socket.AF_INET)
    return str(found[0][4][0])
