import assert from "node:assert/strict";
import { test } from "node:test";
import { hostTiles } from "../src/live/groups.ts";
import type { Alert, Source } from "../src/types.ts";

const host = {
  source: "db-1",
  kind: "host",
  group: "db-1",
  at: "2026-11-25T12:00:00Z",
  stale: false,
  gauges: {
    "system.cpu.utilization": 0.97,
    "system.memory.utilization": 0.59,
    'system.filesystem.utilization{system.filesystem.mountpoint="/"}': 0.61,
    'system.filesystem.utilization{system.filesystem.mountpoint="/data"}': 0.86,
  },
  counters: {},
} as Source;

const alert = (series: string, severity: string) =>
  ({ source: "db-1", kind: "host", group: "db-1", series, severity }) as Alert;

test("a host is as bad as its worst alert, and each bar as the alerts about it alone", () => {
  const disk = 'system.filesystem.utilization{system.filesystem.mountpoint="/data"}';
  const [tile] = hostTiles([host], [alert("system.cpu.utilization", "critical"), alert(disk, "warning")]);
  assert.equal(tile?.tone, "critical");
  assert.deepEqual(tile?.cpu, { share: 0.97, tone: "critical" });
  assert.deepEqual(tile?.memory, { share: 0.59, tone: "ok" });
  assert.deepEqual(tile?.disk, { share: 0.86, tone: "warning" });
});
