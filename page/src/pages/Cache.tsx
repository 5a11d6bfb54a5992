/** The cache: whether it is there, how much it spares, and a way to empty it. */

import { useEffect, useRef, useState } from "preact/hooks";
import { query, send } from "../api.ts";
import { bytes, number, percent, seconds } from "../format.ts";
import { usePolled } from "../live/polled.ts";
import { ask } from "../live/store.ts";
import { Facts } from "../parts/Figures.tsx";
import { Mark } from "../parts/Mark.tsx";
import { say, sayFailure } from "../parts/toasts.tsx";
import type { CacheStatus } from "../types.ts";
import { locale, w } from "../words/index.ts";

const CLEAR_AFTER_MS = 4000;

export function page() {
  useEffect(() => ask({ topics: [] }), []);
  const { value, failure, again } = usePolled<CacheStatus>("/cache/status", 2);
  const [pattern, setPattern] = useState("*");
  const timer = useRef(0);
  const words = w().cache;
  const clear = (event: Event) => {
    event.preventDefault();
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      send<{ cleared: number }>("POST", `/cache/clear${query({ pattern })}`).then((answer) => {
        say(w().cache.cleared(answer.cleared));
        again();
      }, sayFailure);
    }, CLEAR_AFTER_MS) as unknown as number;
    say(words.clearing, () => clearTimeout(timer.current), CLEAR_AFTER_MS - 200);
  };
  return (
    <>
      <div class="head">
        <h1>{words.title}</h1>
        {value && (
          <Mark tone={value.available ? "ok" : "warning"}>
            {value.available ? words.available : words.away}
          </Mark>
        )}
      </div>
      {!value && <p class="empty">{failure ? w().failed(failure) : w().loading}</p>}
      {value && (
        <section class="card">
          <h2>{words.history}</h2>
          <Facts
            facts={[
              [words.hitRatio, percent(value.hit_ratio, locale.value)],
              [words.hits, number(value.hits, locale.value)],
              [words.misses, number(value.misses, locale.value)],
              [words.keys, number(value.keys, locale.value)],
              [words.memory, bytes(value.memory_bytes, locale.value)],
              [words.latency, seconds(value.mean_latency_s, locale.value)],
              [words.backend, value.backend],
            ]}
          />
        </section>
      )}
      <section class="card">
        <h2>{words.clear}</h2>
        <form class="fields" onSubmit={clear}>
          <label class="field">
            {words.pattern}
            <input
              value={pattern}
              required
              onInput={(event) => setPattern((event.currentTarget as HTMLInputElement).value)}
            />
          </label>
          <div>
            <button type="submit" class="button">
              {words.clear}
            </button>
          </div>
        </form>
        <p class="small quiet">{words.clearHint}</p>
      </section>
    </>
  );
}
