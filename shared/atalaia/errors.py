"""Errors, grouped by what the caller can do about them."""

from __future__ import annotations


class AtalaiaError(Exception):
    """Base of every error that Atalaia raises on purpose."""


class Transient(AtalaiaError):
    """Try again later: a dependency is slow, full or away."""


class Refused(Transient):
    """Not before `retry_in_s` seconds: a circuit is open or a rate is used up."""

    def __init__(self, message: str, *, retry_in_s: float) -> None:
        super().__init__(message)
        self.retry_in_s = retry_in_s


class Invalid(AtalaiaError):
    """Trying again cannot help: same input, same failure. `field` names the culprit ("": the whole)."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class NotFound(Invalid):
    """There is no such thing."""


class Conflict(Invalid):
    """The thing is in a state that does not allow this."""


class Forbidden(Invalid):
    """Not allowed to whoever asks."""


class Misconfigured(AtalaiaError):
    """Do not start: says which setting, what it was, what it may be."""
