/** This machine, the rules, links, and who the reader is. */

import { useEffect } from "preact/hooks";
import { bytes, inUnit, moment } from "../format.ts";
import { usePolled } from "../live/polled.ts";
import { rules } from "../live/rules.ts";
import { ask, nowMs } from "../live/store.ts";
import { Facts } from "../parts/Figures.tsx";
import { Mark } from "../parts/Mark.tsx";
import { write } from "../route.ts";
import type { Rule, Severity, SystemInfo } from "../types.ts";
import { alertUnit } from "../units.ts";
import { chooseName, locale, w, you } from "../words/index.ts";

const text = (value: unknown): string => (value === undefined || value === null ? "–" : String(value));

export function page() {
  useEffect(() => ask({ topics: [] }), []);
  const { value, failure } = usePolled<SystemInfo>("/system/info", 10);
  const words = w().system;
  return (
    <>
      <h1>{words.title}</h1>
      {!value && <p class="empty">{failure ? w().failed(failure) : w().loading}</p>}
      {value && (
        <section class="card">
          <Facts facts={factsOf(value)} />
        </section>
      )}
      <Rules />
      <section class="card">
        <h2>{words.links}</h2>
        <p>
          <a href="/docs">{words.api}</a>
        </p>
        {Object.entries(value?.links ?? {})
          .filter(([, url]) => /^https?:/.test(url))
          .map(([name, url]) => (
            <p key={name}>
              <a href={url} rel="noreferrer">
                {name}
              </a>
            </p>
          ))}
      </section>
      <section class="card">
        <label class="field">
          {words.you}
          <input
            value={you.value}
            maxLength={200}
            autocomplete="name"
            onChange={(event) => chooseName((event.currentTarget as HTMLInputElement).value.trim())}
          />
        </label>
        <p class="small quiet">{words.youHint}</p>
      </section>
    </>
  );
}

function factsOf(info: SystemInfo): [string, string][] {
  const words = w().system;
  const size = (value: unknown) => bytes(Number(value), locale.value);
  const physical = Number(info.cpu.physical);
  return [
    [words.host, text(info.host.name)],
    [words.booted, moment(text(info.host.booted_at), locale.value, nowMs.value)],
    [words.os, [info.os.name, info.os.release, info.os.architecture].map(text).join(" ")],
    [words.cpu, words.logical(Number(info.cpu.logical), physical || null)],
    [words.memory, words.freeOf(size(info.memory.available_bytes), size(info.memory.total_bytes))],
    [words.python, `${text(info.python.implementation)} ${text(info.python.version)}`],
    [words.version, info.version],
  ];
}

function Rules() {
  const words = w().system;
  return (
    <section class="card">
      <h2>{words.rules}</h2>
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th>{words.rule}</th>
              <th>{w().columns.state}</th>
              <th>{words.metric}</th>
              <th>{words.thresholds}</th>
              <th class="number">{words.judged}</th>
            </tr>
          </thead>
          <tbody>
            {rules.value.map((rule) => (
              <tr key={rule.name}>
                <th scope="row">
                  <a href={write(["alerts"], [["rule", rule.name]])}>{rule.name}</a>
                </th>
                <td>
                  <Mark
                    tone={rule.state === "firing" ? "error" : rule.state === "pending" ? "warning" : "ok"}
                  >
                    {words.ruleState[rule.state]}
                  </Mark>
                </td>
                <td class="small wrap">
                  {rule.function} {rule.metric}
                </td>
                <td class="small">{thresholdsOf(rule)}</td>
                <td class="number">{rule.series}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function thresholdsOf(rule: Rule): string {
  const unit = alertUnit({ rule: rule.name, series: rule.metric }, [rule]);
  return (Object.entries(rule.thresholds) as [Severity, number][])
    .map(([severity, value]) => `${w().severity[severity]} ${rule.op} ${inUnit(value, unit, locale.value)}`)
    .join(", ");
}
