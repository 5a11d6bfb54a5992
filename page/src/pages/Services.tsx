/** The platform's own parts: what it depends on, its instances, the channels of its messages, silences. */

import { useEffect } from "preact/hooks";
import { send } from "../api.ts";
import { age, moment, seconds } from "../format.ts";
import { usePolled } from "../live/polled.ts";
import { ask, health, nowMs } from "../live/store.ts";
import { Mark } from "../parts/Mark.tsx";
import { say, sayFailure } from "../parts/toasts.tsx";
import type { Channel, Dependency, Instance, Silence, Tone } from "../types.ts";
import { locale, w, you } from "../words/index.ts";

const DEPENDENCY: Record<Dependency["status"], Tone> = {
  up: "ok",
  slow: "warning",
  down: "critical",
  off: "none",
};
const INSTANCE: Record<Instance["status"], Tone> = { up: "ok", draining: "none", missing: "error" };
const CHANNEL: Record<Channel["state"], Tone> = { up: "ok", failing: "warning", away: "error" };

export function page() {
  useEffect(() => ask({ topics: [] }), []);
  const words = w().services;
  return (
    <>
      <h1>{words.title}</h1>
      <Dependencies />
      <Instances />
      <Channels />
      <Silences />
    </>
  );
}

function Dependencies() {
  const words = w().services;
  return (
    <section class="card">
      <h2>{words.dependencies}</h2>
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th>{words.name}</th>
              <th>{w().columns.state}</th>
              <th class="number">{words.latency}</th>
              <th>{words.detail}</th>
            </tr>
          </thead>
          <tbody>
            {Object.entries(health.value?.dependencies ?? {}).map(([name, one]) => (
              <tr key={name}>
                <th scope="row">
                  {name} {one.optional && <span class="tag">{words.optional}</span>}
                </th>
                <td>
                  <Mark tone={one.optional && one.status === "down" ? "warning" : DEPENDENCY[one.status]}>
                    {words.status[one.status]}
                  </Mark>
                </td>
                <td class="number">{seconds(one.latency_s, locale.value)}</td>
                <td class="small wrap">{one.detail}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Instances() {
  const words = w().services;
  return (
    <section class="card">
      <h2>{words.instances}</h2>
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th>{words.service}</th>
              <th>{w().columns.state}</th>
              <th>{words.instance}</th>
              <th>{words.host}</th>
              <th>{words.version}</th>
              <th class="number">{words.seen}</th>
              <th>{words.detail}</th>
            </tr>
          </thead>
          <tbody>
            {(health.value?.services ?? []).map((one) => (
              <tr key={`${one.service} ${one.instance}`}>
                <th scope="row">{one.service}</th>
                <td>
                  <Mark tone={INSTANCE[one.status]}>{words.status[one.status]}</Mark>
                </td>
                <td class="wrap">{one.instance}</td>
                <td>{one.host}</td>
                <td>{one.version}</td>
                <td class="number">{w().ago(age((nowMs.value - Date.parse(one.last_seen_at)) / 1000))}</td>
                <td class="small wrap">{one.detail}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Channels() {
  const words = w().services;
  const { value, failure, again } = usePolled<{ channels: Channel[] }>("/channels", 5);
  const test = (name: string) =>
    send<{ outcome: string; detail: string }>("POST", `/channels/${encodeURIComponent(name)}/test`).then(
      (answer) => {
        say(
          words.tested(
            [w().outcome[answer.outcome] ?? answer.outcome, answer.detail].filter(Boolean).join(", "),
          ),
        );
        again();
      },
      sayFailure,
    );
  return (
    <section class="card">
      <h2>{words.channels}</h2>
      {failure && <p class="refused">{w().failed(failure)}</p>}
      {value?.channels.length === 0 && <p class="empty">{words.noChannels}</p>}
      {value && value.channels.length > 0 && (
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th>{words.name}</th>
                <th>{w().columns.state}</th>
                <th>{words.target}</th>
                <th class="number">{words.waiting}</th>
                <td />
              </tr>
            </thead>
            <tbody>
              {value.channels.map((one) => (
                <tr key={one.name}>
                  <th scope="row">{one.name}</th>
                  <td>
                    <Mark tone={CHANNEL[one.state]}>{words.channelState[one.state]}</Mark>
                  </td>
                  <td class="wrap">
                    {one.target} <span class="small quiet">{one.last_error}</span>
                  </td>
                  <td class="number">{one.waiting}</td>
                  <td class="number">
                    <button type="button" class="button" onClick={() => void test(one.name)}>
                      {words.test}
                    </button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function matchersText(silence: Silence): string {
  return Object.entries(silence.matchers)
    .map(([label, condition]) =>
      typeof condition === "string"
        ? `${label} = ${condition}`
        : Object.entries(condition)
            .map(([op, value]) => `${label} ${op} ${value}`)
            .join(", "),
    )
    .join(", ");
}

function Silences() {
  const words = w().services;
  const { value, failure, again } = usePolled<{ silences: Silence[] }>("/silences?state=active&limit=100", 5);
  const end = (silence: Silence) =>
    send(
      "POST",
      `/silences/${encodeURIComponent(silence.id)}/expire`,
      you.peek() ? { by: you.peek() } : {},
    ).then(again, sayFailure);
  return (
    <section class="card">
      <h2>{words.silences}</h2>
      {failure && <p class="refused">{w().failed(failure)}</p>}
      {value?.silences.length === 0 && <p class="empty">{words.noSilences}</p>}
      <ul class="deductions">
        {value?.silences.map((silence) => (
          <li key={silence.id}>
            <span>
              {matchersText(silence)}{" "}
              <span class="small quiet">
                {words.until(moment(silence.ends_at, locale.value, nowMs.value))}, {w().byWhom(silence.by)}
                {silence.comment && ` · ${silence.comment}`}
              </span>
            </span>
            <button type="button" class="button" onClick={() => void end(silence)}>
              {words.end}
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
