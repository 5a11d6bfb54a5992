"""The template of the route that took a request, as frameworks leave it in the ASGI scope."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

REST = "/{path}"  # what a mounted application made of the rest is not known


def template_of(scope: Mapping[str, Any], root_path: str) -> str | None:
    """Return the template below `root_path`, the scope's before routing; None where nothing matched.

    Starlette and FastAPI leave the innermost route in the scope, and have moved
    `root_path` on by what mounts took. Litestar leaves the template.
    """
    route = scope.get("route")
    own = _by_endpoint(scope) if route is None else _own(route, scope)
    inside = scope.get("root_path") or ""
    if inside == root_path:
        return own
    params = scope.get("path_params") or {}
    return _mounted(inside[len(root_path) :], params, own or "") + (own or REST)


def _own(route: Any, scope: Mapping[str, Any]) -> str | None:
    if hasattr(route, "routes"):
        return REST  # a mount: its path is in `root_path` by now
    included = scope.get("fastapi")
    if included:
        # a router included under a prefix: the route itself does not know the prefix
        context = included.get("effective_route_context")
        if context is not None and context.original_route is route:
            route = context
    return getattr(route, "path_format", None)


def _by_endpoint(scope: Mapping[str, Any]) -> str | None:
    template = scope.get("path_template")
    if template is not None:
        return str(template)
    endpoint = scope.get("endpoint")
    if endpoint is None:
        return None
    for route in getattr(scope.get("app"), "routes", ()):
        if getattr(route, "endpoint", None) is endpoint:
            return getattr(route, "path_format", None)
    return None


def _mounted(path: str, params: Mapping[str, Any], own: str) -> str:
    """Return the mounts' part of a path with parameters by name again."""
    names = [name for name in params if f"{{{name}}}" not in own]
    segments = path.split("/")
    for name in names:
        value = str(params[name])
        if value not in segments:  # converted: better a vague template than one for each value
            return "".join(f"/{{{name}}}" for name in names)
        segments[segments.index(value)] = f"{{{name}}}"
    return "/".join(segments)
