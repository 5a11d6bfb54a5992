/** Load tests: start one, watch it, look at it afterwards, compare two. */

import { useEffect } from "preact/hooks";
import { moment } from "../format.ts";
import { ask, loadtests, nowMs } from "../live/store.ts";
import { Mark } from "../parts/Mark.tsx";
import { asked, setQuery, write } from "../route.ts";
import type { LoadTest, Tone } from "../types.ts";
import { locale, w } from "../words/index.ts";
import { LoadComparison } from "./LoadComparison.tsx";
import { LoadForm } from "./LoadForm.tsx";
import { LoadRun } from "./LoadRun.tsx";

export function page({ path }: { path: readonly string[] }) {
  useEffect(() => ask({ topics: ["loadtests"] }), []);
  if (path[0] === "compare" && path[1] && path[2]) return <LoadComparison ids={[path[1], path[2]]} />;
  if (path[0]) return <LoadRun id={path[0]} />;
  return (
    <>
      <h1>{w().load.title}</h1>
      <LoadForm />
      <Runs runs={loadtests.value} />
    </>
  );
}

export function verdictTone(run: LoadTest): Tone {
  if (run.state === "running") return "none";
  if (run.state !== "finished") return "warning";
  return { valid: "ok", suspect: "warning", invalid: "error" }[run.verdict?.measurement ?? "suspect"] as Tone;
}

export function Standing({ run }: { run: LoadTest }) {
  const words = w().load;
  const measured = run.verdict ? words.measurement[run.verdict.measurement] : null;
  return <Mark tone={verdictTone(run)}>{measured ?? words.state[run.state] ?? run.state}</Mark>;
}

function Runs({ runs }: { runs: readonly LoadTest[] | null }) {
  const words = w().load;
  const chosen = asked("compare").split(",").filter(Boolean);
  const flip = (id: string) => {
    const kept = chosen.filter((one) => one !== id);
    setQuery({ compare: (kept.length === chosen.length ? [...chosen, id].slice(-2) : kept).join(",") });
  };
  return (
    <section class="card">
      <div class="head">
        <h2>{words.list}</h2>
        {chosen.length === 2 ? (
          <a class="button first end" href={write(["loadtests", "compare", ...chosen])}>
            {words.compare}
          </a>
        ) : (
          (runs?.length ?? 0) > 1 && <span class="small quiet end">{words.chooseTwo}</span>
        )}
      </div>
      {runs === null ? (
        <p class="empty">{w().loading}</p>
      ) : runs.length === 0 ? (
        <p class="empty">{words.none}</p>
      ) : (
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <td />
                <th>{words.run}</th>
                <th>{words.target}</th>
                <th>{w().columns.state}</th>
                <th>{words.began}</th>
              </tr>
            </thead>
            <tbody>
              {runs.map((run) => (
                <tr key={run.run_id}>
                  <td>
                    <input
                      type="checkbox"
                      aria-label={words.choose(run.run_id)}
                      checked={chosen.includes(run.run_id)}
                      onChange={() => flip(run.run_id)}
                    />
                  </td>
                  <th scope="row">
                    <a href={write(["loadtests", run.run_id])}>{run.run_id}</a>
                  </th>
                  <td class="wrap">{run.target}</td>
                  <td>
                    <Standing run={run} />
                  </td>
                  <td class="small">{run.started_at && moment(run.started_at, locale.value, nowMs.value)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
