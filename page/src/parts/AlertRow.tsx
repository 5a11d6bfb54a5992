import { age, inUnit } from "../format.ts";
import { rules } from "../live/rules.ts";
import { held, nowMs } from "../live/store.ts";
import { write } from "../route.ts";
import type { Alert, Rule } from "../types.ts";
import { alertUnit } from "../units.ts";
import { locale, w } from "../words/index.ts";
import { acknowledge, resolve, silence, unacknowledge } from "./acts.ts";
import { SeverityMark } from "./Mark.tsx";

/** The value of an alert beside its threshold: `97 %, threshold > 95 %`. */
export function against(alert: Alert, known: readonly Rule[] = rules.value): string {
  const unit = alertUnit(alert, known);
  const value = inUnit(alert.value, unit, locale.value);
  if (alert.threshold === null) return value;
  const op = known.find((rule) => rule.name === alert.rule)?.op ?? ">";
  return w().valueAgainst(value, op, inUnit(alert.threshold, unit, locale.value));
}

export const alertPlace = (alert: Alert): string => write(["alerts", alert.alert_id]);

/** The page of what an alert is about. */
export function sourcePlace(kind: string, source: string, group: string): string {
  return kind === "app"
    ? write(["apps", group])
    : write(["hosts", source], kind === "host" ? [] : [["kind", kind]]);
}

export function Tags({ alert }: { alert: Alert }) {
  const words = w().tags;
  return (
    <>
      {alert.acknowledged_by !== null && (
        <span class="tag">{words.acknowledgedBy(alert.acknowledged_by)}</span>
      )}
      {alert.silenced && <span class="tag">{words.silenced}</span>}
      {alert.stale && <span class="tag">{words.stale}</span>}
      {alert.flapping && <span class="tag">{words.flapping}</span>}
    </>
  );
}

export function Acts({ alert }: { alert: Alert }) {
  const button = (what: string, act: () => void) => (
    <button type="button" class="button" aria-label={w().acts(what, alert.summary)} onClick={act}>
      {what}
    </button>
  );
  return (
    <div class="acts">
      {alert.acknowledged_by === null
        ? button(w().acknowledge, () => void acknowledge(alert))
        : button(w().unacknowledge, () => void unacknowledge(alert))}
      {!alert.silenced && button(w().silence, () => void silence(alert))}
      {button(w().resolve, () => resolve(alert))}
    </div>
  );
}

export function AlertRow({ alert }: { alert: Alert }) {
  return (
    <div class={`alert ${alert.severity ?? "none"} ${held(alert) ? "held" : ""}`}>
      <div class="what">
        <SeverityMark severity={alert.severity} />
        <a href={alertPlace(alert)}>{alert.summary}</a>
        <Tags alert={alert} />
      </div>
      <div class="facts">
        <span>{against(alert)}</span>
        <a href={sourcePlace(alert.kind, alert.source, alert.group)}>{alert.source}</a>
        <span>{w().ago(age((nowMs.value - Date.parse(alert.started_at)) / 1000))}</span>
      </div>
      <Acts alert={alert} />
    </div>
  );
}
