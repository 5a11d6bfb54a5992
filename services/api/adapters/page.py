"""The page as it was built, in memory, read again when it was built again."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from services.api.ports import Asset

INDEX = "index.html"
ENCODINGS = {"br": ".br", "gzip": ".gz"}
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
_HASHED = re.compile(r"/assets/.+-[A-Za-z0-9_-]{8,}\.[a-z0-9]+")


class BuiltPage:
    """What is not in the folder's listing cannot be asked for: no path is ever made of what a client says."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._built_ns = 0
        self._assets: dict[str, Asset] = {}

    def asset(self, path: str) -> Asset | None:
        self._refresh()
        return self._assets.get(path)

    def _refresh(self) -> None:
        try:
            built_ns = (self._folder / INDEX).stat().st_mtime_ns
        except OSError:
            built_ns = 0
        if built_ns != self._built_ns:
            try:
                self._assets = _read(self._folder) if built_ns else {}
            except OSError:
                return  # it is being built this very moment
            self._built_ns = built_ns


def _read(folder: Path) -> dict[str, Asset]:
    files = {f"/{one.relative_to(folder).as_posix()}": one for one in folder.rglob("*") if one.is_file()}
    suffixes = tuple(ENCODINGS.values())
    assets = {path: _asset(path, file) for path, file in files.items() if file.suffix not in suffixes}
    return assets | {"/": assets[f"/{INDEX}"]}


def _asset(path: str, file: Path) -> Asset:
    body = file.read_bytes()
    beside = {name: file.with_name(file.name + suffix) for name, suffix in ENCODINGS.items()}
    return Asset(
        body=body,
        media_type=MEDIA_TYPES.get(file.suffix, "application/octet-stream"),
        tag=hashlib.blake2b(body, digest_size=12).hexdigest(),
        encoded={name: one.read_bytes() for name, one in beside.items() if one.is_file()},
        lasting=_HASHED.fullmatch(path) is not None,
    )
