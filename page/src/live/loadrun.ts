/** One load test with its seconds: what was before from the gateway, what comes from the stream. */

import { useEffect, useState } from "preact/hooks";
import { get, Refusal } from "../api.ts";
import type { LoadTestDetail, LoadWindow } from "../types.ts";
import { appendWindows } from "./merge.ts";
import { connection, loadtests, onWindows } from "./store.ts";

/** A run that the list does not name by then is an old one, or none. */
const UNLISTED_AFTER_MS = 3000;

export interface KnownRun {
  run: LoadTestDetail | null;
  failure: string;
}

export function useLoadRun(id: string): KnownRun {
  const [known, setKnown] = useState<KnownRun>({ run: null, failure: "" });
  // asked for anew when its state changes, and when a lost stream is back; one just started is not known at once
  const listed = loadtests.value?.find((run) => run.run_id === id);
  const state = listed?.state ?? (loadtests.value === null ? "waiting" : "");
  const live = connection.value.state;
  useEffect(() => {
    const abort = new AbortController();
    let run: LoadTestDetail | null = null;
    let early: LoadWindow[] = [];
    const ask = () =>
      get<LoadTestDetail>(`/loadtests/${encodeURIComponent(id)}`, abort.signal).then(
        (found) => {
          run = { ...found, windows: [...appendWindows(found.windows, early)] };
          early = [];
          setKnown({ run, failure: "" });
        },
        (error: unknown) => {
          if (!abort.signal.aborted) {
            setKnown((before) => (before.run ? before : { run: null, failure: spoken(error) }));
          }
        },
      );
    let timer = 0;
    if (state === "") timer = setTimeout(() => void ask(), UNLISTED_AFTER_MS) as unknown as number;
    else if (state !== "waiting") void ask();
    const forget = onWindows((windows) => {
      const more = windows[id];
      if (!more) return;
      if (!run) early = [...early, ...more];
      else {
        run = { ...run, windows: [...appendWindows(run.windows, more)] };
        setKnown({ run, failure: "" });
      }
    });
    return () => {
      abort.abort();
      clearTimeout(timer);
      forget();
    };
  }, [id, state, live]);
  return known;
}

const spoken = (error: unknown): string => (error instanceof Refusal ? error.message : "");
