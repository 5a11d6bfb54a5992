"""Every kind of channel against a receiver of that kind: what each answer, or none, comes to."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import pytest

from services.alerting.adapters.channels import Senders
from services.alerting.adapters.channels.web import retry_after_s
from services.alerting.domain.channels_file import Channel
from services.alerting.domain.messages import Message
from services.alerting.domain.outcomes import Outcome, Verdict
from services.alerting.domain.targets import parse_target
from tests.system.receiver import Behaviour, Mailbox, Receiver, Server, mailbox, receiving
from tests.unit.alerting.desks import Scene

TIMEOUT_S = 0.5
APPRISE_IS_OLD = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with mailbox() as box:
        yield box


@pytest.fixture
async def senders() -> AsyncIterator[Senders]:
    senders = Senders("http://watch.example.org")
    yield senders
    await senders.close()


def message() -> Message:
    (one,) = Scene().happens("web-1", "fired").due()
    return one


async def send(senders: Senders, url: str) -> Outcome:
    return await senders.send(Channel("c", parse_target(url), TIMEOUT_S), message())


@pytest.mark.parametrize(
    ("answer", "verdict", "status", "maybe"),
    [
        ("200", Verdict.DELIVERED, 200, False),
        ("202", Verdict.DELIVERED, 202, False),
        ("302", Verdict.FAILED, 302, False),
        ("400", Verdict.REJECTED, 400, False),
        ("404", Verdict.REJECTED, 404, False),
        ("408", Verdict.FAILED, 408, True),
        ("425", Verdict.FAILED, 425, False),
        ("429", Verdict.FAILED, 429, False),
        ("500", Verdict.FAILED, 500, False),
        ("504", Verdict.FAILED, 504, True),
        ("timeout", Verdict.FAILED, None, True),
        ("half-open", Verdict.FAILED, None, True),
        ("reset", Verdict.FAILED, None, True),
    ],
)
async def test_what_an_answer_of_a_webhook_comes_to(
    senders: Senders, receiver: Receiver, answer: str, verdict: Verdict, status: int | None, maybe: bool
) -> None:
    receiver.behaviour = Behaviour(fails=1.0, ways=(answer,))
    outcome = await send(senders, receiver.url)
    assert (outcome.verdict, outcome.http_status, outcome.maybe) == (verdict, status, maybe)


async def test_429_says_for_how_long(senders: Senders, receiver: Receiver) -> None:
    receiver.behaviour = Behaviour(fails=1.0, ways=("429",))
    assert (await send(senders, receiver.url)).retry_after_s == 1.0


async def test_a_receiver_that_is_away_has_surely_not_got_it(senders: Senders, receiver: Receiver) -> None:
    receiver.server.away()
    outcome = await send(senders, receiver.url)
    assert (outcome.verdict, outcome.maybe) == (Verdict.FAILED, False)
    assert str(receiver.server.port) not in outcome.detail


async def test_an_answer_that_drips_is_given_up_in_time(senders: Senders) -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    server = Server(drip)
    server.start()
    try:
        began = time.monotonic()
        outcome = await send(senders, f"webhook+http://127.0.0.1:{server.port}/")
        assert (outcome.verdict, outcome.maybe) == (Verdict.FAILED, True)
        assert time.monotonic() - began < 4 * TIMEOUT_S
    finally:
        server.stop()


async def test_an_answer_without_end_is_not_read(senders: Senders) -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    server = Server(flood)
    server.start()
    try:
        outcome = await send(senders, f"webhook+http://127.0.0.1:{server.port}/")
        assert outcome.verdict is Verdict.DELIVERED
    finally:
        server.stop()


async def test_slack_gets_a_text(senders: Senders, receiver: Receiver) -> None:
    outcome = await send(senders, f"slack+http://127.0.0.1:{receiver.server.port}/services/x")
    assert outcome.verdict is Verdict.DELIVERED
    assert receiver.calls[0].body["text"] == "[FIRING:1] web-1 is bad"


async def test_a_mail_arrives_once_under_one_id(senders: Senders, box: Mailbox) -> None:
    assert await send(senders, box.url) == Outcome(Verdict.DELIVERED)
    (mail,) = box.mails
    assert "Subject: [FIRING:1] web-1 is bad" in mail
    assert f"Message-ID: <{message().key}@example.org>" in mail
    assert "To: ops@example.org" in mail


async def test_mail_that_must_be_private_is_not_sent_in_the_clear(senders: Senders, box: Mailbox) -> None:
    outcome = await send(senders, box.url.replace("mailto://", "mailtos://"))
    assert outcome.verdict is Verdict.FAILED
    assert box.mails == []


async def test_a_mail_server_that_is_silent_is_given_up_in_time(senders: Senders) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        outcome = await send(senders, f"mailto://127.0.0.1:{port}/?to=a@x&from=b@x")
    assert (outcome.verdict, outcome.maybe) == (Verdict.FAILED, False)


async def test_a_mail_that_is_refused_is_over(senders: Senders) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        while line := (await reader.readline()).upper():
            writer.write(b"550 no such user\r\n" if line.startswith(b"RCPT") else b"250 ok\r\n")

    server = Server(refuse)
    server.start()
    try:
        outcome = await send(senders, f"mailto://127.0.0.1:{server.port}/?to=a@x&from=b@x")
        assert outcome == Outcome(Verdict.REJECTED, detail="SMTP 550")
    finally:
        server.stop()


@APPRISE_IS_OLD
async def test_whatever_apprise_knows(senders: Senders, receiver: Receiver) -> None:
    target = f"json://127.0.0.1:{receiver.server.port}/"
    channel = Channel("c", parse_target(target), 5.0)
    assert await senders.send(channel, message()) == Outcome(Verdict.DELIVERED)
    assert receiver.calls[0].body["title"] == "[FIRING:1] web-1 is bad"
    receiver.behaviour = Behaviour(status=500)
    assert (await senders.send(channel, message())).verdict is Verdict.FAILED


@APPRISE_IS_OLD
async def test_a_url_that_apprise_does_not_know_is_said(senders: Senders) -> None:
    outcome = await senders.send(Channel("c", parse_target("nothing-knows://s3cret"), 5.0), message())
    assert outcome == Outcome(Verdict.FAILED, detail="Apprise cannot read this URL")


def test_retry_after_is_seconds_or_a_date() -> None:
    now = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
    assert retry_after_s("120", now) == 120
    assert retry_after_s("Tue, 24 Nov 2026 12:01:00 GMT", now) == 60
    assert retry_after_s("Tue, 24 Nov 2026 11:00:00 GMT", now) == 0
    assert retry_after_s("soon", now) is None
    assert retry_after_s("", now) is None
