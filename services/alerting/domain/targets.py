"""Where a channel sends to, from a URL; and what may be shown of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

from atalaia.errors import Invalid

Tls = Literal["offered", "required", "implicit"]
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """`secret` signs; empty: unsigned."""

    url: str = field(repr=False)
    secret: str = field(default="", repr=False)

    kind = "webhook"

    @property
    def shown(self) -> str:
        return f"webhook+{_host_of(self.url)}"


@dataclass(frozen=True, slots=True)
class SlackTarget:
    """An incoming webhook of Slack's, or of what speaks its language."""

    url: str = field(repr=False)

    kind = "slack"

    @property
    def shown(self) -> str:
        return f"slack+{_host_of(self.url)}"


@dataclass(frozen=True, slots=True)
class MailTarget:
    """`tls`: STARTTLS where it is offered, STARTTLS or nothing, or TLS from the first byte."""

    host: str
    port: int
    sender: str
    to: tuple[str, ...]
    tls: Tls
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    kind = "email"

    @property
    def shown(self) -> str:
        scheme = "mailto" if self.tls == "offered" else "mailtos"
        return f"{scheme}://{self.host}:{self.port} to {', '.join(self.to)}"


@dataclass(frozen=True, slots=True)
class AppriseTarget:
    url: str = field(repr=False)

    kind = "apprise"

    @property
    def shown(self) -> str:
        return f"{self.url.partition('://')[0]}://…"  # what follows is a token, in most of them


Target = WebhookTarget | SlackTarget | MailTarget | AppriseTarget


def split_urls(text: str) -> list[str]:
    """Return the URLs of a comma-separated list; a comma inside of one is no end."""
    return [one.strip() for one in re.split(r",(?=\s*[A-Za-z][A-Za-z0-9+.-]*://)", text) if one.strip(" ,")]


def parse_target(url: str, *, secret: str = "", password: str = "") -> Target:
    """Return what a URL points to.

    Raises:
        Invalid: says what is wrong without saying what was there, for it may be a secret.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or not _SCHEME.fullmatch(scheme) or not rest:
        raise Invalid("is no URL; write e.g. webhook+https://host/path", field="url")
    match scheme.lower():
        case "webhook+http" | "webhook+https":
            return WebhookTarget(_checked(url.partition("+")[2]), secret)
        case "slack" | "slack+http" | "slack+https":
            return SlackTarget(_slack_url(scheme.lower(), rest))
        case "mailto" | "mailtos":
            return _mail(url, scheme.lower(), password)
        case "http" | "https":
            raise Invalid(f"says {scheme}://; a webhook is webhook+{scheme}://", field="url")
        case _:
            return AppriseTarget(url)


def name_of(target: Target) -> str:
    """Return the name that a channel has which was given none."""
    if isinstance(target, AppriseTarget):
        return re.sub(r"[^a-z0-9_-]", "-", target.url.partition("://")[0].lower())
    return target.kind


def _slack_url(scheme: str, rest: str) -> str:
    if scheme != "slack":
        return _checked(f"{scheme.partition('+')[2]}://{rest}")
    host = rest.partition("/")[0]
    if "." in host or ":" in host:
        return _checked(f"https://{rest}")
    tokens = [part for part in rest.partition("?")[0].split("/") if part]
    if len(tokens) < 3:
        raise Invalid("needs slack://TokenA/TokenB/TokenC or slack://host/path", field="url")
    return f"https://hooks.slack.com/services/{'/'.join(tokens[:3])}"


def _mail(url: str, scheme: str, password: str) -> MailTarget:
    try:
        parts = urlsplit(url)
        given_port = parts.port
    except ValueError:
        raise Invalid("has a port that is none", field="url") from None
    said = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    host = said.get("smtp") or parts.hostname or ""
    if not host:
        raise Invalid("needs a host, as in mailtos://user@smtp.example.org/?to=ops@example.org", field="url")
    user = unquote(parts.username or "")
    address = user if "@" in user else f"{user or 'atalaia'}@{parts.hostname or host}"
    to = tuple(one.strip() for one in said.get("to", address).split(",") if one.strip())
    sender = said.get("from", address)
    if any("\n" in one or "\r" in one or "@" not in one for one in (*to, sender)):
        raise Invalid("needs addresses in `to` and `from`", field="url")
    port = given_port or (587 if scheme == "mailtos" else 25)
    tls: Tls = "offered" if scheme == "mailto" else ("implicit" if port == 465 else "required")
    return MailTarget(host, port, sender, to, tls, user, password or unquote(parts.password or ""))


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        good = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good or any(character.isspace() for character in url):
        raise Invalid("has no host, or a port that is none", field="url")
    return url


def _host_of(url: str) -> str:
    """Return scheme, host and port: the path may be a secret."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{host}{port}/…"
