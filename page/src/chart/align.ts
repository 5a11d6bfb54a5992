/** Points of many series in the columns that the charts draw: one axis of times, one column a series. Pure. */

export type Column = (number | null | undefined)[];
export type TimePoint = readonly [at_s: number, value: number | null];

const GAP_INTERVALS = 5;
const SHORTEST_GAP_S = 15;

/** Return [times, ...columns]: null where a line breaks, undefined where a series only has no point of its own. */
export function align(series: readonly (readonly TimePoint[])[]): [number[], ...Column[]] {
  const broken = series.map(withGaps);
  const first = broken[0] ?? [];
  if (broken.every((points) => sameTimes(points, first))) {
    return [first.map((point) => point[0]), ...broken.map((points) => points.map((point) => point[1]))];
  }
  const times = [...new Set(broken.flatMap((points) => points.map((point) => point[0])))].sort(
    (a, b) => a - b,
  );
  const rows = new Map(times.map((at_s, row) => [at_s, row]));
  const columns = broken.map((points) => {
    const column: Column = new Array(times.length).fill(undefined);
    for (const [at_s, value] of points) column[rows.get(at_s) ?? 0] = value;
    return column;
  });
  return [times, ...columns];
}

function sameTimes(points: readonly TimePoint[], others: readonly TimePoint[]): boolean {
  if (points.length !== others.length) return false;
  return points.every((point, row) => point[0] === others[row]?.[0]);
}

/** Return the points with an empty one where for five intervals, at least 15 s, nothing came. */
export function withGaps(points: readonly TimePoint[]): readonly TimePoint[] {
  const longest_s = Math.max(SHORTEST_GAP_S, GAP_INTERVALS * interval(points.map((point) => point[0])));
  const out: TimePoint[] = [];
  let before: TimePoint | undefined;
  for (const point of points) {
    if (before && point[0] - before[0] > longest_s) out.push([before[0] + longest_s / GAP_INTERVALS, null]);
    out.push(point);
    before = point;
  }
  return out.length === points.length ? points : out;
}

/** Return the usual time between two points: the median of the newest hundred. */
export function interval(times: readonly number[]): number {
  const newest = times.slice(-100);
  const steps = newest.slice(1).map((at_s, row) => at_s - (newest[row] ?? at_s));
  steps.sort((a, b) => a - b);
  return steps[Math.floor(steps.length / 2)] ?? 0;
}

/** Return the columns cut to a span of time, with one point on each side so that lines reach the edge. */
export function within(
  columns: readonly [number[], ...Column[]],
  from_s: number,
  until_s: number,
): [number[], ...Column[]] {
  const [times, ...rest] = columns;
  let start = times.findIndex((at_s) => at_s >= from_s);
  if (start < 0) start = times.length;
  let end = times.findLastIndex((at_s) => at_s <= until_s) + 1;
  start = Math.max(0, start - 1);
  end = Math.min(times.length, end + 1);
  return [times.slice(start, end), ...rest.map((column) => column.slice(start, end))];
}
