"""What an error means over HTTP: the one table, and RFC 9457 bodies for all of it."""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from atalaia import log as _log
from atalaia.errors import AtalaiaError, Conflict, Forbidden, Invalid, NotFound, Refused, Transient
from services.api.handlers.models import FieldError, Problem

_log_ = _log.get("http")
MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 2.0
# the first group that fits
STATUS: tuple[tuple[type[AtalaiaError], int], ...] = (
    (Refused, 503),
    (Transient, 503),
    (NotFound, 404),
    (Conflict, 409),
    (Forbidden, 403),
    (Invalid, 422),
)
_TITLES = {
    403: "Forbidden",
    404: "Not found",
    409: "Conflict",
    413: "Body too large",
    422: "Not valid",
    500: "A bug of ours",
    503: "Try again later",
}


def problem(
    status: int,
    detail: str,
    *,
    errors: list[FieldError] | None = None,
    retry_after_s: float | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    """Return a problem+json response."""
    title = _TITLES.get(status) or HTTPStatus(status).phrase
    body = Problem(title=title, status=status, detail=detail, errors=errors)
    said = dict(headers or {})
    if retry_after_s is not None:
        said["retry-after"] = str(max(1, math.ceil(retry_after_s)))
    return Response(body.model_dump_json(exclude_none=True), status, said, MEDIA_TYPE)


def described(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI says of these problems."""
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {status: {"description": _TITLES[status], "content": {MEDIA_TYPE: schema}} for status in statuses}


def install(app: FastAPI) -> None:
    """Answer every error of the application with a problem."""

    async def ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, AtalaiaError)
        return of(error)

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        errors = [_field_error(one) for one in error.errors()]
        detail = "; ".join(f"{one.field}: {one.message}" for one in errors)
        return problem(422, detail, errors=errors)

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 400:  # the body's bytes are no text
            return problem(422, str(error.detail), errors=[FieldError(field="body", message="is not UTF-8")])
        headers = dict(error.headers) if error.headers else None
        detail = f"there is nothing at {request.url.path}; see /docs" if error.status_code == 404 else ""
        if error.status_code == 405:
            detail = f"{request.method} is not for {request.url.path}; see /docs"
        return problem(error.status_code, detail or str(error.detail), headers=headers)

    async def bug(request: Request, error: Exception) -> Response:
        _log_.error("request_failed", path=request.url.path, exc_info=error)
        return problem(500, "this is a bug; the log has more")

    app.add_exception_handler(AtalaiaError, ours)
    app.add_exception_handler(RequestValidationError, refused)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, bug)


def of(error: AtalaiaError) -> Response:
    """Return the response for one of our errors."""
    status = next((code for group, code in STATUS if isinstance(error, group)), 500)
    if isinstance(error, Transient):
        wait_s = error.retry_in_s if isinstance(error, Refused) else RETRY_AFTER_S
        return problem(status, str(error), retry_after_s=wait_s)
    field = error.field if isinstance(error, Invalid) else ""
    errors = [FieldError(field=field, message=str(error))] if field else None
    return problem(status, str(error), errors=errors)


def _field_error(error: dict[str, Any]) -> FieldError:
    place = [str(part) for part in error["loc"]]
    named = place[1:] if len(place) > 1 and place[0] in ("query", "path", "header", "body") else place
    return FieldError(field=".".join(named), message=str(error["msg"]))
