/** One load test: live while it runs, its result and verdict afterwards. */

import { useMemo } from "preact/hooks";
import { send } from "../api.ts";
import { Chart, type Line } from "../chart/Chart.tsx";
import { inUnit, moment, number, percent, seconds } from "../format.ts";
import { useLoadRun } from "../live/loadrun.ts";
import { nowMs } from "../live/store.ts";
import { Facts } from "../parts/Figures.tsx";
import { Mark } from "../parts/Mark.tsx";
import { say, sayFailure } from "../parts/toasts.tsx";
import { write } from "../route.ts";
import type { LoadResult, LoadTestDetail, LoadWindow } from "../types.ts";
import { locale, w } from "../words/index.ts";
import { Standing } from "./LoadTests.tsx";

export function LoadRun({ id }: { id: string }) {
  const { run, failure } = useLoadRun(id);
  const words = w().load;
  const stop = () =>
    send("DELETE", `/loadtests/${encodeURIComponent(id)}`).then(
      () => say(words.state.interrupted ?? ""),
      sayFailure,
    );
  return (
    <>
      <div class="head">
        <p class="crumbs">
          <a href={write(["loadtests"])}>{words.title}</a>
        </p>
        <h1>{run?.target || id}</h1>
        {run && <Standing run={run} />}
        {run?.state === "running" && (
          <button type="button" class="button" onClick={() => void stop()}>
            {words.stop}
          </button>
        )}
      </div>
      {!run && <p class="empty">{failure ? w().failed(failure) : w().loading}</p>}
      {run && (
        <>
          {run.verdict && run.verdict.reasons.length > 0 && (
            <ul class="quiet">
              {run.verdict.reasons.map((reason) => (
                <li key={reason}>{reason}</li>
              ))}
            </ul>
          )}
          <Summary run={run} />
          <Seconds windows={run.windows} />
          {run.result?.slo && run.result.slo.length > 0 && <Goals result={run.result} />}
        </>
      )}
    </>
  );
}

function Summary({ run }: { run: LoadTestDetail }) {
  const words = w().load;
  const facts: [string, string][] = [[words.run, run.run_id]];
  if (run.started_at) facts.push([words.began, moment(run.started_at, locale.value, nowMs.value)]);
  const { result } = run;
  if (result) facts.push(...figuresOf(result).map(({ label, said }): [string, string] => [label, said]));
  else {
    const sent = run.windows.reduce((sum, one) => sum + one.sent, 0);
    facts.push([words.sent, number(sent, locale.value)]);
  }
  return (
    <section class="card">
      <Facts facts={facts} />
    </section>
  );
}

export interface LoadFigure {
  label: string;
  value: number | null;
  said: string;
  unit: string | null;
  /** Whether more of it is better; null where neither is. */
  more: boolean | null;
}

export function figuresOf(result: LoadResult): LoadFigure[] {
  const words = w().load;
  const figure = (
    label: string,
    value: number | null | undefined,
    unit: string | null,
    more: boolean | null,
  ) => ({
    label,
    value: value ?? null,
    unit,
    more,
    said: inUnit(value, unit, locale.value),
  });
  const failed = (result.http_errors ?? 0) + (result.connection_errors ?? 0) + (result.timeouts ?? 0);
  return [
    figure(words.sent, result.sent, null, null),
    figure(words.rate, result.rate, "/s", true),
    figure(words.success, result.success_rate, "1", true),
    figure(words.failures, failed, null, false),
    figure("p50", result.response?.p50_s, "s", false),
    figure("p95", result.response?.p95_s, "s", false),
    figure("p99", result.response?.p99_s, "s", false),
    figure("max", result.response?.max_s, "s", false),
  ];
}

const failures = (one: LoadWindow) => one.http_errors + one.connection_errors + one.timeouts;

export function lineOf(
  label: string,
  windows: readonly LoadWindow[],
  of: (one: LoadWindow) => number | null,
): Line {
  return { label, points: windows.map((one) => [one.to_s, of(one)]) };
}

function Seconds({ windows }: { windows: readonly LoadWindow[] }) {
  const words = w().load;
  const language = locale.value;
  const lines = useMemo(
    () => ({
      answers: [lineOf(words.ok, windows, (one) => one.ok), lineOf(words.failures, windows, failures)],
      latency: [
        lineOf("p50", windows, (one) => one.p50_s),
        lineOf("p95", windows, (one) => one.p95_s),
        lineOf("p99", windows, (one) => one.p99_s),
      ],
      flight: [lineOf(words.inFlight, windows, (one) => one.in_flight)],
    }),
    [windows, language],
  );
  return (
    <div class="charts">
      <Chart title={words.throughput} unit={null} lines={lines.answers} relative />
      <Chart title={words.latency} unit="s" lines={lines.latency} relative />
      <Chart title={words.inFlight} unit={null} lines={lines.flight} relative />
    </div>
  );
}

function Goals({ result }: { result: LoadResult }) {
  const words = w().load;
  return (
    <section class="card">
      <h2>{words.goals}</h2>
      <ul class="deductions">
        {result.slo?.map((goal) => (
          <li key={goal.expression}>
            <span>{goal.expression}</span>
            <Mark tone={goal.pass === null ? "none" : goal.pass ? "ok" : "error"}>
              {goal.pass === null ? words.unknown : goal.pass ? words.met : words.missed} (
              {goal.expression.includes("rate")
                ? percent(goal.value, locale.value)
                : seconds(goal.value, locale.value)}
              )
            </Mark>
          </li>
        ))}
      </ul>
    </section>
  );
}
