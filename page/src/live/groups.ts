/** Hosts and applications out of sources, with what troubles them. Pure. */

import type { Alert, Endpoint, Performance, ServiceFigures, Severity, Source, Tone } from "../types.ts";
import { metricOf } from "../units.ts";

export interface HostTile {
  source: Source;
  tone: Tone;
  alerts: number;
  cpu: Use;
  memory: Use;
  disk: Use;
}

/** How much of something is in use, and how bad that is by the alerts about it alone. */
export interface Use {
  share: number | null;
  tone: Tone;
}

export interface AppTile {
  name: string;
  tone: Tone;
  alerts: number;
  instances: number;
  silent: number;
  newestAt: string;
  figures: ServiceFigures | null;
}

const CPU = "system.cpu.utilization";
const MEMORY = "system.memory.utilization";
const DISK = "system.filesystem.utilization";
const ORDER: Record<Tone, number> = { critical: 0, error: 1, warning: 2, none: 3, ok: 4 };
const WORST: readonly Severity[] = ["critical", "error", "warning"];

export function toneOf(alerts: readonly Alert[], silent: boolean): Tone {
  const worst = WORST.find((severity) => alerts.some((alert) => alert.severity === severity));
  return worst ?? (silent ? "none" : "ok");
}

function grouped<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const list = groups.get(key(item));
    if (list) list.push(item);
    else groups.set(key(item), [item]);
  }
  return groups;
}

/** The fullest file system's share in use. */
export function fullestDisk(source: Source): number | null {
  let most: number | null = null;
  for (const [series, value] of Object.entries(source.gauges)) {
    if (metricOf(series) === DISK) most = Math.max(most ?? 0, value);
  }
  return most;
}

/** Hosts and whatever else reports, in trouble first. Atalaia's own services have a page of their own. */
export function hostTiles(sources: Iterable<Source>, firing: readonly Alert[]): HostTile[] {
  const about = grouped(firing, (alert) => `${alert.kind} ${alert.source}`);
  return [...sources]
    .filter((source) => source.kind !== "app")
    .filter((source) => source.kind !== "service" || about.has(`service ${source.source}`))
    .map((source) => {
      const alerts = about.get(`${source.kind} ${source.source}`) ?? [];
      const use = (metric: string, share: number | null | undefined): Use => ({
        share: share ?? null,
        tone: toneOf(
          alerts.filter((alert) => metricOf(alert.series) === metric),
          source.stale,
        ),
      });
      return {
        source,
        tone: toneOf(alerts, source.stale),
        alerts: alerts.length,
        cpu: use(CPU, source.gauges[CPU]),
        memory: use(MEMORY, source.gauges[MEMORY]),
        disk: use(DISK, fullestDisk(source)),
      };
    })
    .sort((a, b) => ORDER[a.tone] - ORDER[b.tone] || (a.source.source < b.source.source ? -1 : 1));
}

export function appTiles(
  sources: Iterable<Source>,
  firing: readonly Alert[],
  performance: Performance | null,
): AppTile[] {
  const about = grouped(
    firing.filter((alert) => alert.kind === "app"),
    (alert) => alert.group,
  );
  const apps = grouped(
    [...sources].filter((source) => source.kind === "app"),
    (source) => source.group,
  );
  const figures = new Map((performance ? serviceFigures(performance) : []).map((one) => [one.service, one]));
  return [...apps]
    .map(([name, instances]) => {
      const alerts = about.get(name) ?? [];
      const silent = instances.filter((one) => one.stale).length;
      return {
        name,
        tone: toneOf(alerts, silent === instances.length),
        alerts: alerts.length,
        instances: instances.length,
        silent,
        newestAt:
          instances
            .map((one) => one.at)
            .sort()
            .at(-1) ?? "",
        figures: figures.get(name) ?? null,
      };
    })
    .sort((a, b) => ORDER[a.tone] - ORDER[b.tone] || (a.name < b.name ? -1 : 1));
}

/** What each service did as a whole; where only its endpoints are told, its p95 is unknown: they cannot be added up. */
export function serviceFigures(performance: Performance): ServiceFigures[] {
  if (performance.services) return performance.services;
  return [...grouped(performance.endpoints, (one) => one.service)].map(([service, endpoints]) => {
    const requests = endpoints.reduce((sum, one) => sum + one.requests, 0);
    const errors = endpoints.reduce((sum, one) => sum + one.requests * (one.error_rate ?? 0), 0);
    const only = endpoints.length === 1 ? endpoints[0] : undefined;
    return {
      service,
      requests,
      rate: endpoints.reduce((sum, one) => sum + one.rate, 0),
      error_rate: requests ? errors / requests : null,
      p50_s: only?.p50_s ?? null,
      p95_s: only?.p95_s ?? null,
      p99_s: only?.p99_s ?? null,
    };
  });
}

export type WorstKey = "route" | "rate" | "error_rate" | "p50_s" | "p95_s" | "p99_s" | "cost";

/** Time that an endpoint's requests took together: what hurts a service most. */
export const costOf = (endpoint: Endpoint): number => endpoint.requests * (endpoint.avg_s ?? 0);

/** Return the endpoints by what hurts; unknown values last. */
export function sortedEndpoints(
  endpoints: readonly Endpoint[],
  key: WorstKey,
  descending: boolean,
): Endpoint[] {
  const of = (one: Endpoint): number | string | null =>
    key === "cost" ? costOf(one) : key === "route" ? `${one.route} ${one.method}` : one[key];
  const sign = descending ? -1 : 1;
  return [...endpoints].sort((a, b) => {
    const [left, right] = [of(a), of(b)];
    if (left === null || right === null) return Number(left === null) - Number(right === null);
    return left === right ? (a.route < b.route ? -1 : 1) : left < right ? -sign : sign;
  });
}

/** Every metric that a source has, without labels, by name. */
export function metricsOf(source: Source): string[] {
  const all = [...Object.keys(source.gauges), ...Object.keys(source.counters)];
  return [...new Set(all.map(metricOf))].sort();
}

/** The words of a series' labels that tell it from its sisters. */
export function labelText(labels: Record<string, string>): string {
  return Object.values(labels).join(" ");
}
