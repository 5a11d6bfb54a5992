/** What has no topic on the stream: asked for now and then, while the page that shows it is there. */

import { useCallback, useEffect, useState } from "preact/hooks";
import { get, Refusal } from "../api.ts";

export interface Polled<T> {
  value: T | null;
  failure: string;
  again(): void;
}

export function usePolled<T>(path: string, every_s: number): Polled<T> {
  const [value, setValue] = useState<T | null>(null);
  const [failure, setFailure] = useState("");
  const again = useCallback(() => {
    get<T>(path).then(
      (answer) => {
        setValue(answer);
        setFailure("");
      },
      (error: unknown) => setFailure(error instanceof Refusal ? error.message : String(error)),
    );
  }, [path]);
  useEffect(() => {
    again();
    const timer = setInterval(() => document.hidden || again(), every_s * 1000);
    return () => clearInterval(timer);
  }, [again, every_s]);
  return { value, failure, again };
}
