/** The alerts about something within a time, over and still firing; asked for anew when one changes. */

import { computed } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { get, query } from "../api.ts";
import type { Alert } from "../types.ts";
import { alerts } from "./store.ts";

export interface About {
  kind: string;
  source?: string;
  group?: string;
}

const isAbout = (alert: Alert, about: About): boolean =>
  alert.kind === about.kind &&
  (about.source === undefined || alert.source === about.source) &&
  (about.group === undefined || alert.group === about.group);

export function useAlertsOf(about: About, since_s: number | null): readonly Alert[] {
  const [known, setKnown] = useState<readonly Alert[]>([]);
  const key = JSON.stringify(about);
  // changes of these alerts alone: others' are not worth a question
  const state = computed(() =>
    [...(alerts.value?.values() ?? [])]
      .filter((alert) => isAbout(alert, about))
      .map((alert) => `${alert.alert_id} ${alert.state} ${alert.severity}`)
      .sort()
      .join(),
  ).value;
  const hour = since_s === null ? null : Math.floor(since_s / 60) * 60;
  useEffect(() => {
    if (hour === null) return;
    const abort = new AbortController();
    const asked = query({ state: "all", source: about.source, since: hour, limit: 500 });
    get<{ alerts: Alert[] }>(`/alerts${asked}`, abort.signal).then(
      (answer) => setKnown(answer.alerts.filter((alert) => isAbout(alert, about) && alert.severity !== null)),
      () => undefined, // charts without marks are better than none
    );
    return () => abort.abort();
  }, [key, state, hour]);
  return known;
}
