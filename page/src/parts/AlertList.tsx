/** Alerts as a table: what, how bad, about whom, when and how long. */

import { age, moment } from "../format.ts";
import { nowMs } from "../live/store.ts";
import type { Alert } from "../types.ts";
import { locale, w } from "../words/index.ts";
import { against, alertPlace, sourcePlace, Tags } from "./AlertRow.tsx";
import { SeverityMark } from "./Mark.tsx";

export function AlertTable({
  alerts,
  withSource = true,
}: {
  alerts: readonly Alert[];
  withSource?: boolean;
}) {
  const words = w().columns;
  return (
    <div class="scroll">
      <table>
        <thead>
          <tr>
            <th>{words.severity}</th>
            <th>{words.alert}</th>
            {withSource && <th>{words.source}</th>}
            <th>{words.state}</th>
            <th>{words.value}</th>
            <th>{words.started}</th>
            <th class="number">{words.lasted}</th>
          </tr>
        </thead>
        <tbody>
          {alerts.map((alert) => (
            <tr key={alert.alert_id}>
              <td>
                <SeverityMark severity={alert.severity} />
              </td>
              <th scope="row">
                <a href={alertPlace(alert)}>{alert.summary || alert.rule}</a> <Tags alert={alert} />
              </th>
              {withSource && (
                <td>
                  <a href={sourcePlace(alert.kind, alert.source, alert.group)}>{alert.source}</a>
                </td>
              )}
              <td>{w().state[alert.state]}</td>
              <td class="small">{against(alert)}</td>
              <td class="small">
                <time dateTime={alert.started_at}>{moment(alert.started_at, locale.value, nowMs.value)}</time>
              </td>
              <td class="number small">{lasted(alert)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function lasted(alert: Alert): string {
  const until = alert.resolved_at ? Date.parse(alert.resolved_at) : nowMs.value;
  return age((until - Date.parse(alert.started_at)) / 1000);
}

/** The alerts of a view's time, below its charts. */
export function AlertList({
  alerts,
  withSource = false,
}: {
  alerts: readonly Alert[];
  withSource?: boolean;
}) {
  return (
    <section class="card">
      <h2>{w().alertsOn}</h2>
      {alerts.length ? (
        <AlertTable alerts={alerts} withSource={withSource} />
      ) : (
        <p class="empty">{w().noAlertsOn}</p>
      )}
    </section>
  );
}
