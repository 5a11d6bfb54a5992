/** What a reader knows after one more event: pure functions of (known, event). */

import type { Alert, History, LoadTest, Point, Series, Source } from "../types.ts";

export interface AlertsEvent {
  snapshot: boolean;
  complete?: boolean;
  detail?: string;
  alerts: Alert[];
  gone?: string[];
}

export interface MetricsEvent {
  snapshot: boolean;
  sources: Source[];
  gone?: { source: string; kind: string }[];
}

export interface LoadTestsEvent<Window = unknown> {
  snapshot: boolean;
  loadtests: LoadTest[];
  windows?: Record<string, Window[]>;
}

/** Return the alerts that are pending or fire. What is resolved is no longer among them. */
export function mergeAlerts(known: ReadonlyMap<string, Alert>, event: AlertsEvent): Map<string, Alert> {
  const merged = new Map(event.snapshot ? [] : known);
  for (const alert of event.alerts) {
    if (alert.state === "resolved") merged.delete(alert.alert_id);
    else merged.set(alert.alert_id, alert);
  }
  for (const id of event.gone ?? []) merged.delete(id);
  return merged;
}

export const sourceKey = (kind: string, source: string): string => `${kind}\n${source}`;

export function mergeSources(known: ReadonlyMap<string, Source>, event: MetricsEvent): Map<string, Source> {
  const merged = new Map(event.snapshot ? [] : known);
  for (const source of event.sources) merged.set(sourceKey(source.kind, source.source), source);
  for (const gone of event.gone ?? []) merged.delete(sourceKey(gone.kind, gone.source));
  return merged;
}

/** Return the runs, newest first. */
export function mergeLoadTests(known: readonly LoadTest[], event: LoadTestsEvent): LoadTest[] {
  const merged = new Map((event.snapshot ? [] : known).map((run) => [run.run_id, run]));
  for (const run of event.loadtests) merged.set(run.run_id, run);
  const began = (run: LoadTest) => run.started_at ?? run.finished_at ?? "";
  return [...merged.values()].sort((a, b) => (began(a) < began(b) ? 1 : -1));
}

/** Return a list with the new windows at its end; what is there already comes once. */
export function appendWindows<W extends { index: number }>(
  known: readonly W[],
  more: readonly W[],
): readonly W[] {
  const last = known.at(-1)?.index ?? -1;
  const fresh = more.filter((window) => window.index > last);
  return fresh.length ? [...known, ...fresh] : known;
}

const KEPT_POINTS = 1000;

export function seriesKey(series: Pick<Series, "source" | "kind" | "labels">): string {
  return JSON.stringify([series.kind, series.source, Object.entries(series.labels).sort()]);
}

/** Return the points with what is newer at their end, at most the last thousand. */
export function appendPoints<P extends readonly [number, ...unknown[]]>(
  known: readonly P[],
  more: readonly P[],
): readonly P[] {
  const last = known.at(-1)?.[0] ?? Number.NEGATIVE_INFINITY;
  const fresh = more.filter((point) => point[0] > last);
  if (!fresh.length) return known;
  const all = known.length ? [...known, ...fresh] : fresh;
  return all.length > KEPT_POINTS ? all.slice(-KEPT_POINTS) : all;
}

/** Return the union of two histories of a metric, by series and time. Either may hold what the other lacks. */
export function mergeHistory<P extends readonly [number, ...unknown[]] = Point>(
  known: History<P> | null,
  more: History<P>,
): History<P> {
  if (!known) return more;
  const merged = new Map(known.series.map((series) => [seriesKey(series), series]));
  for (const series of more.series) {
    const before = merged.get(seriesKey(series));
    merged.set(
      seriesKey(series),
      before ? { ...before, points: union(before.points, series.points) } : series,
    );
  }
  return { ...known, ...more, series: [...merged.values()] };
}

function union<P extends readonly [number, ...unknown[]]>(known: P[], more: P[]): P[] {
  const first = more[0];
  if (!first) return known;
  const last = known.at(-1);
  if (!last || first[0] > last[0]) return [...appendPoints(known, more)];
  const all = new Map([...known, ...more].map((point) => [point[0], point]));
  return [...all.values()].sort((a, b) => a[0] - b[0]).slice(-KEPT_POINTS);
}
