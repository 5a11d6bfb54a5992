/** Requests of many instances, each with its own moments, put together in bins of time. Pure. */

import type { BucketPoint, History, Point } from "../types.ts";
import { interval, type TimePoint } from "./align.ts";

export interface Heat {
  /** Ratio between the two edges of a bucket. */
  base: number;
  width_s: number;
  /** Each bin: its start, and how many events by bucket; `from` is the exponent of the first. */
  bins: { at_s: number; zeros: number; from: number; counts: number[] }[];
}

const SHORTEST_BIN_S = 1;
const STATUS = "http.response.status_code";

/** Return a bin's width that every series has a point in: the longest interval among them. */
export function binWidth(
  series: readonly { points: readonly (readonly [number, ...unknown[]])[] }[],
): number {
  const steps = series.map((one) => interval(one.points.map((point) => point[0])));
  return Math.max(SHORTEST_BIN_S, Math.round(Math.max(0, ...steps)));
}

const binOf = (at_s: number, width_s: number): number => Math.floor(at_s / width_s) * width_s;

/** Return requests a second and the share of server errors (null where there were no requests), by bin.
 *
 * `reports` is something that the application tells even where nobody asks it for anything:
 * a bin with a report and without requests is a zero, one without either is unknown. The
 * last bin is left out until its time is over: an instance may yet report.
 */
export function throughput(
  history: History<Point>,
  width_s: number,
  reports: History<Point> | null = null,
): { rates: TimePoint[]; errorShares: TimePoint[] } {
  const bins = new Map<number, [requests: number, errors: number]>();
  for (const { points } of reports?.series ?? []) {
    for (const [at_s] of points) bins.set(binOf(at_s, width_s), [0, 0]);
  }
  for (const { labels, points } of history.series) {
    const failed = labels[STATUS]?.startsWith("5") ?? false;
    for (const [at_s, count] of points) {
      const at = binOf(at_s, width_s);
      const bin = bins.get(at) ?? [0, 0];
      bin[0] += count ?? 0;
      if (failed) bin[1] += count ?? 0;
      bins.set(at, bin);
    }
  }
  const sorted = finished([...bins].sort((a, b) => a[0] - b[0]));
  return {
    rates: sorted.map(([at_s, [requests]]) => [at_s, requests / width_s]),
    errorShares: sorted.map(([at_s, [requests, errors]]) => [at_s, requests ? errors / requests : null]),
  };
}

function finished<T>(bins: T[]): T[] {
  return bins.length > 1 ? bins.slice(0, -1) : bins;
}

/** Add up the buckets of all series, bin by bin. */
export function heatOf(history: History<BucketPoint>, width_s: number): Heat {
  const bins = new Map<number, Heat["bins"][number]>();
  for (const { points } of history.series) {
    for (const [at_s, zeros, offset, counts] of points) {
      const at = binOf(at_s, width_s);
      const bin = bins.get(at);
      if (!bin) bins.set(at, { at_s: at, zeros, from: offset, counts: [...counts] });
      else add(bin, zeros, offset, counts);
    }
  }
  const sorted = finished([...bins.values()].sort((a, b) => a.at_s - b.at_s));
  return { base: history.base ?? 2 ** 0.25, width_s, bins: sorted };
}

function add(bin: Heat["bins"][number], zeros: number, offset: number, counts: readonly number[]): void {
  bin.zeros += zeros;
  if (!counts.length) return;
  if (!bin.counts.length) {
    bin.from = offset;
    bin.counts = [...counts];
    return;
  }
  const from = Math.min(bin.from, offset);
  const until = Math.max(bin.from + bin.counts.length, offset + counts.length);
  const sum = new Array<number>(until - from).fill(0);
  bin.counts.forEach((count, position) => {
    sum[bin.from - from + position] = count;
  });
  counts.forEach((count, position) => {
    const row = offset - from + position;
    sum[row] = (sum[row] ?? 0) + count;
  });
  bin.from = from;
  bin.counts = sum;
}

/** Return the value that a fraction `q` of a bin's events stay below; within its bucket by ratio, not at an edge. */
export function quantile(bin: Heat["bins"][number], base: number, q: number): number | null {
  const total = bin.counts.reduce((sum, count) => sum + count, bin.zeros);
  if (!total) return null;
  let rank = q * total - bin.zeros;
  if (rank <= 0) return 0;
  for (const [position, count] of bin.counts.entries()) {
    if (rank <= count) return base ** (bin.from + position + rank / count);
    rank -= count;
  }
  return base ** (bin.from + bin.counts.length);
}

/** Return a quantile over time, in the middle of each bin; a line of it breaks where bins had no events. */
export function quantiles(heat: Heat, q: number): TimePoint[] {
  const points: TimePoint[] = [];
  let due_s: number | null = null;
  for (const bin of heat.bins) {
    if (due_s !== null && bin.at_s > due_s) points.push([due_s + heat.width_s / 2, null]);
    points.push([bin.at_s + heat.width_s / 2, quantile(bin, heat.base, q)]);
    due_s = bin.at_s + heat.width_s;
  }
  return points;
}
