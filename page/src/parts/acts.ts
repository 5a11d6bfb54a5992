/** What a person does to an alert, each with its way back. */

import { send, sendLast } from "../api.ts";
import { alerts } from "../live/store.ts";
import type { Alert, Silence } from "../types.ts";
import { w, you } from "../words/index.ts";
import { say, sayFailure } from "./toasts.tsx";

const SILENCE_S = 3600;
const RESOLVE_AFTER_MS = 6000;

const person = () => (you.peek() ? { by: you.peek() } : {});
const path = (alert: Alert, verb: string) => `/alerts/${encodeURIComponent(alert.alert_id)}/${verb}`;

/** Show an alert's new state before the stream says so. */
function take(changed: Alert): void {
  const known = alerts.peek();
  if (!known?.has(changed.alert_id)) return;
  const merged = new Map(known);
  if (changed.state === "resolved") merged.delete(changed.alert_id);
  else merged.set(changed.alert_id, changed);
  alerts.value = merged;
}

export async function acknowledge(alert: Alert): Promise<void> {
  try {
    take(await send<Alert>("POST", path(alert, "acknowledge"), person()));
    say(w().acknowledged(alert.summary), async () => {
      take(await send<Alert>("POST", path(alert, "unacknowledge"), person()));
    });
  } catch (error) {
    sayFailure(error);
  }
}

export async function unacknowledge(alert: Alert): Promise<void> {
  try {
    take(await send<Alert>("POST", path(alert, "unacknowledge"), person()));
  } catch (error) {
    sayFailure(error);
  }
}

/** Hold back this rule's messages about this source. */
export async function silence(alert: Alert): Promise<void> {
  try {
    const made = await send<Silence>("POST", "/silences", {
      ...person(),
      matchers: { alertname: alert.rule, source: alert.source },
      duration_s: SILENCE_S,
      comment: alert.summary,
    });
    take({ ...alert, silenced: true });
    say(w().silenced(alert.summary), async () => {
      await send("POST", `/silences/${encodeURIComponent(made.id)}/expire`, person());
      take({ ...alert, silenced: false });
    });
  } catch (error) {
    sayFailure(error);
  }
}

const waiting = new Map<string, { alert: Alert; timer: number }>();

/** Resolve after a moment in which it can be taken back: what is resolved stays so. */
export function resolve(alert: Alert): void {
  if (waiting.has(alert.alert_id)) return;
  const timer = setTimeout(() => {
    waiting.delete(alert.alert_id);
    send<Alert>("POST", path(alert, "resolve"), person()).then(take, (error) => {
      take(alert);
      const known = alerts.peek();
      if (known && !known.has(alert.alert_id)) alerts.value = new Map(known).set(alert.alert_id, alert);
      sayFailure(error);
    });
  }, RESOLVE_AFTER_MS) as unknown as number;
  waiting.set(alert.alert_id, { alert, timer });
  take({ ...alert, state: "resolved" });
  say(
    w().resolving(alert.summary),
    () => {
      clearTimeout(timer);
      waiting.delete(alert.alert_id);
      alerts.value = new Map(alerts.peek() ?? []).set(alert.alert_id, alert);
    },
    RESOLVE_AFTER_MS - 200,
  );
}

/** Whoever leaves within that moment has resolved it. */
addEventListener("pagehide", () => {
  for (const { alert, timer } of waiting.values()) {
    clearTimeout(timer);
    sendLast(path(alert, "resolve"), person());
  }
  waiting.clear();
});
