"""A nats-py connection that never gives up and never prints a traceback."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Any

import nats.errors
from nats.aio.client import Client, Srv
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.aio.transport import TcpTransport

from atalaia import log as _log
from atalaia.broker.raw import Raw, header_lines
from atalaia.broker.wire import WireParser
from atalaia.errors import Transient
from atalaia.resilience.ending import bounded, ended, heeding_cancellation
from atalaia.urls import brokers, without_password

_log_ = _log.get("broker")
# a connection that nobody closed, but through which nothing comes any more, is given up after 6 s
PING_EVERY_S = 2
PINGS_UNANSWERED = 2
CLOSES_WITHIN_S = 0.5
Hear = Callable[[Raw], None]


class EnduringClient(Client):
    """A client that comes back after a server threw it out, and whose requests heed a cancellation.

    nats-py closes for good when the server says an error: refused credentials, too many connections,
    whatever. All of them may be over a moment later.
    """

    def __init__(self) -> None:
        super().__init__()
        self._ps = WireParser(self)
        self._hearing: dict[int, Hear] = {}

    async def request(self, *arguments: Any, **named: Any) -> Msg:
        """As nats-py's, everything of a stream's included; cancelled, it never returns an answer."""
        with heeding_cancellation():  # on 3.11 `wait_for`, in there, forgets one beside the answer
            return await super().request(*arguments, **named)

    async def hear(self, subject: str, hear: Hear) -> Subscription:
        """Subscribe with a plain function: it is called, in order, as each message is read.

        At a fraction of the price of `subscribe`, which parses headers and hands every message over to a
        task. So `hear` must be quick. A message that it does not understand may raise ValueError or
        LookupError, which is told as an error of the connection; nothing else may be raised.
        """
        number = self._sid + 1  # the one that `subscribe` gives, before it lets anybody else in
        self._hearing[number] = hear
        with ExitStack() as unless_subscribed:
            unless_subscribed.callback(self._hearing.pop, number, None)
            subscription = await self.subscribe(subject, cb=_unheard)
            unless_subscribed.pop_all()
        return subscription

    async def _process_msg(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes | None
    ) -> None:
        hear = self._hearing.get(sid)
        if hear is None:
            await super()._process_msg(sid, subject, reply, data, headers)  # type: ignore[arg-type]
            return
        self.stats["in_msgs"] += 1
        self.stats["in_bytes"] += len(data)
        try:
            hear(Raw(subject, reply, headers or b"", data))
        except (ValueError, LookupError) as error:  # one message must not end the reading of all
            await self._error_cb(error)

    def _remove_sub(self, sid: int, max_msgs: int = 0) -> None:
        self._hearing.pop(sid, None)
        super()._remove_sub(sid, max_msgs)

    async def send(self, commands: bytes) -> None:
        """Send what `wire.published` made, many at once; without a connection it waits, as with `publish`.

        Raises:
            Error: the connection is closed, or as much waits already as may.
        """
        if self.is_closed:
            raise nats.errors.ConnectionClosedError
        if self.is_draining_pubs:
            raise nats.errors.ConnectionDrainingError
        if not self.is_connected and len(commands) + self._pending_data_size > self._max_pending_size:
            raise nats.errors.OutboundBufferLimitError
        await self._send_command(commands)
        await self._flush_pending()

    async def _send_ping(self, future: asyncio.Future[bool] | None = None) -> None:
        """Ask for a sign of life behind all that was said before; nats-py's overtakes what still waits."""
        if self._pending and self.is_connected and self._transport is not None:
            self._transport.writelines(self._pending)
            self._pending = []
            self._pending_data_size = 0
        await super()._send_ping(future)

    @staticmethod
    def _parse_header_lines(raw: bytes) -> dict[str, str]:
        """As nats-py's, at less than half its price."""
        return header_lines(raw)

    async def _process_err(self, err_msg: str) -> None:
        if "permissions violation" in err_msg.lower():
            await super()._process_err(err_msg)  # says so, and stays connected
        else:
            await self._process_op_err(nats.errors.Error(f"nats: {err_msg}"))

    async def _flush_pending(self, force_flush: bool = False) -> Any:
        if not force_flush:
            return await super()._flush_pending()
        with heeding_cancellation():  # a broker that hangs takes nothing: this may last
            return await super()._flush_pending(force_flush=True)

    async def _process_op_err(self, e: Exception) -> None:
        if not (self.is_closed or self.is_reconnecting):
            drop(self)  # nats-py waits, before it connects again, until the broker has taken all it was sent
        await super()._process_op_err(e)

    async def _connect_to_server(self, s: Srv) -> None:
        with heeding_cancellation():  # a refusal that arrives beside one would be all that is known
            await super()._connect_to_server(s)

    async def _select_next_server(self) -> None:
        if self._transport is not None:
            # nats-py opens the next without closing the one that was refused
            self._transport.close()  # type: ignore[no-untyped-call]
        await super()._select_next_server()


async def connect(
    url: str,
    *,
    name: str,
    on_reconnect: Callable[[], Awaitable[None]] | None = None,
    pending_bytes: int = 2 * 2**20,
    client: EnduringClient | None = None,
    retry_every_s: float = 0.25,
) -> EnduringClient:
    """Connect, waiting for as long as the broker is away; afterwards reconnect for ever.

    `on_reconnect` runs after each return of the connection. What is published
    meanwhile waits in a buffer of `pending_bytes`, beyond which nats-py raises
    `OutboundBufferLimitError`. `client` is one that was handed out before it is connected.
    `url` may name several nodes, with commas in between.

    Raises:
        ValueError: it is no such URL.
    """
    client = client or EnduringClient()
    quiet = _Once(client, without_password(url))

    async def back() -> None:
        quiet.back()
        if on_reconnect is not None:
            await on_reconnect()

    try:
        await client.connect(
            brokers(url),
            name=name,
            max_reconnect_attempts=-1,
            reconnect_time_wait=retry_every_s,  # type: ignore[arg-type]  # seconds; fractions work
            connect_timeout=2,
            ping_interval=PING_EVERY_S,
            max_outstanding_pings=PINGS_UNANSWERED,
            pending_size=pending_bytes,
            error_cb=quiet.error,
            disconnected_cb=quiet.lost,
            reconnected_cb=back,
        )
    except asyncio.CancelledError:
        await close(client)  # half a connection has tasks of its own
        raise
    return client


async def flush(client: Client, *, within_s: float) -> None:
    """Return once the broker has answered everything sent so far.

    nats-py's own flush, when it is cancelled or late, makes the answer that comes
    after all an error of the connection; so it is left to end by itself.

    Raises:
        Transient: the broker is away, or did not answer in time.
    """
    if not client.is_connected:
        raise Transient("the broker is away")
    answer = asyncio.ensure_future(client.flush(timeout=60))
    answer.add_done_callback(lambda done: done.cancelled() or done.exception())
    try:
        async with asyncio.timeout(within_s):
            await asyncio.shield(answer)
    except (nats.errors.Error, TimeoutError, OSError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not _says_closed(error):
            raise
        raise Transient(f"the broker did not answer: {error!r}") from error


async def close(client: Client, *, within_s: float = 2.0) -> None:
    """Flush what can be flushed, then close; a broker that is away or hangs does not hold anyone up."""
    if client.is_closed:
        return
    try:
        await flush(client, within_s=within_s)
    except Transient:
        _log_.info("closed_without_broker")
        drop(client)
    # closing would wait for what nobody takes to be taken
    client._pending, client._pending_data_size = [], 0
    if client._reconnection_task is not None:  # or it might connect once more, after the end
        await ended({client._reconnection_task}, within_s=CLOSES_WITHIN_S)
    try:
        await bounded(client.close(), within_s=CLOSES_WITHIN_S)
    except (nats.errors.Error, TimeoutError, OSError):
        pass
    except RuntimeError as error:
        if not _says_closed(error):
            raise


def _says_closed(error: RuntimeError) -> bool:
    """Return whether it is what uvloop raises where a connection is gone that was to be written to."""
    return "closed" in str(error)


def drop(client: Client) -> None:
    """Let go of a connection at once, with what its server has not taken yet."""
    if isinstance(client._transport, TcpTransport) and client._transport._io_writer is not None:
        client._transport._io_writer.transport.abort()


class _Once:
    """Says once that the broker is away, and once that it is back."""

    def __init__(self, client: Client, address: str) -> None:
        self._client = client
        self._address = address
        self._away = False

    async def error(self, error: Exception) -> None:
        if not self._away:
            self._away = True
            _log_.warning("broker_error", address=self._address, error=str(error) or type(error).__name__)

    async def lost(self) -> None:
        if not self._away and not self._client.is_closed:
            self._away = True
            _log_.warning("broker_away", address=self._address)

    def back(self) -> None:
        self._away = False
        _log_.info("broker_back", address=self._address)


async def _unheard(_: Msg) -> None:
    """Stand in for a callback where `hear` takes the messages."""
