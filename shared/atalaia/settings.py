"""Settings from the environment: typed, checked at the start, errors that name the way out."""

from __future__ import annotations

import difflib
import os
import socket
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from atalaia import urls
from atalaia.errors import Misconfigured

PREFIX = "ATALAIA_"


def server_url(check: Callable[[str], object], *, or_empty: bool = False) -> AfterValidator:
    """Return what a field is annotated with that holds a URL; `check` is one of `atalaia.urls`."""

    def checked(url: str) -> str:
        if url or not or_empty:
            try:
                check(url)
            except ValueError as error:
                raise PydanticCustomError("url", "{why}", {"why": str(error)}) from None
        return url

    return AfterValidator(checked)


class Settings(BaseSettings):
    """What every process reads. A field is `ATALAIA_<FIELD>`, unless `validation_alias` says otherwise."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="ignore", frozen=True, hide_input_in_errors=False
    )

    nats_url: Annotated[str, server_url(urls.brokers)] = Field(
        "nats://127.0.0.1:4222", validation_alias="NATS_URL", description="the broker"
    )
    log_format: str = Field("auto", pattern="^(auto|json|text)$", description="auto, json or text")
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$", description="debug to error")
    instance: str = Field(
        default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}",
        min_length=1,
        description="this process among its service's; a restart under the same name is the same one",
    )
    health_listen: str = Field(
        "",
        pattern=r"^$|^[^:]+:\d{1,5}$|^\[[0-9a-fA-F:]+\]:\d{1,5}$",
        description="address:port that answers /livez and /readyz; empty: none",
    )
    self_metrics_interval_s: float = Field(
        10.0, ge=0.1, le=3600, description="between reports of the service itself"
    )

    @classmethod
    def load(cls, **given: Any) -> Self:
        """Read the environment; what is given, by field, goes before it, unless it is None.

        `ATALAIA_SETTINGS_DIR` names a folder whose files hold what is not in the environment: one named
        `DATABASE_URL` holds that. So passwords stay out of what `docker inspect` and `ps` show.

        Raises:
            Misconfigured: names each wrong variable, its value and what is allowed.
        """
        folder = os.environ.get("ATALAIA_SETTINGS_DIR") or None
        if folder is not None and not Path(folder).is_dir():
            raise Misconfigured(f"ATALAIA_SETTINGS_DIR is {folder!r}: there is no such folder")
        spelt = {_spelt(cls, name): value for name, value in given.items() if value is not None}
        try:
            return cls(_secrets_dir=folder, **spelt)
        except ValidationError as error:
            raise Misconfigured(_explained(cls, error)) from None

    @classmethod
    def variables(cls) -> dict[str, FieldInfo]:
        """Return the environment variables this class reads, with their fields."""
        return {_variable(name, field): field for name, field in cls.model_fields.items()}


def unknown_variables(environment: Mapping[str, str], known: Iterable[str]) -> list[tuple[str, str | None]]:
    """Return each unknown `ATALAIA_…` variable with the nearest known name, if any is near."""
    names = sorted(set(known))
    strangers = sorted(name for name in environment if name.startswith(PREFIX) and name not in names)
    return [(name, next(iter(difflib.get_close_matches(name, names, n=1)), None)) for name in strangers]


def data_dir_of(environment: Mapping[str, str]) -> Path:
    """Return the folder that holds the local servers' data."""
    return Path(environment.get("ATALAIA_DATA_DIR") or ".data").absolute()


def _variable(name: str, field: FieldInfo) -> str:
    alias = field.validation_alias
    return alias if isinstance(alias, str) else PREFIX + name.upper()


def _spelt(cls: type[Settings], name: str) -> str:
    """Return the name under which pydantic takes a field's value."""
    alias = cls.model_fields[name].validation_alias
    return alias if isinstance(alias, str) else name


def _explained(cls: type[Settings], error: ValidationError) -> str:
    by_location = {_variable(name, field): (name, field) for name, field in cls.model_fields.items()}
    by_location |= {name: (name, field) for name, field in cls.model_fields.items()}
    lines = []
    for problem in error.errors():
        location = str(problem["loc"][0]) if problem["loc"] else ""
        if location not in by_location:
            lines.append(str(problem["msg"]))
            continue
        name, field = by_location[location]
        meaning = f" ({field.description})" if field.description else ""
        given = problem["input"]
        shown = urls.without_password(given) if isinstance(given, str) else given
        lines.append(f"{_variable(name, field)} is {shown!r}: {problem['msg']}{meaning}")
    return "\n".join(lines)
