"""The gateway, wired."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from fastapi import APIRouter, FastAPI
from nats.aio.client import Client
from starlette.responses import JSONResponse, Response

from atalaia import __version__, broker
from atalaia.cache import Cache
from atalaia.clock import SystemClock
from atalaia.database import Pool
from atalaia.service import Instruments, Lifecycle, announce, report
from services.api.adapters.alerts import PostgresAlerts
from services.api.adapters.asyncapi import document
from services.api.adapters.cache import RedisCache
from services.api.adapters.events import Events
from services.api.adapters.feed import Feed
from services.api.adapters.histories import StreamHistories
from services.api.adapters.loadtests import LoadgenRequests, StreamLoadTests
from services.api.adapters.machine import describe_machine
from services.api.adapters.meanwhile import Meanwhile
from services.api.adapters.measured import measured
from services.api.adapters.notifications import PostgresNotifications
from services.api.adapters.page import BuiltPage
from services.api.adapters.probes import Probes, cache_probe, http_probe, nats_probe, postgres_probe
from services.api.adapters.prometheus import PrometheusRanges
from services.api.adapters.requests import AlertingRequests, StreamDepartures
from services.api.adapters.rules import ReplicatedRules
from services.api.adapters.web import allow_connections, listen, serve_http
from services.api.domain.active import ActiveAlerts
from services.api.domain.newest import Newest
from services.api.domain.registry import Registry
from services.api.domain.tails import Tails
from services.api.handlers import problems
from services.api.handlers.alerts import AlertHandlers
from services.api.handlers.guard import Guard
from services.api.handlers.health import HealthHandlers
from services.api.handlers.live import hub_of
from services.api.handlers.live.endpoint import StreamHandlers
from services.api.handlers.metrics import MetricsHandlers
from services.api.handlers.newest_values import NewestValues
from services.api.handlers.notifications import NotificationHandlers
from services.api.handlers.page import PageFiles
from services.api.handlers.prepared import Prepared
from services.api.handlers.rules import RuleHandlers
from services.api.handlers.system import CacheHandlers, LoadTestHandlers, RootHandlers, SystemHandlers
from services.api.ports import Page
from services.api.settings import ApiSettings

PREFIX = "/api/v1/monitoring"
LINKS_EVERY_S = 5.0
KEPT_S = 2.0  # answers that are dear; how far the window they cover may lag
# A plan that is kept suits neither every filter of a list nor a table that was empty when it was made. By a
# bitmap all that could be listed is found and sorted, which looks cheap while little is known of a table.
PLANNED = {"plan_cache_mode": "force_custom_plan", "enable_bitmapscan": "off"}


async def serve(settings: ApiSettings, lifecycle: Lifecycle) -> None:
    listener = listen(settings.api_host, settings.http_port)
    allow_connections()
    clock, instruments = SystemClock(), Instruments()
    async with AsyncExitStack() as stack:
        client = broker.EnduringClient()
        stack.push_async_callback(broker.close, client)
        pool = settings.make_pool("atalaia-api", PLANNED)
        stack.push_async_callback(pool.close)
        cache = Cache(settings.redis_url or None)
        stack.push_async_callback(cache.close)
        instruments.watch(pool.metrics)
        instruments.watch(cache)

        newest, active, registry = Newest(), ActiveAlerts(), Registry(clock.now())
        histories = StreamHistories(client, settings.api_history_bytes)
        tails, values = Tails(), NewestValues(newest)
        feed = Feed(client, newest, histories, tails, clock)
        alerts = PostgresAlerts(pool)
        loadtests = StreamLoadTests(client, Meanwhile(newest, histories))
        requests = AlertingRequests(client)
        probes = _probes(settings, client, pool, cache)
        health = HealthHandlers(registry, active, probes, clock)
        kept = cache.cached(ttl_s=KEPT_S, namespace="gateway")
        departures = StreamDepartures(client, clock)
        ranges = _ranges(settings)
        if ranges is not None:
            instruments.watch(ranges.circuit)
        metrics = MetricsHandlers(newest, values, histories, departures, feed.sums, clock, kept, ranges)
        live = hub_of(
            stream=feed,
            newest=newest,
            values=values,
            histories=histories,
            tails=tails,
            alerts=alerts,
            loadtests=loadtests,
            health=health,
            metrics=metrics,
            clock=clock,
            most_readers=settings.api_most_readers,
        )
        events = Events(active, registry, alerts, clock, live.hear)
        app = _application(
            health,
            metrics,
            AlertHandlers(alerts, requests),
            NotificationHandlers(PostgresNotifications(pool), alerts, requests, clock),
            CacheHandlers(RedisCache(cache)),
            RuleHandlers(ReplicatedRules(client), health.instances),
            SystemHandlers(describe_machine, health.instances, _links(settings)),
            LoadTestHandlers(loadtests, LoadgenRequests(client)),
            StreamHandlers(live),
            RootHandlers(lifecycle.ready, lifecycle.stopping),
            BuiltPage(settings.page_dir),
        )
        served, reporter = measured(app, settings.nats_url, clock)
        guarded = Guard(served, settings.hosts, lasting=frozenset({f"{PREFIX}/stream"}))
        stack.push_async_callback(reporter.stop)

        async def say() -> None:
            await feed.loaded.wait()
            await events.ask_who_is_there(client)
            await probes.asked_again()
            lifecycle.ready.set()

        async def work() -> None:
            await broker.connect(settings.nats_url, name="api", client=client)
            await events.listen(client)
            async with asyncio.TaskGroup() as inner:
                inner.create_task(feed.run())
                inner.create_task(loadtests.run())
                inner.create_task(say())

        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(work()),
                group.create_task(events.reconcile()),
                group.create_task(probes.run()),
                group.create_task(_keep_alerted(feed, active)),
                group.create_task(live.run()),
            ]
            reporter.start()
            web = group.create_task(
                serve_http(guarded, listener, lifecycle.stopping, live.close, linger_s=settings.api_linger_s)
            )
            group.create_task(announce(client, lifecycle, clock, service="api", instance=settings.instance))
            group.create_task(
                report(
                    client,
                    lifecycle,
                    clock,
                    instruments,
                    service="api",
                    instance=settings.instance,
                    interval_s=settings.self_metrics_interval_s,
                )
            )
            await lifecycle.stopping.wait()
            await web
            for task in tasks:
                task.cancel()


def _probes(settings: ApiSettings, client: Client, pool: Pool, cache: Cache) -> Probes:
    probes = Probes()
    probes.watch("nats", nats_probe(client))
    probes.watch("postgres", postgres_probe(pool))
    probes.watch("redis", cache_probe(cache) if settings.redis_url else None)
    health_of = {
        "prometheus": (settings.prometheus_url, settings.api_prometheus_address, "/-/healthy"),
        "grafana": (settings.grafana_url, settings.api_grafana_address, "/api/health"),
    }
    for name, (link, address, path) in health_of.items():
        if link:
            probes.watch(
                name, http_probe((address or link).rstrip("/") + path), optional=True, every_s=LINKS_EVERY_S
            )
    return probes


def _ranges(settings: ApiSettings) -> PrometheusRanges | None:
    address = settings.api_prometheus_address or settings.prometheus_url
    return PrometheusRanges(address) if settings.prometheus_url else None


def _links(settings: ApiSettings) -> dict[str, str]:
    links = {"prometheus": settings.prometheus_url, "grafana": settings.grafana_url}
    return {name: url for name, url in links.items() if url}


def _application(
    health: HealthHandlers,
    metrics: MetricsHandlers,
    alerts: AlertHandlers,
    notifications: NotificationHandlers,
    cache: CacheHandlers,
    rules: RuleHandlers,
    system: SystemHandlers,
    loadtests: LoadTestHandlers,
    stream: StreamHandlers,
    root: RootHandlers,
    page: Page,
) -> FastAPI:
    app = FastAPI(
        title="Atalaia",
        version=__version__,
        description="Monitoring for people who run web services in Python.",
        redoc_url=None,
        responses=problems.described(422),
    )
    problems.install(app)
    router = APIRouter(prefix=PREFIX, tags=["monitoring"])
    for handlers in (health, metrics, alerts, notifications, cache, rules, system, loadtests, stream):
        handlers.register(router)
    app.include_router(router)
    root.register(app)
    app.get("/metrics", response_class=Response, tags=["root"])(metrics.openmetrics)
    answers = {
        f"{PREFIX}/health": health.plain,
        f"{PREFIX}/health/detailed": health.plain_detailed,
        f"{PREFIX}/metrics": metrics.of_one_source,
    }
    app.add_middleware(Prepared, answers=answers, routes=router.routes)
    app.add_middleware(PageFiles, page=page)
    described = document()

    @app.get("/asyncapi.json", tags=["root"])
    async def asyncapi() -> JSONResponse:
        """Every event on the broker, as AsyncAPI 3."""
        return JSONResponse(described)

    return app


async def _keep_alerted(feed: Feed, active: ActiveAlerts) -> None:
    """What an alert fires for is not forgotten, however long it is silent."""
    while True:
        feed.keep = active.sources()
        await asyncio.sleep(5.0)
