import { number } from "../format.ts";
import { inWords } from "../live/reasons.ts";
import { health } from "../live/store.ts";
import { Mark } from "../parts/Mark.tsx";
import type { Health, Tone } from "../types.ts";
import { locale, w } from "../words/index.ts";

const TONES: Record<Health["status"], Tone> = { healthy: "ok", degraded: "warning", unhealthy: "critical" };

export function Score() {
  const known = health.value;
  if (!known) return <section class="card score">{w().loading}</section>;
  const tone = TONES[known.status];
  return (
    <section class={`card score ${tone}`} aria-labelledby="score">
      <h2 id="score">{w().score}</h2>
      <p>
        <span class="value">{number(known.score, locale.value)}</span> <span class="of">{w().outOf}</span>
      </p>
      <div class="scale" aria-hidden="true">
        <span style={{ width: `${known.score}%` }} />
      </div>
      <p>
        <Mark tone={tone}>{w().status[known.status]}</Mark>
      </p>
      {known.deductions.length === 0 ? (
        <p class="quiet">{w().noDeductions}</p>
      ) : (
        <div>
          <h3 class="quiet small">{w().deductionsTitle}</h3>
          <ul class="deductions">
            {known.deductions.map((one, position) => (
              <li key={`${position} ${one.reason}`}>
                <span>{inWords(one.reason, w())}</span>
                <span class="number">{w().points(number(one.points, locale.value))}</span>
              </li>
            ))}
          </ul>
        </div>
      )}
    </section>
  );
}
