import assert from "node:assert/strict";
import { test } from "node:test";
import { appendWindows, mergeAlerts, mergeHistory, mergeLoadTests, mergeSources } from "../src/live/merge.ts";
import type { Alert, History, LoadTest, Point, Source } from "../src/types.ts";

const alert = (alert_id: string, state: Alert["state"] = "firing") => ({ alert_id, state }) as Alert;
const history = (...points: Point[]): History => ({
  metric: "m",
  unit: "1",
  type: "gauge",
  series: [{ source: "a", kind: "host", labels: {}, points }],
});
const times = (of: History) => of.series[0]?.points.map((point) => point[0]);

test("a resolved alert is no longer among those that are active", () => {
  const known = mergeAlerts(new Map(), { snapshot: true, alerts: [alert("1"), alert("2")] });
  const after = mergeAlerts(known, { snapshot: false, alerts: [alert("1", "resolved")] });
  assert.deepEqual([...after.keys()], ["2"]);
});

test("a snapshot replaces what was known", () => {
  const known = mergeAlerts(new Map(), { snapshot: true, alerts: [alert("1")] });
  assert.deepEqual([...mergeAlerts(known, { snapshot: true, alerts: [alert("2")] }).keys()], ["2"]);
});

test("a pending alert that came to nothing goes", () => {
  const known = mergeAlerts(new Map(), { snapshot: true, alerts: [alert("1", "pending")] });
  assert.equal(mergeAlerts(known, { snapshot: false, alerts: [], gone: ["1"] }).size, 0);
});

test("sources of one name and two kinds are two", () => {
  const of = (kind: string) => ({ source: "a", kind }) as Source;
  const known = mergeSources(new Map(), { snapshot: true, sources: [of("host"), of("app")] });
  const after = mergeSources(known, { snapshot: false, sources: [], gone: [{ source: "a", kind: "app" }] });
  assert.deepEqual(
    [...after.values()].map((source) => source.kind),
    ["host"],
  );
});

test("a history asked for again fills the gap that the stream left", () => {
  const live = mergeHistory(history([1, 0], [2, 0]), history([6, 0]));
  assert.deepEqual(times(mergeHistory(live, history([3, 0], [4, 0], [5, 0], [6, 0]))), [1, 2, 3, 4, 5, 6]);
});

test("a point that is told twice is there once", () => {
  assert.deepEqual(times(mergeHistory(history([1, 0], [2, 0]), history([2, 0], [3, 0]))), [1, 2, 3]);
});

test("only the last thousand points are kept", () => {
  const many = Array.from({ length: 1000 }, (_, at): Point => [at, 0]);
  const merged = mergeHistory(history(...many), history([1000, 0], [1001, 0]));
  assert.deepEqual([times(merged)?.length, times(merged)?.[0]], [1000, 2]);
});

test("a series that begins later joins the others", () => {
  const more = {
    ...history([5, 1]),
    series: [{ source: "a", kind: "host", labels: { x: "y" }, points: [] }],
  };
  assert.equal(mergeHistory(history([1, 0]), more).series.length, 2);
});

test("load tests are listed newest first, each once", () => {
  const run = (run_id: string, started_at: string, state = "running") =>
    ({ run_id, started_at, state }) as LoadTest;
  const known = mergeLoadTests([], { snapshot: true, loadtests: [run("a", "1"), run("b", "2")] });
  const after = mergeLoadTests(known, { snapshot: false, loadtests: [run("a", "1", "finished")] });
  assert.deepEqual(
    after.map((one) => [one.run_id, one.state]),
    [
      ["b", "running"],
      ["a", "finished"],
    ],
  );
});

test("a window that is told twice is there once", () => {
  assert.deepEqual(appendWindows([{ index: 0 }, { index: 1 }], [{ index: 1 }, { index: 2 }]), [
    { index: 0 },
    { index: 1 },
    { index: 2 },
  ]);
});
