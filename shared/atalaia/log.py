"""Structured logs: one event a line, JSON or readable text, on standard error.

Loggers are the standard library's, below `atalaia`. In an application of somebody else's,
which never calls `configure`, events reach its own handlers, as `event key=value …`.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

_BEFORE: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]


def configure(*, service: str, instance: str, level: str, format: str) -> None:
    """Set up logging for this process. `format` is "json", "text" or "auto" (text on a terminal)."""
    as_text = format == "text" or (format == "auto" and sys.stderr.isatty())
    renderer: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
        if as_text
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_BEFORE,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("atalaia").setLevel(level.upper())
    # a traceback for each try while Postgres is away; whoever asks for a connection is told anyway
    logging.getLogger("asyncpg.pool").setLevel(logging.ERROR)
    structlog.contextvars.bind_contextvars(service=service, instance=instance)


def get(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of one part; call it with an event name and fields."""
    logger: structlog.stdlib.BoundLogger = structlog.wrap_logger(
        logging.getLogger(f"atalaia.{name}"),
        processors=[structlog.stdlib.filter_by_level, *_BEFORE, _readable, _FOR_FORMATTER],
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return logger


_FOR_FORMATTER = structlog.stdlib.ProcessorFormatter.wrap_for_formatter


class _Event(dict[str, Any]):
    """What a formatter that knows nothing of structlog writes as one readable line."""

    def __str__(self) -> str:
        fields = (
            f"{key}={value}" for key, value in self.items() if key not in ("event", "level", "timestamp")
        )
        return " ".join((str(self.get("event")), *fields))


def _readable(logger: Any, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return _Event(event)
