/** The rules, asked for once in a while: their thresholds say what a value is measured against. */

import { signal } from "@preact/signals";
import { get } from "../api.ts";
import type { Rule } from "../types.ts";

export const rules = signal<readonly Rule[]>([]);

const AGAIN_AFTER_MS = 60_000;
let askedAtMs = Number.NEGATIVE_INFINITY;

/** Ask for the rules where the last answer is old; a failure leaves what was known. */
export function freshenRules(): void {
  if (Date.now() - askedAtMs < AGAIN_AFTER_MS) return;
  askedAtMs = Date.now();
  get<{ rules: Rule[] }>("/rules?limit=500").then(
    (answer) => {
      rules.value = answer.rules;
    },
    () => {
      askedAtMs = Number.NEGATIVE_INFINITY;
    },
  );
}
