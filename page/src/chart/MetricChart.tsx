/** A metric of one source as a chart: its history, its rules' thresholds, alerts about it. */

import { useMemo, useRef } from "preact/hooks";
import { labelText } from "../live/groups.ts";
import { useHistory, type Wanted } from "../live/history.ts";
import { rules } from "../live/rules.ts";
import type { Alert, History } from "../types.ts";
import { metricOf, unitOf } from "../units.ts";
import { w } from "../words/index.ts";
import type { TimePoint } from "./align.ts";
import { Chart, type Line } from "./Chart.tsx";
import { long_s } from "./span.ts";
import { thresholdsOf } from "./thresholds.ts";

interface MetricChartProps {
  title: string;
  wanted: Wanted;
  alerts: readonly Alert[];
  /** Which series to show; without, all. */
  only?: (labels: Record<string, string>) => boolean;
  top?: number;
}

export function MetricChart({ title, wanted, alerts, only, top }: MetricChartProps) {
  const { history, failure } = useHistory(wanted, long_s.value);
  const ranks = useRef<ReadonlyMap<string, number>>(new Map());
  const lines = useMemo(() => {
    if (!history) return [];
    const unranked = linesOf(history, title, only);
    // the largest first; the order, and with it the colours, stay while the series do
    if (unranked.some((line) => !ranks.current.has(line.label))) ranks.current = ranked(unranked);
    return unranked.sort((a, b) => (ranks.current.get(a.label) ?? 0) - (ranks.current.get(b.label) ?? 0));
  }, [history, title]);
  const about = { kind: wanted.kind ?? "", ...(wanted.source ? { source: wanted.source } : {}) };
  const counter = history?.type === "counter";
  const known = rules.value;
  const thresholds = useMemo(
    () => thresholdsOf(known, wanted.metric, about, counter ? "rate" : "value"),
    [known, wanted.metric, counter],
  );
  const here = useMemo(
    () => alerts.filter((alert) => metricOf(alert.series) === wanted.metric),
    [alerts, wanted.metric],
  );
  if (!history) {
    return (
      <figure class="card chart">
        <h2>{title}</h2>
        <p class="empty">{failure ? w().chart.failures(failure) : w().loading}</p>
      </figure>
    );
  }
  return (
    <Chart
      title={title}
      unit={rated(history.unit ?? unitOf(wanted.metric), counter)}
      lines={lines}
      thresholds={thresholds}
      alerts={here}
      {...(top === undefined ? {} : { top })}
    />
  );
}

function rated(unit: string | null, counter: boolean): string | null {
  if (!counter) return unit;
  return unit === "By" ? "By/s" : unit === "s" ? null : "/s"; // seconds a second is a plain number
}

function linesOf(history: History, title: string, only: MetricChartProps["only"]): Line[] {
  const shown = history.series.filter((series) => !only || only(series.labels));
  const median = history.type === "histogram" ? 4 : 1; // of a histogram: p95
  return shown.map((series) => ({
    label: labelText(series.labels) || title,
    points: series.points.map((point) => [point[0], point[median] ?? null] as TimePoint),
  }));
}

function ranked(lines: readonly Line[]): Map<string, number> {
  const sums = lines.map((line) => ({
    label: line.label,
    sum: line.points.reduce((sum, point) => sum + (point[1] ?? 0), 0),
  }));
  return new Map(sums.sort((a, b) => b.sum - a.sum).map(({ label }, rank) => [label, rank]));
}
