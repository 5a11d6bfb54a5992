import { moment } from "../format.ts";
import { nowMs } from "../live/store.ts";
import { locale, w } from "../words/index.ts";
import { look, lookback_s, SPANS_S, zoomed, zoomOut } from "./span.ts";

/** Chooses the time that a view's charts show. */
export function SpanBar() {
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
  const spoken = (at_s: number) => moment(at_s * 1000, locale.value, nowMs.peek());
  return (
    <div class="head">
      <fieldset class="group" aria-label={words.span}>
        {SPANS_S.map((back_s) =>
          choice(back_s, back_s < 3600 ? words.minutes(back_s / 60) : words.hours(back_s / 3600)),
        )}
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
