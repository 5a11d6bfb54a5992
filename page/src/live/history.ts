/** A metric's history, kept up to date: asked for once, then fed by the stream, and asked again after a gap. */

import { useEffect, useState } from "preact/hooks";
import { get, query, Refusal } from "../api.ts";
import type { BucketPoint, History } from "../types.ts";
import { mergeHistory } from "./merge.ts";
import { connection, nowMs, onPoints } from "./store.ts";

export interface Wanted {
  metric: string;
  source?: string;
  kind?: string;
  group?: string;
  labels?: Record<string, string>;
}

function pathOf(wanted: Wanted, as: "rate" | "buckets", since_s: number | null): string {
  const { metric, source, kind, group, labels = {} } = wanted;
  const asked = query({ source, kind, group, as: as === "buckets" ? as : null, since: since_s });
  const chosen = Object.entries(labels).map(
    ([key, value]) => `label=${encodeURIComponent(`${key}=${value}`)}`,
  );
  return `/metrics/${metric}${[asked || "?", ...chosen].join("&").replace("?&", "?")}`;
}

const newest = (history: History<readonly [number, ...unknown[]]> | null): number | null => {
  const last = (history?.series ?? []).map((series) => series.points.at(-1)?.[0] ?? 0);
  return last.length ? Math.min(...last) : null;
};

export interface Known<P> {
  history: History<P> | null;
  failure: string;
}

type Lines = Known<History["series"][number]["points"][number]>;

const LONG_EVERY_MS = 60_000;

/**
 * Return a metric's history; null until it is there. The page must have asked the stream for its points.
 *
 * With `back_s` it is all of that time in equal steps, asked for each minute: nothing finer is put behind it.
 */
export function useHistory(wanted: Wanted, back_s: number | null = null): Lines {
  const [known, setKnown] = useState<Lines>({ history: null, failure: "" });
  const key = JSON.stringify([wanted, back_s]);
  useEffect(() => {
    let history: History | null = null;
    let fetched = false;
    const abort = new AbortController();
    const take = (more: History) => {
      history = back_s === null ? mergeHistory(history, more) : more;
      if (fetched) setKnown({ history, failure: "" });
    };
    // not since the newest point: over a long gap that would come in other steps
    const fetchAll = () =>
      get<History>(
        pathOf(wanted, "rate", back_s === null ? null : nowMs.peek() / 1000 - back_s),
        abort.signal,
      ).then(
        (more) => {
          fetched = true;
          take(more);
        },
        (error: unknown) => {
          if (!abort.signal.aborted && !fetched) setKnown({ history: null, failure: spoken(error) });
        },
      );
    void fetchAll();
    if (back_s !== null) {
      const timer = setInterval(() => document.hidden || void fetchAll(), LONG_EVERY_MS);
      return () => {
        abort.abort();
        clearInterval(timer);
      };
    }
    const forget = onPoints((histories, snapshot) => {
      if (snapshot && fetched) void fetchAll(); // the stream came back: what it missed is in the history
      const more = histories.find((one) => one.metric === wanted.metric);
      if (more) take(more);
    });
    return () => {
      abort.abort();
      forget();
    };
  }, [key]);
  return known;
}

const AT_MOST_EVERY_MS = 2000;

/** Return a histogram's buckets; asked anew, for what is newer, when points of it come. */
export function useBuckets(wanted: Wanted): Known<BucketPoint> {
  const [known, setKnown] = useState<Known<BucketPoint>>({ history: null, failure: "" });
  const key = JSON.stringify(wanted);
  useEffect(() => {
    let history: History<BucketPoint> | null = null;
    let timer = 0;
    const abort = new AbortController();
    const freshen = () =>
      get<History<BucketPoint>>(pathOf(wanted, "buckets", newest(history)), abort.signal).then(
        (more) => {
          history = mergeHistory(history, more);
          setKnown({ history, failure: "" });
        },
        (error: unknown) => {
          if (!abort.signal.aborted && !history) setKnown({ history, failure: spoken(error) });
        },
      );
    void freshen();
    const forget = onPoints(() => {
      if (timer) return;
      timer = setTimeout(() => {
        timer = 0;
        void freshen();
      }, AT_MOST_EVERY_MS) as unknown as number;
    });
    return () => {
      abort.abort();
      clearTimeout(timer);
      forget();
    };
  }, [key]);
  return known;
}

function spoken(error: unknown): string {
  return error instanceof Refusal ? error.message : String(connection.peek().state);
}
