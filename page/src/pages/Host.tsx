/** One source: its charts, every other metric it has, and the alerts about it. */

import { useEffect } from "preact/hooks";
import { MetricChart } from "../chart/MetricChart.tsx";
import { SpanBar } from "../chart/SpanBar.tsx";
import { age } from "../format.ts";
import { useAlertsOf } from "../live/alertsOf.ts";
import { metricsOf, toneOf } from "../live/groups.ts";
import { sourceKey } from "../live/merge.ts";
import { ask, firing, nowMs, sources } from "../live/store.ts";
import { AlertList } from "../parts/AlertList.tsx";
import { AlertRow } from "../parts/AlertRow.tsx";
import { Mark } from "../parts/Mark.tsx";
import { asked, setQuery } from "../route.ts";
import type { Source } from "../types.ts";
import { metricOf } from "../units.ts";
import type { Words } from "../words/en.ts";
import { w } from "../words/index.ts";

interface Shown {
  metric: string;
  title: (words: Words) => string;
  top?: number;
  only?: (labels: Record<string, string>) => boolean;
}

const notLoopback = (labels: Record<string, string>) => labels["network.interface.name"] !== "lo";

const SHOWN: readonly Shown[] = [
  { metric: "system.cpu.utilization", title: (words) => words.chart.cpu, top: 1 },
  { metric: "system.memory.utilization", title: (words) => words.chart.memory, top: 1 },
  { metric: "system.filesystem.utilization", title: (words) => words.chart.disk, top: 1 },
  { metric: "system.cpu.load_average.1m", title: (words) => words.chart.load },
  { metric: "system.network.io", title: (words) => words.chart.network, only: notLoopback },
  { metric: "system.disk.io", title: (words) => words.chart.diskIo },
  { metric: "linux.pressure.share", title: (words) => words.chart.pressure },
  { metric: "process.cpu.utilization", title: (words) => words.chart.cpu },
  { metric: "process.memory.usage", title: (words) => words.chart.memory },
  { metric: "process.runtime.event_loop.lag", title: (words) => words.chart.loopLag },
];
const LOOKBACK_S = 86_400;

export function page({ path }: { path: readonly string[] }) {
  const source = path[0] ?? "";
  const kind = asked("kind") || "host";
  const known = sources.value?.get(sourceKey(kind, source)) ?? null;
  const all = known ? metricsOf(known) : [];
  const chosen = asked("metric").split(",").filter(Boolean);
  const shown = SHOWN.filter(
    ({ metric }) =>
      all.includes(metric) && !chosen.includes(metric) && (kind !== "host" || !metric.startsWith("process.")),
  );
  const metrics = [...chosen, ...shown.map(({ metric }) => metric)];
  const metricsKey = metrics.join();
  useEffect(() => {
    const filters = [["source", source] as const, ["kind", kind] as const];
    if (!metrics.length) ask({ topics: ["metrics"], filters });
    else {
      const followed = metrics.map((metric) => ["metric", metric] as const);
      ask({ topics: ["metrics", "points"], filters: [...filters, ...followed] });
    }
  }, [source, kind, metricsKey]);
  const alerts = useAlertsOf({ kind, source }, nowMs.peek() / 1000 - LOOKBACK_S);
  const here = firing.value.filter((alert) => alert.kind === kind && alert.source === source);
  return (
    <>
      <div class="head">
        <p class="crumbs">
          {w().host}
          {kind !== "host" && ` · ${kind}`}
        </p>
        <h1>{source}</h1>
        {known && (
          <Mark tone={toneOf(here, known.stale)}>
            {here.length
              ? w().alertsHere(here.length)
              : known.stale
                ? w().silentFor(age((nowMs.value - Date.parse(known.at)) / 1000))
                : w().well}
          </Mark>
        )}
      </div>
      {here.map((alert) => (
        <div class="card" key={alert.alert_id}>
          <AlertRow alert={alert} />
        </div>
      ))}
      <SpanBar long />
      <div class="charts">
        {chosen.map((metric) => (
          <MetricChart key={metric} title={metric} wanted={{ metric, source, kind }} alerts={alerts} />
        ))}
        {shown.map(({ metric, title, top, only }) => (
          <MetricChart
            key={metric}
            title={title(w())}
            wanted={{ metric, source, kind }}
            alerts={alerts}
            {...(top === undefined ? {} : { top })}
            {...(only ? { only } : {})}
          />
        ))}
      </div>
      {known && <Others source={known} chosen={chosen} shown={shown} />}
      <AlertList alerts={alerts} />
    </>
  );
}

/** Every metric of the source with its newest value; choosing one draws it above. */
function Others(props: { source: Source; chosen: readonly string[]; shown: readonly Shown[] }) {
  const { source, chosen, shown } = props;
  const rest = metricsOf(source).filter((metric) => !shown.some((one) => one.metric === metric));
  if (!rest.length) return null;
  const flip = (metric: string) => {
    const kept = chosen.filter((one) => one !== metric);
    setQuery({ metric: (kept.length === chosen.length ? [...chosen, metric] : kept).join(",") });
  };
  const counts = new Map<string, number>();
  for (const series of [...Object.keys(source.gauges), ...Object.keys(source.counters)]) {
    counts.set(metricOf(series), (counts.get(metricOf(series)) ?? 0) + 1);
  }
  return (
    <section class="card">
      <h2>{w().chart.other}</h2>
      <ul class="choices">
        {rest.map((metric) => (
          <li key={metric}>
            <button
              type="button"
              class="button"
              aria-pressed={chosen.includes(metric)}
              onClick={() => flip(metric)}
            >
              {metric}
              {(counts.get(metric) ?? 1) > 1 && <span>× {counts.get(metric)}</span>}
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
