"""The built page, as browsers ask for it; a folder of files stands for the build."""

from __future__ import annotations

import gzip
import http.client
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.platform import Platform

SCRIPT = "/assets/index-BV-iTE11.js"
JAVASCRIPT = b"export const one = 1;\n" * 50


def build(folder: Path, index: str = "<!doctype html><title>Atalaia</title>") -> None:
    (folder / "assets").mkdir(parents=True, exist_ok=True)
    script = folder / SCRIPT.lstrip("/")
    script.write_bytes(JAVASCRIPT)
    script.with_name(script.name + ".gz").write_bytes(gzip.compress(JAVASCRIPT))
    script.with_name(script.name + ".br").write_bytes(b"brotli")
    (folder / "icon.svg").write_text("<svg/>")
    (folder / "metrics").write_text("not Prometheus's")
    (folder.parent / "secret.txt").write_text("secret")
    (folder / "index.html").write_text(index)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("page") / "dist"


@pytest.fixture(scope="module")
def own(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    build(folder)
    platform = Platform(tmp_path_factory.mktemp("with-page"), ATALAIA_API_PAGE_DIR=str(folder))
    platform.start()
    yield platform
    assert platform.stop() == 0


def ask(
    platform: Platform, path: str, method: str = "GET", **headers: str
) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", platform.http_port, timeout=10)
    try:
        connection.request(
            method, path, headers={name.replace("_", "-"): one for name, one in headers.items()}
        )
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def test_the_beginning_is_asked_for_each_time_and_sent_once(own: Platform) -> None:
    status, headers, body = ask(own, "/")
    assert (status, body[:15]) == (200, b"<!doctype html>")
    assert headers["cache-control"] == "no-cache"
    status, again, body = ask(own, "/", if_none_match=f'"other", W/{headers["etag"]}')
    assert (status, body, again["etag"]) == (304, b"", headers["etag"])


def test_what_is_named_after_its_content_is_kept_for_ever(own: Platform) -> None:
    assert "immutable" in ask(own, SCRIPT)[1]["cache-control"]
    assert ask(own, "/icon.svg")[1]["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br", "br"),
        ("gzip", "gzip"),
        ("br;q=0, gzip;q=0.5", "gzip"),
        ("identity", None),
        ("", None),
    ],
)
def test_a_client_gets_the_smallest_form_that_it_takes(
    own: Platform, accepted: str, encoding: str | None
) -> None:
    _, headers, body = ask(own, SCRIPT, accept_encoding=accepted)
    assert (headers["content-encoding"], headers["vary"]) == (encoding, "accept-encoding")
    assert {"br": body, "gzip": body[:2], None: body}[encoding] == {
        "br": b"brotli",
        "gzip": b"\x1f\x8b",
        None: JAVASCRIPT,
    }[encoding]


def test_a_head_request_gets_no_body(own: Platform) -> None:
    status, headers, body = ask(own, SCRIPT, "HEAD")
    assert (status, headers["content-length"], body) == (200, str(len(JAVASCRIPT)), b"")


def test_nothing_but_its_own_scripts_may_run(own: Platform) -> None:
    for path in ("/", SCRIPT):
        _, headers, _ = ask(own, path)
        assert "default-src 'none'; script-src 'self';" in headers["content-security-policy"]
        assert (headers["x-content-type-options"], headers["x-frame-options"]) == ("nosniff", "DENY")


def test_the_page_hides_nothing_of_the_gateway(own: Platform) -> None:
    assert ask(own, "/metrics")[1]["content-type"].startswith("application/openmetrics-text")
    for path in (
        "/livez",
        "/readyz",
        "/openapi.json",
        "/asyncapi.json",
        "/docs",
        "/api/v1/monitoring/health",
    ):
        assert ask(own, path)[0] == 200, path
    assert ask(own, "/nothing/here")[1]["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "path",
    ["/../secret.txt", "/%2e%2e/secret.txt", "/assets/..%2f..%2fsecret.txt", f"{SCRIPT}.gz", "//secret.txt"],
)
def test_nothing_but_the_page_is_served(own: Platform, path: str) -> None:
    assert ask(own, path)[0] == 404


def test_a_foreign_host_gets_no_page(own: Platform) -> None:
    assert ask(own, "/", host="evil.example")[0] == 403


def test_a_page_that_is_built_again_is_served_anew(own: Platform, folder: Path) -> None:
    before = ask(own, "/")[1]["etag"]
    build(folder, "<!doctype html><title>Another</title>")
    assert ask(own, "/")[1]["etag"] != before


def test_without_a_page_the_gateway_says_how_to_build_one(own: Platform, folder: Path) -> None:
    shutil.rmtree(folder)
    status, headers, body = ask(own, "/")
    build(folder)
    assert (status, headers["content-type"]) == (404, "text/plain; charset=utf-8")
    assert b"make setup" in body
    assert ask(own, "/")[0] == 200
