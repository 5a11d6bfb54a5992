"""What is turned away before anything reads it: foreign hosts and origins, and bodies without end."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.handlers.problems import problem

EXEMPT = frozenset({"/livez", "/readyz", "/metrics"})
READS = frozenset({"GET", "HEAD", "OPTIONS"})
MOST_BODY_BYTES = 64 * 1024


class Guard:
    """ASGI middleware. A page of another site must neither read (DNS rebinding) nor write.

    Nor may it open what stays open: `lasting` are the paths of reads that count as writes do.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str], lasting: frozenset[str] = frozenset()) -> None:
        self._app = app
        self._hosts = hosts
        self._lasting = lasting

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in EXEMPT:
            await self._app(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get(b"host", "")
        if host and not self._known(host):
            detail = f"unknown host {host!r}; name it in ATALAIA_ALLOWED_HOSTS if it is yours"
            await problem(403, detail)(scope, receive, send)
            return
        if scope["method"] in READS and scope["path"] not in self._lasting:
            await self._app(scope, receive, send)
            return
        origin = headers.get(b"origin")
        if origin is not None and not self._own(origin, host):
            detail = f"a page of {origin!r} may not do this here; name its host in ATALAIA_ALLOWED_HOSTS"
            await problem(403, detail)(scope, receive, send)
            return
        length = headers.get(b"content-length", "0")
        if not length.isdigit() or int(length) > MOST_BODY_BYTES:
            await _too_large()(scope, receive, send)
            return
        await self._limited(scope, receive, send)

    def _known(self, host: str) -> bool:
        name = _name_of(host)
        return name in self._hosts or _is_ip(name)

    def _own(self, origin: str, host: str) -> bool:
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        return bool(parts.netloc) and (parts.netloc == host or (parts.hostname or "") in self._extra(host))

    def _extra(self, host: str) -> frozenset[str]:
        return self._hosts - {"localhost", _name_of(host)}

    async def _limited(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hold the body up to the limit, then hand it on: chunked bodies do not say how long they are."""
        body = b""
        more = True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > MOST_BODY_BYTES:
                await _too_large()(scope, receive, send)
                return
        given = False

        async def again() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, again, send)


def _too_large() -> ASGIApp:
    return problem(413, f"a body has at most {MOST_BODY_BYTES} bytes here")


def _name_of(host: str) -> str:
    """Return the name or address in a `Host` header, without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def _is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
