"""`rules replay --since 24h [FILE]`: reads the recorded stream, writes nothing."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import nats.errors

from atalaia import broker, log
from atalaia.broker.pull import Stored
from atalaia.clock import SystemClock
from atalaia.errors import Invalid, Transient
from atalaia.events.subjects import partition_in
from atalaia.settings import data_dir_of
from atalaia.urls import without_password
from services.alerting.adapters.stream import MetricsStream
from services.alerting.cli.files import stock_rules, text_of
from services.alerting.cli.reports import Progress, as_json, as_text
from services.alerting.domain.retrial import Retrial, tallies
from services.alerting.domain.rules import Rules
from services.alerting.domain.rules_file import load_rules
from services.alerting.handlers.reading import BatchReader
from services.alerting.settings import AlertingSettings, read_rules

AWAY = 1
CONNECTED_WITHIN_S = 5.0


def replay(path: Path | None, back: timedelta, *, json: bool) -> int:
    """Say what rules would have done; return 1 where the stream cannot be read.

    Raises:
        Misconfigured: the rules are wrong.
    """
    settings = AlertingSettings.load()
    log.configure(service="alerting", instance="replay", level="error", format="auto")
    stock = stock_rules()
    rules = read_rules(settings) if path is None else load_rules(text_of(path), file=str(path), base=stock)
    clock = SystemClock()
    retrial = Retrial(rules, clock.now() - back)
    progress = Progress(clock, sys.stderr)
    try:
        asyncio.run(_read(_broker_url(settings), rules, retrial, progress))
    except Transient as error:
        sys.stderr.write(f"{error}\n")
        return AWAY
    finally:
        progress.done()
    summed = tallies(rules, retrial.transitions, retrial.until)
    sys.stdout.write((as_json if json else as_text)(retrial, summed))
    return 0


def _broker_url(settings: AlertingSettings) -> str:
    """Return NATS_URL, or what the platform on this machine wrote into its data folder."""
    if "NATS_URL" in os.environ:
        return settings.nats_url
    try:
        lines = shlex.split((data_dir_of(os.environ) / "env").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return settings.nats_url
    written = dict(line.split("=", 1) for line in lines if "=" in line)
    return written.get("NATS_URL", settings.nats_url)


async def _read(url: str, rules: Rules, retrial: Retrial, progress: Progress) -> None:
    reader = BatchReader()
    async with _connected(url) as client:
        stream = MetricsStream(client)
        _, _, last = await stream.created()
        warm = timedelta(seconds=rules.longest_window_s)
        async with aclosing(stream.since(retrial.since - warm, last)) as recorded:
            async for messages in recorded:
                for stored in messages:
                    _hear(retrial, reader, stored)
                progress.at(messages[-1].stored_at, len(messages), messages[-1].pending)


def _hear(retrial: Retrial, reader: BatchReader, stored: Stored) -> None:
    try:
        batch = reader.read(stored.subject, stored.body, stored.stored_at)
    except Invalid:
        retrial.unreadable += 1
    else:
        retrial.hear(batch, stored.stored_at, partition_in(stored.subject))


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[broker.EnduringClient]:
    try:
        async with asyncio.timeout(CONNECTED_WITHIN_S):
            client = await broker.connect(url, name="rules-replay")
    except (TimeoutError, nats.errors.Error, OSError, ValueError) as error:
        said = f": {error}" if str(error) else ""
        raise Transient(f"no broker at {without_password(url)} (NATS_URL){said}") from error
    try:
        yield client
    finally:
        await broker.close(client)
