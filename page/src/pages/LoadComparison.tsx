/** Two load tests side by side: figures with their differences, and both courses in the same charts. */

import { useMemo } from "preact/hooks";
import { Chart } from "../chart/Chart.tsx";
import { percent } from "../format.ts";
import { useLoadRun } from "../live/loadrun.ts";
import { Mark } from "../parts/Mark.tsx";
import { write } from "../route.ts";
import { locale, w } from "../words/index.ts";
import { figuresOf, type LoadFigure, lineOf } from "./LoadRun.tsx";
import { Standing } from "./LoadTests.tsx";

export function LoadComparison({ ids }: { ids: readonly [string, string] }) {
  const first = useLoadRun(ids[0]);
  const second = useLoadRun(ids[1]);
  const words = w().load;
  const runs = [first.run, second.run] as const;
  const lines = useMemo(() => {
    const both = (of: Parameters<typeof lineOf>[2]) =>
      runs.map((run, position) => lineOf(ids[position] ?? "", run?.windows ?? [], of));
    return {
      answers: both((one) => one.ok),
      p95: both((one) => one.p95_s),
    };
  }, [first.run, second.run]);
  const failure = first.failure || second.failure;
  if (failure) return <p class="empty">{w().failed(failure)}</p>;
  if (!runs[0] || !runs[1]) return <p class="empty">{w().loading}</p>;
  const figures = [figuresOf(runs[0].result ?? {}), figuresOf(runs[1].result ?? {})] as const;
  return (
    <>
      <div class="head">
        <p class="crumbs">
          <a href={write(["loadtests"])}>{words.title}</a>
        </p>
        <h1>{words.comparison}</h1>
      </div>
      <section class="card scroll">
        <table>
          <thead>
            <tr>
              <th>{words.figure}</th>
              {runs.map(
                (run) =>
                  run && (
                    <th key={run.run_id} class="number">
                      <a href={write(["loadtests", run.run_id])}>{run.run_id}</a> <Standing run={run} />
                    </th>
                  ),
              )}
              <th class="number">{words.difference}</th>
            </tr>
          </thead>
          <tbody>
            {figures[0].map((before, row) => {
              const after = figures[1][row];
              return (
                after && (
                  <tr key={before.label}>
                    <th scope="row">{before.label}</th>
                    <td class="number">{before.said}</td>
                    <td class="number">{after.said}</td>
                    <td class="number">
                      <Difference before={before} after={after} />
                    </td>
                  </tr>
                )
              );
            })}
          </tbody>
        </table>
      </section>
      <div class="charts">
        <Chart title={words.throughput} unit={null} lines={lines.answers} relative />
        <Chart title={`${words.latency}, p95`} unit="s" lines={lines.p95} relative />
      </div>
    </>
  );
}

const WORTH_SAYING = 0.02;

function Difference({ before, after }: { before: LoadFigure; after: LoadFigure }) {
  const words = w().load;
  if (before.value === null || after.value === null) return <>–</>;
  if (before.value === after.value) return <span class="quiet">{words.same}</span>;
  const change = before.value ? after.value / before.value - 1 : Number.NaN;
  const said = Number.isNaN(change)
    ? ""
    : `${change > 0 ? "+" : "−"}${percent(Math.abs(change), locale.value)}`;
  if (after.more === null || Math.abs(change) < WORTH_SAYING) return <span>{said}</span>;
  const better = after.value > before.value === after.more;
  return (
    <Mark tone={better ? "ok" : "warning"}>
      {said} {better ? words.better : words.worse}
    </Mark>
  );
}
