/** What a metric is measured in, where no answer of the gateway says so. */

import type { Alert, Rule } from "./types.ts";

const ENDINGS: readonly (readonly [string, string])[] = [
  [".utilization", "1"],
  [".ratio", "1"],
  [".share", "1"],
  [".duration", "s"],
  [".time", "s"],
  [".uptime", "s"],
  [".wait_time", "s"],
  [".io", "By"],
  [".size", "By"],
  [".bytes", "By"],
  ["memory.usage", "By"],
  ["memory.virtual", "By"],
  ["memory.available", "By"],
  ["memory.limit", "By"],
  ["filesystem.usage", "By"],
  ["filesystem.limit", "By"],
  ["paging.usage", "By"],
];

export const metricOf = (series: string): string => series.split("{", 1)[0] ?? series;

export function unitOf(metric: string): string | null {
  return ENDINGS.find(([ending]) => metric.endsWith(ending))?.[1] ?? null;
}

/** Return what an alert's value is measured in: its rule's function may make it another thing than the metric's. */
export function alertUnit(alert: Pick<Alert, "rule" | "series">, rules: readonly Rule[]): string | null {
  const rule = rules.find((one) => one.name === alert.rule);
  const metric = rule?.metric ?? metricOf(alert.series);
  switch (rule?.function) {
    case "share":
      return "1";
    case "count":
      return null;
    case "rate":
      return "/s";
    default:
      return unitOf(metric);
  }
}

/** Return the labels of a series as it is spelt: `name{key="value",…}`. */
export function labelsOf(series: string): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const [, key, value] of series.matchAll(/([^{,="]+)="((?:[^"\\]|\\.)*)"/g)) {
    if (key !== undefined && value !== undefined)
      labels[key] = value.replace(/\\(.)/g, (_, c) => (c === "n" ? "\n" : c));
  }
  return labels;
}
