/** A severity or state as shape, word and colour together. */

import type { ComponentChildren } from "preact";
import type { Severity, Tone } from "../types.ts";
import { w } from "../words/index.ts";

const SHAPES: Record<Tone, string> = {
  critical: "M5 1h6l4 4v6l-4 4H5l-4-4V5z", // octagon
  error: "M8 1l7.5 14H.5z", // triangle
  warning: "M8 .5L15.5 8 8 15.5.5 8z", // diamond
  ok: "M8 1a7 7 0 100 14A7 7 0 008 1zm3.6 5.1l-4.3 5L4.4 8.4l1.1-1.2 1.7 1.6 3.2-3.7z", // disc with a tick
  none: "M8 1a7 7 0 100 14A7 7 0 008 1zm0 2a5 5 0 110 10A5 5 0 018 3z", // ring
};

export function Glyph({ tone }: { tone: Tone }) {
  return (
    <svg class={`glyph ${tone}`} viewBox="0 0 16 16" aria-hidden="true">
      <path d={SHAPES[tone]} fill-rule="evenodd" />
    </svg>
  );
}

export function Mark({ tone, children }: { tone: Tone; children: ComponentChildren }) {
  return (
    <span class={`mark ${tone}`}>
      <Glyph tone={tone} />
      {children}
    </span>
  );
}

export function SeverityMark({ severity }: { severity: Severity | null }) {
  return <Mark tone={severity ?? "none"}>{severity ? w().severity[severity] : w().state.pending}</Mark>;
}
