/** Which rules' thresholds belong on a chart. Pure. */

import type { Condition, Rule, Severity } from "../types.ts";

export interface Threshold {
  severity: Severity;
  value: number;
  rule: string;
}

/** What a chart shows of its metric: the value itself, its rate, one of its percentiles, or a share of its events. */
export type Shows = "value" | "rate" | "latency" | "share";

const FUNCTIONS: Record<Shows, RegExp> = {
  value: /^(last|avg|min|max)$/,
  rate: /^rate$/,
  latency: /^p\d/,
  share: /^share$/,
};

export function thresholdsOf(
  rules: readonly Rule[],
  metric: string,
  about: { source?: string; kind: string; group?: string },
  shows: Shows,
): Threshold[] {
  return rules
    .filter((rule) => rule.metric === metric && FUNCTIONS[shows].test(rule.function) && mayMatch(rule, about))
    .flatMap((rule) =>
      Object.entries(rule.thresholds).map(([severity, value]) => ({
        severity: severity as Severity,
        value,
        rule: rule.name,
      })),
    );
}

function mayMatch(rule: Rule, about: Record<string, string>): boolean {
  return Object.entries(rule.match ?? {}).every(
    ([label, condition]) => about[label] === undefined || holds(condition, about[label]),
  );
}

function holds(condition: Condition, value: string): boolean {
  if (typeof condition === "string") return condition === value;
  return Object.entries(condition).every(([op, wanted]) => {
    if (op === "!=") return value !== wanted;
    const found = anchored(wanted)?.test(value) ?? true; // a pattern this browser cannot read hides no threshold
    return op === "!~" ? !found : found;
  });
}

function anchored(pattern: string): RegExp | null {
  try {
    return new RegExp(`^(?:${pattern})$`);
  } catch {
    return null;
  }
}
