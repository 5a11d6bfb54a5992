/** The time that all charts of a view show: from the URL, shared by them all. */

import { computed } from "@preact/signals";
import { nowMs } from "../live/store.ts";
import { asked, setQuery } from "../route.ts";

export interface Span {
  from_s: number;
  until_s: number;
}

export const SPANS_S = [300, 900, 3600] as const;
/** Longer than the stream keeps: offered where Prometheus is there to ask. */
export const LONG_SPANS_S = [86_400, 604_800] as const;

/** A stretch that the reader chose by zooming, else null. */
export const zoomed = computed<Span | null>(() => {
  const [from_s, until_s] = [Number(asked("from") || Number.NaN), Number(asked("to"))];
  return until_s > from_s ? { from_s, until_s } : null;
});

/** How far back from now is shown, else null: as far as there are points. */
export const lookback_s = computed<number | null>(() => Number(asked("span")) || null);

/** How far back is shown where that is a long span, else null. */
export const long_s = computed<number | null>(() => {
  const back_s = lookback_s.value;
  return back_s !== null && back_s >= LONG_SPANS_S[0] ? back_s : null;
});

export function zoomTo(span: Span): void {
  const [from_s, until_s] = [Math.floor(span.from_s), Math.ceil(span.until_s)];
  if (until_s - from_s >= 2) setQuery({ from: String(from_s), to: String(until_s) });
}

export function zoomOut(): void {
  setQuery({ from: null, to: null });
}

export function look(back_s: number | null): void {
  setQuery({ from: null, to: null, span: back_s === null ? null : String(back_s) });
}

/** Return what to show of points between two moments; `relative` ones count from a start of their own. */
export function shownSpan(first_s: number, last_s: number, relative: boolean): Span {
  if (zoomed.value) return zoomed.value;
  if (lookback_s.value !== null && !relative) {
    const now_s = Math.max(last_s, nowMs.peek() / 1000);
    return { from_s: now_s - lookback_s.value, until_s: now_s };
  }
  return { from_s: first_s, until_s: Math.max(last_s, first_s + 1) };
}
