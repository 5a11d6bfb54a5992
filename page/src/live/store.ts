/** What the page knows of the platform, live. One stream, whose question is what the shown page wants. */

import { computed, effect, signal } from "@preact/signals";
import { API } from "../api.ts";
import type {
  Alert,
  Health,
  History,
  LoadTest,
  LoadWindow,
  Performance,
  Severity,
  Source,
} from "../types.ts";
import {
  type AlertsEvent,
  type LoadTestsEvent,
  type MetricsEvent,
  mergeAlerts,
  mergeLoadTests,
  mergeSources,
} from "./merge.ts";
import { Stream } from "./stream.ts";

export type Connection = { state: "joining" } | { state: "live" } | { state: "lost"; sinceMs: number };

export const connection = signal<Connection>({ state: "joining" });
export const health = signal<Health | null>(null);
export const alerts = signal<ReadonlyMap<string, Alert> | null>(null);
export const alertsDetail = signal("");
export const sources = signal<ReadonlyMap<string, Source> | null>(null);
export const performance5m = signal<Performance | null>(null);
export const loadtests = signal<readonly LoadTest[] | null>(null);

/** How far the gateway's clock is ahead of this browser's. */
let aheadMs = 0;
const tick = signal(Date.now());
setInterval(() => {
  tick.value = Date.now();
}, 1000);

/** Now, by the gateway's clock; stands still while the connection is lost, as all that is shown does. */
export const nowMs = computed(() =>
  connection.value.state === "lost" ? connection.value.sinceMs + aheadMs : tick.value + aheadMs,
);
export const browserNowMs = computed(() => tick.value);

const RANK: Record<Severity, number> = { critical: 0, error: 1, warning: 2 };

/** What fires, worst first, then newest first; acknowledged and silenced last. */
export const firing = computed(() =>
  [...(alerts.value?.values() ?? [])]
    .filter((alert) => alert.state === "firing")
    .sort(
      (a, b) =>
        Number(held(a)) - Number(held(b)) ||
        RANK[a.severity ?? "warning"] - RANK[b.severity ?? "warning"] ||
        (a.started_at < b.started_at ? 1 : -1),
    ),
);
export const pending = computed(() =>
  [...(alerts.value?.values() ?? [])].filter((alert) => alert.state === "pending"),
);

/** What fires and nobody has taken care of. */
export const unheld = computed(() => firing.value.filter((alert) => !held(alert)));

export const held = (alert: Alert): boolean => alert.acknowledged_by !== null || alert.silenced;

type PointsListener = (histories: History[], snapshot: boolean) => void;
type WindowsListener = (windows: Record<string, LoadWindow[]>) => void;
const pointsListeners = new Set<PointsListener>();
const windowsListeners = new Set<WindowsListener>();

/** Be told of new points; `snapshot` means that some may be missing before them. Returns the way to end it. */
export function onPoints(listener: PointsListener): () => void {
  pointsListeners.add(listener);
  return () => pointsListeners.delete(listener);
}

export function onWindows(listener: WindowsListener): () => void {
  windowsListeners.add(listener);
  return () => windowsListeners.delete(listener);
}

export interface Question {
  topics: readonly ("metrics" | "points" | "performance" | "loadtests")[];
  filters?: readonly (readonly [string, string])[];
}

const question = signal("");

/** Say what the shown page wants, beside health and alerts, which every page has. */
export function ask(wanted: Question): void {
  const topics = ["health", "alerts", ...wanted.topics].join(",");
  const filters = (wanted.filters ?? []).map(([key, value]) => `&${key}=${encodeURIComponent(value)}`);
  question.value = `topics=${topics}${filters.join("")}`;
}

let stream: Stream | null = null;

export function reconnect(): void {
  stream?.hurry();
}

export function start(): void {
  effect(() => {
    if (!question.value) return;
    stream?.close();
    stream = new Stream(`${API}/stream?${question.value}`, {
      opened: () => {
        connection.value = { state: "live" };
      },
      lost: () => {
        if (connection.peek().state !== "lost") connection.value = { state: "lost", sinceMs: Date.now() };
      },
      frame: ({ event, data }) => hear(event, JSON.parse(data)),
    });
  });
}

function hear(topic: string, body: unknown): void {
  switch (topic) {
    case "health": {
      const said = body as Health;
      aheadMs = Math.abs(Date.parse(said.at) - Date.now()) > 2000 ? Date.parse(said.at) - Date.now() : 0;
      health.value = said;
      break;
    }
    case "alerts": {
      const said = body as AlertsEvent;
      alerts.value = mergeAlerts(alerts.peek() ?? new Map(), said);
      alertsDetail.value = said.complete === false ? (said.detail ?? "") : "";
      break;
    }
    case "metrics":
      sources.value = mergeSources(sources.peek() ?? new Map(), body as MetricsEvent);
      break;
    case "points": {
      const said = body as { snapshot: boolean; metrics: History[] };
      for (const listener of pointsListeners) listener(said.metrics, said.snapshot);
      break;
    }
    case "performance":
      performance5m.value = body as Performance;
      break;
    case "loadtests": {
      const said = body as LoadTestsEvent<LoadWindow>;
      loadtests.value = mergeLoadTests(loadtests.peek() ?? [], said);
      if (said.windows) for (const listener of windowsListeners) listener(said.windows);
      break;
    }
  }
}
