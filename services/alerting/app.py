"""Alerting, wired."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path

from nats.aio.client import Client
from ulid import ULID

from atalaia import broker
from atalaia import log as _log
from atalaia.broker.safe import faststream_broker
from atalaia.clock import SystemClock
from atalaia.database import migrate
from atalaia.errors import Misconfigured, Transient
from atalaia.events.streams import streams
from atalaia.resilience.retry import until_done
from atalaia.service import Instruments, Lifecycle, announce, report
from services.alerting.adapters.channels import Senders
from services.alerting.adapters.deadletters import StreamDeadLetters
from services.alerting.adapters.deliveries import PostgresDeliveries
from services.alerting.adapters.fresh import Fresh
from services.alerting.adapters.outbox import Outbox
from services.alerting.adapters.peers import BrokerPeers
from services.alerting.adapters.retention import Retention
from services.alerting.adapters.silences import PostgresSilences
from services.alerting.adapters.store import PostgresStore
from services.alerting.adapters.stream import MetricsStream
from services.alerting.adapters.wakeup import Wakeup
from services.alerting.domain.channels_file import Notifications
from services.alerting.handlers.delivery_requests import DeliveryRequests
from services.alerting.handlers.judging import Judging
from services.alerting.handlers.notifying import Notifier
from services.alerting.handlers.requests import Requests
from services.alerting.settings import AlertingSettings, read_notifications, read_rules

_log_ = _log.get("alerting")
MIGRATIONS = Path(__file__).with_name("adapters") / "migrations"
STREAMS_CHECKED_EVERY_S = 5.0
LAND_WITHIN_S = 1.5
# Statements and foreign keys keep their plans. One made while a table was empty would read all of it
# for each row of a flood, until the next ANALYZE.
BY_INDEX = {"enable_seqscan": "off"}


async def serve(settings: AlertingSettings, lifecycle: Lifecycle) -> None:
    rules = read_rules(settings)  # before anything else: a wrong file stops the start
    notifications = _said(read_notifications(settings))
    clock, instruments = SystemClock(), Instruments()
    async with AsyncExitStack() as stack:
        client = await lifecycle.unless_stopping(broker.connect(settings.nats_url, name="alerting"))
        if client is None:
            return
        stack.push_async_callback(broker.close, client)
        pool = settings.make_pool("atalaia-alerting", BY_INDEX)
        stack.push_async_callback(pool.close)
        instruments.watch(pool.metrics)
        fresh = Fresh()
        store = PostgresStore(pool, settings.instance, notifications.routes, fresh)
        outbox = Outbox(pool, client, settings.instance, fresh)
        senders, wakeup = Senders(settings.public_url.rstrip("/")), Wakeup(client)
        stack.push_async_callback(senders.close)
        deliveries, silences = PostgresDeliveries(pool, settings.instance), PostgresSilences(pool)
        notifier = Notifier(
            deliveries=deliveries,
            silences=silences,
            sender=senders,
            clock=clock,
            notifications=notifications,
            instruments=instruments,
            tell_others=wakeup.tell,
        )

        judging = Judging(
            store=store,
            stream=MetricsStream(client),
            dead=StreamDeadLetters(client),
            clock=clock,
            rules=rules,
            new_id=_ulid,
            announce=notifier.wake,
            instruments=instruments,
            started=lifecycle.ready,
        )
        instruments.observe(
            lambda: {
                "atalaia.alerting.lag": float(judging.lag),
                "atalaia.alerting.partitions": float(len(judging.fences)),
            }
        )
        retention = Retention(
            pool,
            alerts_days=settings.alerting_alerts_kept_days,
            deliveries_days=settings.alerting_deliveries_kept_days,
        )
        requests = faststream_broker(settings.nats_url, name="alerting-requests")
        Requests(judging, store, BrokerPeers(client), settings.instance).register(requests)
        DeliveryRequests(notifier, silences, clock, _ulid, wakeup.tell).register(requests)

        async def work() -> None:
            await until_done(lambda: migrate(settings.database_url, MIGRATIONS), on_failure=_waiting)
            async with asyncio.TaskGroup() as inner:
                inner.create_task(judging.run())
                inner.create_task(outbox.run())
                inner.create_task(wakeup.listen(notifier.hear))
                inner.create_task(notifier.run())
                inner.create_task(retention.run())

        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(_keep_streams(client, settings)),
                group.create_task(work()),
                group.create_task(_reload(settings, lifecycle, judging, notifier, store)),
                group.create_task(_tell(lifecycle, judging, notifier)),
            ]
            group.create_task(
                announce(client, lifecycle, clock, service="alerting", instance=settings.instance)
            )
            group.create_task(
                report(
                    client,
                    lifecycle,
                    clock,
                    instruments,
                    service="alerting",
                    instance=settings.instance,
                    interval_s=settings.self_metrics_interval_s,
                )
            )
            await lifecycle.unless_stopping(requests.start())
            stack.push_async_callback(requests.stop)
            await lifecycle.stopping.wait()
            await notifier.drain(within_s=LAND_WITHIN_S)
            fences, channels = dict(judging.fences), notifier.fences
            for task in tasks:
                task.cancel()
            await _hand_back(store, fences, deliveries, channels, outbox)


async def _hand_back(
    store: PostgresStore,
    fences: dict[int, int],
    deliveries: PostgresDeliveries,
    channels: dict[str, int],
    outbox: Outbox,
) -> None:
    try:
        async with asyncio.timeout(2):
            await outbox.hand_back()
            if fences:
                await store.release(fences)
            if channels:
                await deliveries.release(channels)
    except (Transient, TimeoutError):
        _log_.info("leases_expire_by_themselves")


async def _keep_streams(client: Client, settings: AlertingSettings) -> None:
    """Create the streams, and again when somebody deleted them."""
    while True:
        most = settings.alerting_metrics_max_bytes
        wanted = streams(metrics_max_bytes=min(most, _disk_allows()), history=settings.alerting_history)
        try:
            await broker.ensure_streams(
                client.jetstream(timeout=5), wanted, replicas=settings.alerting_stream_replicas
            )
        except (Transient, Misconfigured) as error:
            _log_.warning("streams_not_ensured", error=str(error))
            await asyncio.sleep(0.5)
            continue
        await asyncio.sleep(STREAMS_CHECKED_EVERY_S)


def _disk_allows() -> int:
    return shutil.disk_usage("/").total // 4


async def _reload(
    settings: AlertingSettings,
    lifecycle: Lifecycle,
    judging: Judging,
    notifier: Notifier,
    store: PostgresStore,
) -> None:
    """Read the files again on SIGHUP; wrong ones change nothing but what is said."""
    while True:
        await lifecycle.reloads.wait()
        lifecycle.reloads.clear()
        try:
            judging.reload(read_rules(settings))
        except Misconfigured as error:
            _log_.error("rules_not_reloaded", error=str(error))
            judging.rules_trouble = f"rules not reloaded, the old ones hold: {error}"
        else:
            _log_.info("rules_reloaded")
            judging.rules_trouble = ""
        try:
            notifications = _said(read_notifications(settings))
        except Misconfigured as error:
            _log_.error("channels_not_reloaded", error=str(error))
            notifier.channels_trouble = f"channels not reloaded, the old ones hold: {error}"
        else:
            _log_.info("channels_reloaded", channels=list(notifications.channels))
            notifier.channels_trouble = ""
            store.routes = notifications.routes
            notifier.reload(notifications)


def _said(notifications: Notifications) -> Notifications:
    if notifications.channels and not notifications.routes.catch_all:
        _log_.warning("routes_leave_gaps", meaning="an alert that no route matches goes nowhere")
    return notifications


async def _tell(lifecycle: Lifecycle, judging: Judging, notifier: Notifier) -> None:
    while True:
        troubles = (judging.trouble, judging.rules_trouble, notifier.detail)
        lifecycle.detail = "; ".join(filter(None, troubles))
        await asyncio.sleep(0.5)


def _waiting(error: Transient, attempt: int) -> None:
    if attempt == 1:
        _log_.warning("waiting_for_database", error=str(error))


def _ulid(at: datetime) -> str:
    return str(ULID.from_datetime(at))
