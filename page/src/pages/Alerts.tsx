/** Alerts: what there was, with filters; and one alert's story. */

import { useEffect, useState } from "preact/hooks";
import { get, query, Refusal } from "../api.ts";
import { rules } from "../live/rules.ts";
import { ask, alerts as live } from "../live/store.ts";
import { AlertTable } from "../parts/AlertList.tsx";
import { asked, setQuery } from "../route.ts";
import type { Alert } from "../types.ts";
import { w } from "../words/index.ts";
import { OneAlert } from "./OneAlert.tsx";

const PAGE = 50;
const STATES = ["all", "firing", "pending", "resolved"] as const;
const SEVERITIES = ["critical", "error", "warning"] as const;

export function page({ path }: { path: readonly string[] }) {
  return path[0] ? <OneAlert id={path[0]} /> : <History />;
}

interface Page {
  alerts: Alert[];
  next_cursor: string | null;
}

function History() {
  const [pages, setPages] = useState<readonly Page[] | null>(null);
  const [failure, setFailure] = useState("");
  const filters = {
    state: asked("state") || "all",
    severity: asked("severity"),
    rule: asked("rule"),
    source: asked("source"),
    since: epoch(asked("since")),
    until: epoch(asked("until")),
    limit: PAGE,
  };
  const question = query(filters);
  useEffect(() => ask({ topics: [] }), []);
  // asked anew when an alert changes; the pages after the first are then asked for again
  const changed = live.value;
  useEffect(() => {
    const abort = new AbortController();
    get<Page>(`/alerts${question}`, abort.signal).then(
      (first) => {
        setFailure("");
        setPages((known) => (known && known.length > 1 ? [first, ...known.slice(1)] : [first]));
      },
      (error: unknown) => {
        if (!abort.signal.aborted) setFailure(error instanceof Refusal ? error.message : w().lost);
      },
    );
    return () => abort.abort();
  }, [question, changed]);
  useEffect(() => setPages(null), [question]);
  const cursor = pages?.at(-1)?.next_cursor ?? null;
  const more = () =>
    get<Page>(`/alerts${query({ ...filters, cursor })}`).then(
      (next) => setPages([...(pages ?? []), next]),
      () => setFailure(w().lost),
    );
  const listed = unique(pages?.flatMap((one) => one.alerts) ?? []);
  return (
    <>
      <h1>{w().alertsTitle}</h1>
      <Filters />
      {failure && <p class="refused">{w().failed(failure)}</p>}
      <section class="card">
        {pages === null ? (
          <p class="empty">{w().loading}</p>
        ) : listed.length === 0 ? (
          <p class="empty">{w().noMatches}</p>
        ) : (
          <AlertTable alerts={listed} />
        )}
        {cursor && (
          <button type="button" class="button" onClick={() => void more()}>
            {w().more}
          </button>
        )}
      </section>
    </>
  );
}

function unique(alerts: readonly Alert[]): Alert[] {
  return [...new Map(alerts.map((alert) => [alert.alert_id, alert])).values()];
}

function epoch(local: string): number | null {
  const at = Date.parse(local);
  return Number.isNaN(at) ? null : at / 1000;
}

function Filters() {
  const words = w().filters;
  const choose = (key: string) => (event: Event) =>
    setQuery({ [key]: (event.currentTarget as HTMLInputElement | HTMLSelectElement).value });
  const moment = (key: "since" | "until", text: string) => (
    <label class="field">
      {text}
      <input type="datetime-local" value={asked(key)} onChange={choose(key)} />
    </label>
  );
  return (
    <form class="fields" onSubmit={(event) => event.preventDefault()}>
      <label class="field">
        {words.state}
        <select value={asked("state") || "all"} onChange={choose("state")}>
          {STATES.map((state) => (
            <option key={state} value={state}>
              {w().state[state]}
            </option>
          ))}
        </select>
      </label>
      <label class="field">
        {words.severity}
        <select value={asked("severity")} onChange={choose("severity")}>
          <option value="">{words.any}</option>
          {SEVERITIES.map((severity) => (
            <option key={severity} value={severity}>
              {w().severity[severity]}
            </option>
          ))}
        </select>
      </label>
      <label class="field">
        {words.rule}
        <select value={asked("rule")} onChange={choose("rule")}>
          <option value="">{words.any}</option>
          {rules.value.map((rule) => (
            <option key={rule.name} value={rule.name}>
              {rule.name}
            </option>
          ))}
        </select>
      </label>
      <label class="field">
        {words.source}
        <input type="text" value={asked("source")} onChange={choose("source")} />
      </label>
      {moment("since", words.from)}
      {moment("until", words.until)}
    </form>
  );
}
