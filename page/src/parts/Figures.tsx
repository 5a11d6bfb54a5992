/** Small figures in a row, each with what it is; `share` draws a bar of how full it is, in its own `tone`. */

import type { Tone } from "../types.ts";

export interface Figure {
  label: string;
  value: string;
  share?: number | null;
  tone?: Tone;
}

export function Figures({ figures }: { figures: readonly Figure[] }) {
  return (
    <dl class="figures">
      {figures.map(({ label, value, share, tone }) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>{value}</dd>
          {share !== undefined && (
            <dd class={`meter ${tone ?? ""}`} aria-hidden="true">
              <span style={{ width: `${Math.round(Math.min(1, Math.max(0, share ?? 0)) * 100)}%` }} />
            </dd>
          )}
        </div>
      ))}
    </dl>
  );
}

export function Facts({ facts }: { facts: readonly (readonly [label: string, value: string])[] }) {
  return (
    <dl class="facts-list">
      {facts.map(([label, value]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
