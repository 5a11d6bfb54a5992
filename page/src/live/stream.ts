/** One connection to the gateway's stream that comes back by itself and says how it is.
 *
 * Not an EventSource: that one gives up for good on a 503, and does not tell a silent
 * connection from a dead one. `docs/stream.md` says what is exchanged.
 */

import { type Frame, FrameReader } from "./frames.ts";

const SILENT_AFTER_MS = 30_000;
const FIRST_DELAY_MS = 300;
const LONGEST_DELAY_MS = 4_000;

export interface Listener {
  frame(frame: Frame): void;
  /** The first event of a connection is about to be told. */
  opened(): void;
  lost(): void;
}

export class Stream {
  private url: string;
  private listener: Listener;
  private lastId = "";
  private closed = false;
  private failures = 0;
  private abort = new AbortController();
  private timer = 0;
  private wake = () => this.hurry();

  constructor(url: string, listener: Listener) {
    this.url = url;
    this.listener = listener;
    addEventListener("online", this.wake);
    void this.run();
  }

  close(): void {
    this.closed = true;
    removeEventListener("online", this.wake);
    clearTimeout(this.timer);
    this.abort.abort();
  }

  /** Try at once where it waits for the next try. */
  hurry(): void {
    if (this.timer && !this.closed) {
      clearTimeout(this.timer);
      this.timer = 0;
      void this.run();
    }
  }

  private async run(): Promise<void> {
    this.abort = new AbortController();
    try {
      await this.read(this.abort);
    } catch {
      // however it ended, it is lost until the next try
    }
    if (this.closed) return;
    this.listener.lost();
    const delay = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.failures);
    this.failures += 1;
    this.timer = setTimeout(
      () => {
        this.timer = 0;
        void this.run();
      },
      delay * (0.8 + 0.4 * Math.random()),
    ) as unknown as number;
  }

  private async read(abort: AbortController): Promise<void> {
    const headers: Record<string, string> = { Accept: "text/event-stream" };
    if (this.lastId) headers["Last-Event-ID"] = this.lastId;
    let silence = setTimeout(() => abort.abort(), SILENT_AFTER_MS);
    try {
      const answer = await fetch(this.url, { headers, signal: abort.signal, cache: "no-store" });
      if (!answer.ok || !answer.body) throw new Error(`the stream answered ${answer.status}`);
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      const frames = new FrameReader();
      let opened = false;
      for (;;) {
        const { done, value } = await reader.read();
        if (done || this.closed) return;
        clearTimeout(silence);
        silence = setTimeout(() => abort.abort(), SILENT_AFTER_MS);
        const complete = frames.take(value);
        if (!opened) {
          opened = true;
          this.failures = 0;
          this.listener.opened();
        }
        for (const frame of complete) this.listener.frame(frame);
        this.lastId = frames.lastId || this.lastId;
      }
    } finally {
      clearTimeout(silence);
      abort.abort();
    }
  }
}
