/** One application, or one endpoint of it: what it does, how long that takes, what hurts. */

import { useEffect, useMemo } from "preact/hooks";
import { binWidth, heatOf, quantiles, throughput } from "../chart/bins.ts";
import { Chart } from "../chart/Chart.tsx";
import { SpanBar } from "../chart/SpanBar.tsx";
import { thresholdsOf } from "../chart/thresholds.ts";
import { age, inUnit, percent, seconds } from "../format.ts";
import { useAlertsOf } from "../live/alertsOf.ts";
import { toneOf } from "../live/groups.ts";
import { useBuckets, useHistory } from "../live/history.ts";
import { rules } from "../live/rules.ts";
import { ask, firing, nowMs, performance5m, sources } from "../live/store.ts";
import { AlertList } from "../parts/AlertList.tsx";
import { AlertRow } from "../parts/AlertRow.tsx";
import { Facts } from "../parts/Figures.tsx";
import { Mark } from "../parts/Mark.tsx";
import { write } from "../route.ts";
import type { Alert } from "../types.ts";
import { locale, w } from "../words/index.ts";
import { Endpoints } from "./Endpoints.tsx";
import { Instances } from "./Instances.tsx";

const DURATION = "http.server.request.duration";
/** What an application tells with every message, whether it has requests or not. */
const ALIVE = "http.server.active_requests";
const LOOKBACK_S = 86_400;

export function page({ path }: { path: readonly string[] }) {
  const [service = "", method, route] = path;
  const alerts = useAlertsOf({ kind: "app", group: service }, nowMs.peek() / 1000 - LOOKBACK_S);
  useEffect(() => {
    ask({
      topics: ["metrics", "performance", "points"],
      filters: [
        ["kind", "app"],
        ["group", service],
        ["metric", DURATION],
        ["metric", ALIVE],
      ],
    });
  }, [service]);
  const instances = [...(sources.value?.values() ?? [])].filter(
    (source) => source.kind === "app" && source.group === service,
  );
  const here = firing.value.filter((alert) => alert.kind === "app" && alert.group === service);
  const endpoints = (performance5m.value?.endpoints ?? []).filter((one) => one.service === service);
  const one = endpoints.find((endpoint) => endpoint.method === method && endpoint.route === route);
  const silent = instances.length > 0 && instances.every((source) => source.stale);
  return (
    <>
      <div class="head">
        {route === undefined ? (
          <p class="crumbs">{w().application}</p>
        ) : (
          <p class="crumbs">
            {w().application} <a href={write(["apps", service])}>{service}</a> · {w().endpoint}
          </p>
        )}
        <h1>{route === undefined ? service : `${method} ${route}`}</h1>
        {route === undefined && instances.length > 0 && (
          <Mark tone={toneOf(here, silent)}>
            {here.length
              ? w().alertsHere(here.length)
              : silent
                ? w().silentFor(age((nowMs.value - Date.parse(instances[0]?.at ?? "")) / 1000))
                : w().well}
          </Mark>
        )}
      </div>
      {route === undefined &&
        here.map((alert) => (
          <div class="card" key={alert.alert_id}>
            <AlertRow alert={alert} />
          </div>
        ))}
      {one && (
        <div class="card">
          <Facts
            facts={[
              [w().worst.rate, inUnit(one.rate, "/s", locale.value)],
              [w().worst.error_rate, percent(one.error_rate, locale.value)],
              [w().worst.p50_s, seconds(one.p50_s, locale.value)],
              [w().worst.p95_s, seconds(one.p95_s, locale.value)],
              [w().worst.p99_s, seconds(one.p99_s, locale.value)],
            ]}
          />
        </div>
      )}
      <SpanBar />
      <Requests service={service} method={method} route={route} alerts={alerts} />
      {route === undefined && (
        <>
          <Endpoints endpoints={endpoints} />
          <Instances instances={instances} />
        </>
      )}
      <AlertList alerts={alerts} withSource />
    </>
  );
}

function Requests(props: {
  service: string;
  method: string | undefined;
  route: string | undefined;
  alerts: readonly Alert[];
}) {
  const { service, method, route, alerts } = props;
  const labels: Record<string, string> = {};
  if (method !== undefined) labels["http.request.method"] = method;
  if (route !== undefined) labels["http.route"] = route;
  const wanted = { metric: DURATION, kind: "app", group: service, labels };
  const counted = useHistory(wanted);
  const bucketed = useBuckets(wanted);
  const alive = useHistory({ metric: ALIVE, kind: "app", group: service }).history;
  const { rates, errorShares } = useMemo(
    () =>
      counted.history
        ? throughput(counted.history, binWidth((alive ?? counted.history).series), alive)
        : { rates: [], errorShares: [] },
    [counted.history, alive],
  );
  const heat = useMemo(
    () => (bucketed.history ? heatOf(bucketed.history, binWidth((alive ?? bucketed.history).series)) : null),
    [bucketed.history, alive],
  );
  const percentiles = useMemo(
    () =>
      [0.5, 0.95, 0.99].map((q) => ({
        label: `p${q * 100}`,
        points: heat ? quantiles(heat, q) : [],
      })),
    [heat],
  );
  const about = { kind: "app", group: service };
  const known = rules.value;
  const [latencyThresholds, errorThresholds] = useMemo(
    () => [thresholdsOf(known, DURATION, about, "latency"), thresholdsOf(known, DURATION, about, "share")],
    [known, service],
  );
  const byFunction = (pattern: RegExp) =>
    alerts.filter((alert) => pattern.test(known.find((rule) => rule.name === alert.rule)?.function ?? ""));
  const failure = counted.failure || bucketed.failure;
  if (failure) return <p class="empty">{w().chart.failures(failure)}</p>;
  if (!counted.history || !heat) return <p class="empty">{w().loading}</p>;
  return (
    <>
      <Chart
        title={w().chart.heat}
        hint={w().chart.heatHint}
        unit="s"
        lines={percentiles}
        heat={heat}
        thresholds={latencyThresholds}
        alerts={byFunction(/^p\d/)}
        height={280}
      />
      <div class="charts">
        <Chart title={w().chart.throughput} unit="/s" lines={[{ label: w().rate, points: rates }]} />
        <Chart
          title={w().chart.errorRate}
          unit="1"
          lines={[{ label: w().errors, points: errorShares }]}
          thresholds={errorThresholds}
          alerts={byFunction(/^share$/)}
        />
      </div>
    </>
  );
}
