/** What was just done, said aloud, with the way back. */

import { signal } from "@preact/signals";
import { Refusal } from "../api.ts";
import { w } from "../words/index.ts";

interface Toast {
  id: number;
  text: string;
  undo: (() => void | Promise<void>) | null;
}

const SHOWN_MS = 8000;
const toasts = signal<readonly Toast[]>([]);
let count = 0;

export function say(text: string, undo: Toast["undo"] = null, shownMs = SHOWN_MS): void {
  count += 1;
  const toast = { id: count, text, undo };
  toasts.value = [...toasts.value.slice(-2), toast];
  setTimeout(() => drop(toast.id), shownMs);
}

export function sayFailure(error: unknown): void {
  say(w().failed(error instanceof Refusal ? error.message : w().lost));
}

function drop(id: number): void {
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
}

async function takeBack(toast: Toast): Promise<void> {
  drop(toast.id);
  try {
    await toast.undo?.();
    say(w().undone, null, 3000);
  } catch (error) {
    sayFailure(error);
  }
}

/** Undo what was done last, where that can be undone. */
export function undoLast(): void {
  const last = toasts.value.findLast((toast) => toast.undo);
  if (last) void takeBack(last);
}

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map((toast) => (
        <div class="toast" key={toast.id}>
          <span>{toast.text}</span>
          {toast.undo && (
            <button type="button" class="button first" onClick={() => void takeBack(toast)}>
              {w().undo}
            </button>
          )}
          <button type="button" class="button plain" aria-label={w().close} onClick={() => drop(toast.id)}>
            ✕
          </button>
        </div>
      ))}
    </div>
  );
}
