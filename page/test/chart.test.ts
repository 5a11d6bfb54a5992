import assert from "node:assert/strict";
import { test } from "node:test";
import { align, interval, withGaps } from "../src/chart/align.ts";
import { binWidth, heatOf, quantile, quantiles, throughput } from "../src/chart/bins.ts";
import { thresholdsOf } from "../src/chart/thresholds.ts";
import type { BucketPoint, History, Point, Rule } from "../src/types.ts";

test("series with the same moments share one column of times", () => {
  const data = align([
    [
      [1, 10],
      [2, 20],
    ],
    [
      [1, 5],
      [2, 6],
    ],
  ]);
  assert.deepEqual(data, [
    [1, 2],
    [10, 20],
    [5, 6],
  ]);
});

test("where only the other series has a point, a line goes on", () => {
  const [times, first, second] = align([
    [
      [1, 10],
      [3, 30],
    ],
    [[2, 5]],
  ]);
  assert.deepEqual(
    [times, first, second],
    [
      [1, 2, 3],
      [10, undefined, 30],
      [undefined, 5, undefined],
    ],
  );
});

test("a line breaks where nothing came for five intervals", () => {
  const points = [0, 5, 10, 15, 60, 65].map((at): [number, number] => [at, 1]);
  assert.deepEqual(
    withGaps(points).filter((point) => point[1] === null),
    [[20, null]],
  );
});

test("a line does not break for a message or two that is missing", () => {
  const points = [0, 5, 10, 20, 25, 40].map((at): [number, number] => [at, 1]);
  assert.equal(withGaps(points).length, 6);
});

test("the interval is the usual step, not a rare one", () => {
  assert.equal(interval([0, 5, 10, 15, 100, 105]), 5);
});

const counted = (status: string, ...points: Point[]) => ({
  source: status,
  kind: "app",
  labels: { "http.response.status_code": status },
  points,
});

test("requests of all instances add up in bins; the bin under way is left out", () => {
  const history: History = {
    metric: "d",
    unit: "s",
    type: "histogram",
    series: [counted("200", [10, 30], [15, 30], [20, 5]), counted("500", [11, 10], [16, 0])],
  };
  assert.deepEqual(throughput(history, 5), {
    rates: [
      [10, 8],
      [15, 6],
    ],
    errorShares: [
      [10, 0.25],
      [15, 0],
    ],
  });
});

test("a bin without requests has no share of errors", () => {
  const history: History = {
    metric: "d",
    unit: "s",
    type: "histogram",
    series: [counted("200", [10, 0], [15, 1])],
  };
  assert.deepEqual(throughput(history, 5).errorShares, [[10, null]]);
});

const buckets = (...series: BucketPoint[][]): History<BucketPoint> => ({
  metric: "d",
  unit: "s",
  type: "histogram",
  base: 2,
  series: series.map((points, at) => ({ source: String(at), kind: "app", labels: {}, points })),
});

test("buckets of two instances add up whatever their offsets", () => {
  const heat = heatOf(
    buckets(
      [
        [10, 1, 0, [1, 2]],
        [15, 0, 0, []],
      ],
      [[12, 0, -2, [4, 0, 0, 5]]],
    ),
    5,
  );
  assert.deepEqual(heat.bins, [{ at_s: 10, zeros: 1, from: -2, counts: [4, 0, 1, 7] }]);
});

test("a quantile lies within its bucket", () => {
  const bin = { at_s: 0, zeros: 0, from: 0, counts: [50, 50] };
  assert.equal(quantile(bin, 2, 0.5), 2);
  assert.ok((quantile(bin, 2, 0.95) ?? 0) > 3 && (quantile(bin, 2, 0.95) ?? 9) < 4);
});

test("a quantile of nothing is nothing", () => {
  assert.equal(quantile({ at_s: 0, zeros: 0, from: 0, counts: [] }, 2, 0.5), null);
});

test("a bin is as wide as the slowest instance's interval", () => {
  assert.equal(binWidth([{ points: [[0], [5], [10]] }, { points: [[0], [30], [60]] }]), 30);
});

const rule = (fields: Partial<Rule>): Rule =>
  ({
    name: "r",
    metric: "m",
    function: "last",
    thresholds: { warning: 1 },
    match: {},
    ...fields,
  }) as Rule;

test("a chart has the thresholds of the rules that judge what it shows", () => {
  const about = { kind: "host", source: "web-1" };
  const names = (...rules: Rule[]) => thresholdsOf(rules, "m", about, "value").map((one) => one.rule);
  assert.deepEqual(
    names(
      rule({ name: "all" }),
      rule({ name: "other metric", metric: "n" }),
      rule({ name: "percentile", function: "p95" }),
      rule({ name: "this source", match: { source: { "=~": "web-.*" } } }),
      rule({ name: "another source", match: { source: "db-1" } }),
      rule({ name: "another kind", match: { kind: { "!=": "host" } } }),
    ),
    ["all", "this source"],
  );
});

test("an application that reports and has no requests served none; one that is silent is unknown", () => {
  const history: History = {
    metric: "d",
    unit: "s",
    type: "histogram",
    series: [counted("200", [10, 5], [30, 5], [35, 1])],
  };
  const reports: History = {
    ...history,
    type: "gauge",
    series: [counted("", [10, 0], [15, 0], [30, 0], [35, 0])],
  };
  assert.deepEqual(throughput(history, 5, reports).rates, [
    [10, 1],
    [15, 0],
    [30, 1],
  ]);
});

test("a line of quantiles breaks where there were no events", () => {
  const heat = heatOf(
    buckets([
      [10, 0, 0, [1]],
      [30, 0, 0, [1]],
      [35, 0, 0, [1]],
      [40, 0, 0, [1]],
    ]),
    5,
  );
  assert.deepEqual(
    quantiles(heat, 1).map((point) => point[1] === null),
    [false, true, false, false],
  );
});
