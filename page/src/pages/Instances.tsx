import { age, bytes, percent } from "../format.ts";
import { nowMs } from "../live/store.ts";
import { Mark } from "../parts/Mark.tsx";
import { write } from "../route.ts";
import type { Source } from "../types.ts";
import { locale, w } from "../words/index.ts";

/** The processes that make an application, each with a page of its own. */
export function Instances({ instances }: { instances: readonly Source[] }) {
  return (
    <section class="card">
      <h2>{w().instances(instances.length)}</h2>
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th>{w().services.instance}</th>
              <th>{w().columns.state}</th>
              <th class="number">{w().cpu}</th>
              <th class="number">{w().memory}</th>
            </tr>
          </thead>
          <tbody>
            {instances.map((source) => (
              <tr key={source.source}>
                <th scope="row">
                  <a href={write(["hosts", source.source], [["kind", source.kind]])}>{source.source}</a>
                </th>
                <td>
                  <Mark tone={source.stale ? "none" : "ok"}>
                    {source.stale
                      ? w().silentFor(age((nowMs.value - Date.parse(source.at)) / 1000))
                      : w().well}
                  </Mark>
                </td>
                <td class="number">{percent(source.gauges["process.cpu.utilization"], locale.value)}</td>
                <td class="number">{bytes(source.gauges["process.memory.usage"], locale.value)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
