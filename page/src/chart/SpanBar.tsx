import { moment } from "../format.ts";
import { health, nowMs } from "../live/store.ts";
import { locale, w } from "../words/index.ts";
import { LONG_SPANS_S, long_s, look, lookback_s, SPANS_S, zoomed, zoomOut } from "./span.ts";

const HOUR_S = 3600;
const DAY_S = 86_400;

/** Chooses the time that a view's charts show; `long`: they can show longer ones than the stream keeps. */
export function SpanBar({ long = false }: { long?: boolean }) {
  const zoom = zoomed.value;
  const words = w().chart;
  const choice = (back_s: number | null, text: string) => (
    <button
      type="button"
      class="button"
      aria-pressed={!zoom && lookback_s.value === back_s}
      onClick={() => look(back_s)}
    >
      {text}
    </button>
  );
  const named = (back_s: number) =>
    back_s < HOUR_S
      ? words.minutes(back_s / 60)
      : back_s > DAY_S
        ? words.days(back_s / DAY_S)
        : words.hours(back_s / HOUR_S);
  const known = health.value?.dependencies.prometheus;
  const there = long && ((known && known.status !== "down") || long_s.value !== null);
  const spans = [...SPANS_S, ...(there ? LONG_SPANS_S : [])];
  const spoken = (at_s: number) => moment(at_s * 1000, locale.value, nowMs.peek());
  return (
    <div class="head">
      <fieldset class="group" aria-label={words.span}>
        {spans.map((back_s) => choice(back_s, named(back_s)))}
        {choice(null, words.last1000)}
      </fieldset>
      {zoom && (
        <>
          <span class="small quiet">{words.zoomed(spoken(zoom.from_s), spoken(zoom.until_s))}</span>
          <button type="button" class="button" onClick={zoomOut}>
            {words.zoomOut}
          </button>
        </>
      )}
    </div>
  );
}
