"""The channels file: YAML in, channels and routes out, or every problem with its file, line and field."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from atalaia.errors import Invalid, Misconfigured
from atalaia.events.matching import Conditions, conditions
from services.alerting.domain.located import (
    Node,
    Problems,
    Wrong,
    boolean,
    compose,
    is_null,
    mapping,
    scalar,
    seconds,
    sequence,
)
from services.alerting.domain.routes import Route, Routes
from services.alerting.domain.targets import Target, name_of, parse_target, split_urls

CHANNEL_FIELDS = ("name", "url", "url_file", "secret", "secret_file", "password", "password_file", "timeout")
ROUTE_FIELDS = ("match", "channels", "group_by", "group_interval", "remind_after", "continue")
TIMEOUT_S, TIMEOUT_MOST_S = 10.0, 60.0
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
ReadFile = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Channel:
    name: str
    target: Target
    timeout_s: float = TIMEOUT_S


@dataclass(frozen=True, slots=True)
class Notifications:
    """Every channel, and who is told of what."""

    channels: Mapping[str, Channel] = field(default_factory=dict)
    routes: Routes = field(default_factory=lambda: Routes((), ()))


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where secrets come from. `read_file` raises OSError or UnicodeDecodeError."""

    environment: Mapping[str, str]
    read_file: ReadFile


def load_notifications(text: str, *, file: str, urls: str, around: Surroundings) -> Notifications:
    """Return the channels and routes of a file (empty: none) and of a comma-separated list of URLs.

    A channel of the list is told of every alert, beside what the file's routes say.

    Raises:
        Misconfigured: one line for each problem; never says what a URL or a secret was.
    """
    problems = Problems(file)
    channels: dict[str, Channel] = {}
    routes: list[Route] = []
    root = compose(text, file=file)
    if root is not None and not is_null(root):
        try:
            top = mapping(root)
            problems.unknown(top, ("channels", "routes"))
            if "channels" in top:
                _channels(sequence(top["channels"][1]), channels, around, problems)
            if "routes" in top:
                routes = _routes(sequence(top["routes"][1]), channels, problems)
            elif channels:
                routes = [Route(tuple(channels))]
        except Wrong as wrong:
            problems.wrong("file", wrong)
    problems.raise_if_any()
    listed = _listed(urls, channels)
    if listed:
        routes.insert(0, Route(tuple(channel.name for channel in listed), and_on=True))
        channels |= {channel.name: channel for channel in listed}
    return Notifications(channels, Routes(routes, channels))


def _listed(urls: str, taken: Iterable[str]) -> list[Channel]:
    found: dict[str, Channel] = {}
    for number, url in enumerate(split_urls(urls), 1):
        try:
            target = parse_target(url)
        except Invalid as error:
            raise Misconfigured(f"ATALAIA_NOTIFY_URLS: URL {number} {error}") from None
        name, count = name_of(target), 1
        while name in found or name in taken:
            count += 1
            name = f"{name_of(target)}-{count}"
        found[name] = Channel(name, target)
    return list(found.values())


def _channels(
    entries: list[Node], channels: dict[str, Channel], around: Surroundings, problems: Problems
) -> None:
    for entry in entries:
        before = len(problems)
        try:
            fields = mapping(entry)
        except Wrong as wrong:
            problems.wrong("channel", wrong)
            continue
        problems.unknown(fields, CHANNEL_FIELDS)
        name = _name(entry, fields, channels, problems)
        url = _secret("url", fields, around, problems)
        secret = _secret("secret", fields, around, problems)
        password = _secret("password", fields, around, problems)
        timeout_s = TIMEOUT_S
        if "timeout" in fields:
            timeout_s = _timeout(fields["timeout"][1], problems)
        if not url and len(problems) == before:
            problems.note(entry, "url", "missing")
        if len(problems) > before:
            continue
        try:
            channels[name] = Channel(name, parse_target(url, secret=secret, password=password), timeout_s)
        except Invalid as error:
            problems.note(fields["url" if "url" in fields else "url_file"][0], "url", str(error))


def _name(
    entry: Node, fields: dict[str, tuple[Node, Node]], channels: Mapping[str, Channel], problems: Problems
) -> str:
    if "name" not in fields:
        problems.note(entry, "name", "missing")
        return ""
    node = fields["name"][1]
    try:
        name = scalar(node)
    except Wrong as wrong:
        problems.wrong("name", wrong)
        return ""
    if not _NAME.fullmatch(name):
        problems.note(node, "name", "is 1 to 64 letters, digits, `_` or `-`")
    elif name in channels:
        problems.note(node, "name", f"{name!r} is there already")
    return name


def _secret(name: str, fields: dict[str, tuple[Node, Node]], around: Surroundings, problems: Problems) -> str:
    """Return a value, with `${NAME}` filled in from the environment, or what its file holds."""
    inline, in_file = fields.get(name), fields.get(f"{name}_file")
    if inline and in_file:
        problems.note(in_file[0], f"{name}_file", f"`{name}` is there, too; one of them is enough")
    if inline:
        return _filled(name, inline[1], around, problems)
    if in_file:
        path = _filled(f"{name}_file", in_file[1], around, problems)
        try:
            return around.read_file(path).strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            problems.note(in_file[1], f"{name}_file", f"{path!r} cannot be read: {reason}")
    return ""


def _filled(name: str, node: Node, around: Surroundings, problems: Problems) -> str:
    try:
        said = scalar(node)
    except Wrong as wrong:
        problems.wrong(name, wrong)
        return ""
    for variable in _VARIABLE.findall(said):
        if not around.environment.get(variable):
            problems.note(node, name, f"the environment has no {variable}")
    return _VARIABLE.sub(lambda match: around.environment.get(match[1], ""), said)


def _timeout(node: Node, problems: Problems) -> float:
    try:
        timeout_s = seconds(node)
    except Wrong as wrong:
        problems.wrong("timeout", wrong)
        return TIMEOUT_S
    if not 0 < timeout_s <= TIMEOUT_MOST_S:
        problems.note(node, "timeout", f"is more than 0 and at most {TIMEOUT_MOST_S:g}s")
    return timeout_s


def _routes(entries: list[Node], channels: Mapping[str, Channel], problems: Problems) -> list[Route]:
    found = []
    for entry in entries:
        try:
            fields = mapping(entry)
        except Wrong as wrong:
            problems.wrong("route", wrong)
            continue
        problems.unknown(fields, ROUTE_FIELDS)
        route = Route(())
        for name, parser in _ROUTE_PARSERS.items():
            if name in fields:
                try:
                    route = parser(route, fields[name][1])
                except Wrong as wrong:
                    problems.wrong(name, wrong)
        if "channels" not in fields:
            problems.note(entry, "channels", "missing; [] for nobody")
        found.append(route)
        for name in route.channels:
            if name not in channels:
                problems.note(fields["channels"][1], "channels", f"there is no channel {name!r}")
    return found


def _texts(node: Node) -> tuple[str, ...]:
    return tuple(scalar(one) for one in sequence(node))


def _match(node: Node) -> Conditions:
    spelt: dict[str, str | dict[str, str]] = {}
    for key, (_, value) in ({} if is_null(node) else mapping(node)).items():
        try:
            spelt[key] = scalar(value)
        except Wrong:
            spelt[key] = {op: scalar(text) for op, (_, text) in mapping(value).items()}
    try:
        return conditions(spelt)
    except Invalid as error:
        raise Wrong(node, f"{error.field}: {error}") from None


def _remind_after(node: Node) -> float | None:
    if is_null(node) or scalar(node) == "never":
        return None
    value = seconds(node)
    if value < 60:
        raise Wrong(node, "is at least 60s, or `never`")
    return value


_ROUTE_PARSERS: dict[str, Callable[[Route, Node], Route]] = {
    "match": lambda route, node: replace(route, match=_match(node)),
    "channels": lambda route, node: replace(route, channels=_texts(node)),
    "group_by": lambda route, node: replace(route, group_by=_texts(node)),
    "group_interval": lambda route, node: replace(route, group_interval_s=seconds(node)),
    "remind_after": lambda route, node: replace(route, remind_after_s=_remind_after(node)),
    "continue": lambda route, node: replace(route, and_on=boolean(node)),
}
