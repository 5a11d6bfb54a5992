/** One alert's story: how it stands, the value around that time, and everything that happened. */

import { useEffect, useMemo, useState } from "preact/hooks";
import { get, Refusal } from "../api.ts";
import { MetricChart } from "../chart/MetricChart.tsx";
import { inUnit, moment } from "../format.ts";
import { rules } from "../live/rules.ts";
import { ask, alerts as live, nowMs } from "../live/store.ts";
import { lasted } from "../parts/AlertList.tsx";
import { Acts, against, sourcePlace, Tags } from "../parts/AlertRow.tsx";
import { Facts } from "../parts/Figures.tsx";
import { Mark, SeverityMark } from "../parts/Mark.tsx";
import { write } from "../route.ts";
import type { AlertWithTimeline, Severity, TimelineEntry, Tone } from "../types.ts";
import { alertUnit, labelsOf, metricOf } from "../units.ts";
import { locale, w } from "../words/index.ts";

export function OneAlert({ id }: { id: string }) {
  const [known, setKnown] = useState<AlertWithTimeline | null>(null);
  const [failure, setFailure] = useState("");
  const changed = live.value?.get(id);
  useEffect(() => {
    const abort = new AbortController();
    const load = () =>
      get<AlertWithTimeline>(`/alerts/${encodeURIComponent(id)}`, abort.signal).then(
        (alert) => {
          setKnown(alert);
          setFailure("");
        },
        (error: unknown) => {
          if (!abort.signal.aborted) setFailure(error instanceof Refusal ? error.message : w().lost);
        },
      );
    void load();
    const again = setInterval(() => void load(), 5000); // deliveries have no event
    return () => {
      clearInterval(again);
      abort.abort();
    };
  }, [id, changed]);
  const source = known?.source;
  const kind = known?.kind;
  const metric = known ? metricOf(known.series) : "";
  useEffect(() => {
    if (source && kind) {
      ask({
        topics: ["points"],
        filters: [
          ["source", source],
          ["kind", kind],
          ["metric", metric],
        ],
      });
    } else ask({ topics: [] });
  }, [source, kind, metric]);
  if (!known) return <p class="empty">{failure ? w().failed(failure) : w().loading}</p>;
  const words = w().facts;
  const facts: [string, string][] = [
    [words.value, against(known)],
    [words.rule, known.rule],
    [words.series, known.series],
    [words.began, moment(known.started_at, locale.value, nowMs.value)],
    [w().columns.lasted, lasted(known)],
  ];
  if (known.resolved_at) {
    facts.push([
      words.ended,
      `${moment(known.resolved_at, locale.value, nowMs.value)}, ${endedBy(known.resolved_by)}`,
    ]);
  }
  return (
    <>
      <div class="head">
        <p class="crumbs">
          <a href={write(["alerts"])}>{w().alertsTitle}</a> ·{" "}
          <a href={sourcePlace(known.kind, known.source, known.group)}>{known.source}</a>
        </p>
        <h1>{known.summary}</h1>
        <SeverityMark severity={known.severity} />
        <span class="tag">{w().state[known.state]}</span>
        <Tags alert={known} />
      </div>
      {known.state === "firing" && <Acts alert={known} />}
      <section class="card">
        <Facts facts={facts} />
        {known.description && <p>{known.description}</p>}
        {/^https?:/.test(known.runbook_url) && (
          <p>
            <a href={known.runbook_url} rel="noreferrer">
              {words.runbook}
            </a>
          </p>
        )}
      </section>
      <Around alert={known} />
      <section class="card">
        <h2>{w().timeline}</h2>
        <ol class="events">
          {known.timeline.map((entry, position) => (
            <li key={`${entry.at} ${position}`}>
              <time class="small quiet" dateTime={entry.at}>
                {moment(entry.at, locale.value, nowMs.value)}
              </time>
              <Entry entry={entry} unit={alertUnit(known, rules.value)} />
            </li>
          ))}
        </ol>
      </section>
    </>
  );
}

/** The alert's own series, where a source has it; a group's is on the application's page. */
function Around({ alert }: { alert: AlertWithTimeline }) {
  const wanted = labelsOf(alert.series);
  const marks = useMemo(() => [alert], [alert]);
  if (alert.kind === "app" && alert.source === alert.group) return null;
  const only = (labels: Record<string, string>) =>
    Object.entries(wanted).every(([key, value]) => labels[key] === value);
  const metric = metricOf(alert.series);
  return (
    <MetricChart
      title={w().aroundAlert}
      wanted={{ metric, source: alert.source, kind: alert.kind }}
      alerts={marks}
      only={only}
      {...(metric.endsWith(".utilization") ? { top: 1 } : {})}
    />
  );
}

function endedBy(by: string | null): string {
  return by === null ? "" : (w().resolvedBy[by] ?? w().byWhom(by));
}

const text = (value: unknown): string => (typeof value === "string" ? value : "");

function Entry({ entry, unit }: { entry: TimelineEntry; unit: string | null }) {
  if (entry.type === "delivery") {
    const outcome = text(entry.outcome);
    const status = typeof entry.http_status === "number" ? ` (HTTP ${entry.http_status})` : "";
    return (
      <span>
        {w().delivery(text(entry.channel), Number(entry.attempt ?? 1))}: {w().outcome[outcome] ?? outcome}
        {status}
      </span>
    );
  }
  const transition = text(entry.transition);
  const severity = text(entry.severity) as Severity | "";
  const tone: Tone = transition === "resolved" ? "ok" : severity || "none";
  const by = text(entry.by) || text(entry.resolved_by) || text(entry.acknowledged_by);
  const details = [
    severity && transition !== "resolved" ? w().severity[severity] : "",
    typeof entry.value === "number" ? inUnit(entry.value, unit, locale.value) : "",
    transition === "resolved" ? endedBy(by || null) : by ? w().byWhom(by) : "",
    text(entry.note),
  ].filter(Boolean);
  return (
    <span>
      <Mark tone={tone}>{w().transition[transition] ?? transition}</Mark>
      {details.length > 0 && <span class="quiet"> · {details.join(", ")}</span>}
    </span>
  );
}
