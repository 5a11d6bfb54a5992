"""The page's files, answered before FastAPI: by their exact names, so that nothing else is hidden by them."""

from __future__ import annotations

import re
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from services.api.ports import Asset, Page

LASTING = "public, max-age=31536000, immutable"
ASK_ALWAYS = "no-cache"
# scripts, styles and answers of our own alone; styles that scripts set need no permission
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
SECURITY: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
NOT_BUILT = """Atalaia runs, but its page is not built.

    make setup        builds it; so does make up
    ATALAIA_API_PAGE_DIR   says where it is, if it is somewhere else

Everything else is here: the API at /api/v1/monitoring, its documentation at /docs.
"""
OURS = ("/api/", "/docs", "/metrics", "/livez", "/readyz", "/openapi.json", "/asyncapi.json")
READS = frozenset({"GET", "HEAD"})
_QUALITY = re.compile(r"q=([01](?:\.[0-9]{0,3})?)")


class PageFiles:
    """ASGI middleware. `scope["route"]` is set as FastAPI sets it: all assets count as one route."""

    def __init__(self, app: ASGIApp, page: Page) -> None:
        self._app = app
        self._page = page
        self._beginning, self._asset = Route("/", self._found), Route("/{asset}", self._found)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] in READS and not scope["path"].startswith(OURS):
            response = self._answer(scope["path"], Headers(scope=scope))
            if response is not None:
                scope["route"] = self._beginning if scope["path"] == "/" else self._asset
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _answer(self, path: str, headers: Headers) -> Response | None:
        asset = self._page.asset(path)
        if asset is not None:
            return self._found(asset, headers)
        if path == "/":
            return PlainTextResponse(NOT_BUILT, 404, {"cache-control": "no-store", **SECURITY})
        return None

    def _found(self, asset: Asset, headers: Headers) -> Response:
        encoding = _best(headers.get("accept-encoding", ""), asset)
        tag = f'"{asset.tag}{f"-{encoding}" if encoding else ""}"'
        said = {
            "etag": tag,
            "cache-control": LASTING if asset.lasting else ASK_ALWAYS,
            "vary": "accept-encoding",
            **SECURITY,
        }
        if _known(headers.get("if-none-match", ""), tag):
            return Response(status_code=304, headers=said)
        if encoding:
            said["content-encoding"] = encoding
        return Response(
            asset.encoded[encoding] if encoding else asset.body, headers=said, media_type=asset.media_type
        )


def _best(accepted: str, asset: Asset) -> str:
    """Return the smallest encoding that there is and that a client takes; "": none."""
    takes = {name for name, quality in map(_weighed, accepted.split(",")) if quality > 0}
    refused = {name for name, quality in map(_weighed, accepted.split(",")) if quality == 0}
    choices = [name for name in asset.encoded if name in takes or ("*" in takes and name not in refused)]
    return min(choices, key=lambda name: len(asset.encoded[name]), default="")


def _weighed(said: str) -> tuple[str, float]:
    name, _, parameters = said.strip().lower().partition(";")
    quality = _QUALITY.search(parameters)
    return name.strip(), float(quality[1]) if quality else 1.0


def _known(said: str, tag: str) -> bool:
    return said.strip() == "*" or tag in [one.strip().removeprefix("W/") for one in said.split(",")]
