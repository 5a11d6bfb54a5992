import { inUnit, percent, seconds } from "../format.ts";
import { costOf, sortedEndpoints, type WorstKey } from "../live/groups.ts";
import { asked, setQuery, write } from "../route.ts";
import type { Endpoint } from "../types.ts";
import { locale, w } from "../words/index.ts";

const COLUMNS: readonly WorstKey[] = ["route", "rate", "error_rate", "p50_s", "p95_s", "p99_s", "cost"];

/** A service's endpoints, sortable by what hurts; at first by the time that they took together. */
export function Endpoints({ endpoints }: { endpoints: readonly Endpoint[] }) {
  const key = (COLUMNS.find((one) => one === asked("sort")) ?? "cost") as WorstKey;
  const descending = asked("order") ? asked("order") === "down" : key !== "route";
  const total = endpoints.reduce((sum, one) => sum + costOf(one), 0);
  const sort = (column: WorstKey) =>
    setQuery({
      sort: column,
      order: column === key ? (descending ? "up" : "down") : column === "route" ? "up" : "down",
    });
  return (
    <section class="card">
      <h2>{w().endpoints}</h2>
      {endpoints.length === 0 ? (
        <p class="empty">{w().noRequests}</p>
      ) : (
        <div class="scroll">
          <table>
            <thead>
              <tr>
                {COLUMNS.map((column) => (
                  <th
                    key={column}
                    scope="col"
                    class={column === "route" ? "" : "number"}
                    {...(column === key
                      ? { "aria-sort": descending ? ("descending" as const) : ("ascending" as const) }
                      : {})}
                  >
                    <button
                      type="button"
                      title={column === "cost" ? w().costHint : ""}
                      onClick={() => sort(column)}
                    >
                      {w().worst[column]} {column === key ? (descending ? "↓" : "↑") : ""}
                    </button>
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {sortedEndpoints(endpoints, key, descending).map((one) => (
                <tr key={`${one.method} ${one.route}`}>
                  <th scope="row">
                    <a href={write(["apps", one.service, one.method, one.route])}>
                      {one.method} {one.route}
                    </a>
                  </th>
                  <td class="number">{inUnit(one.rate, "/s", locale.value)}</td>
                  <td class={`number ${one.error_rate ? "refused" : ""}`}>
                    {percent(one.error_rate, locale.value)}
                  </td>
                  <td class="number">{seconds(one.p50_s, locale.value)}</td>
                  <td class="number">{seconds(one.p95_s, locale.value)}</td>
                  <td class="number">{seconds(one.p99_s, locale.value)}</td>
                  <td class="number">{percent(total ? costOf(one) / total : null, locale.value)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
