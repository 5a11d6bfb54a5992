import { age, inUnit, number, percent, seconds } from "../format.ts";
import { type AppTile, appTiles, type HostTile, hostTiles } from "../live/groups.ts";
import { alerts, ask, firing, nowMs, pending, performance5m, sources } from "../live/store.ts";
import { AlertRow, sourcePlace } from "../parts/AlertRow.tsx";
import { Figures } from "../parts/Figures.tsx";
import { Mark } from "../parts/Mark.tsx";
import { write } from "../route.ts";
import type { Tone } from "../types.ts";
import { locale, w } from "../words/index.ts";
import { Score } from "./Score.tsx";

const DENSE_FROM = 60;
const SHOWN_ALERTS = 50;

export const wants = () => ask({ topics: ["metrics", "performance"] });

export function Overview() {
  return (
    <>
      <h1 class="unseen">{w().nav.overview}</h1>
      <div class="two">
        <Score />
        <ActiveAlerts />
      </div>
      <Applications />
      <Hosts />
    </>
  );
}

function ActiveAlerts() {
  const listed = firing.value;
  const waiting = pending.value.length;
  return (
    <section class="card" aria-labelledby="active">
      <div class="head">
        <h2 id="active">{w().active}</h2>
        <a class="end small" href={write(["alerts"])}>
          {w().allAlerts}
        </a>
      </div>
      {alerts.value === null ? (
        <p class="empty">{w().loading}</p>
      ) : listed.length === 0 ? (
        <p class="empty">
          <Mark tone="ok">{w().noAlerts}</Mark>
        </p>
      ) : (
        <ul class="alerts">
          {listed.slice(0, SHOWN_ALERTS).map((alert) => (
            <li key={alert.alert_id}>
              <AlertRow alert={alert} />
            </li>
          ))}
        </ul>
      )}
      {listed.length > SHOWN_ALERTS && (
        <p class="small">
          <a href={write(["alerts"])}>+ {number(listed.length - SHOWN_ALERTS, locale.value)}</a>
        </p>
      )}
      {waiting > 0 && <p class="small quiet">{w().pendingCount(waiting)}</p>}
    </section>
  );
}

function standing(tone: Tone, count: number, silentSince: string | null): string {
  if (count) return w().alertsHere(count);
  if (silentSince !== null) return w().silentFor(age((nowMs.value - Date.parse(silentSince)) / 1000));
  return tone === "ok" ? w().well : w().silent;
}

function Hosts() {
  const tiles = hostTiles(sources.value?.values() ?? [], firing.value);
  return (
    <section class="section" aria-labelledby="hosts">
      <h2 id="hosts">{w().hosts}</h2>
      {sources.value === null ? (
        <p class="empty">{w().loading}</p>
      ) : tiles.length === 0 ? (
        <p class="empty">{w().noHosts}</p>
      ) : (
        <div class={`tiles ${tiles.length > DENSE_FROM ? "dense" : ""}`}>
          {tiles.map((tile) => (
            <Host key={`${tile.source.kind} ${tile.source.source}`} tile={tile} />
          ))}
        </div>
      )}
    </section>
  );
}

function Host({ tile }: { tile: HostTile }) {
  const { source } = tile;
  const measured = [
    { label: w().cpu, ...tile.cpu },
    { label: w().memory, ...tile.memory },
    { label: w().disk, ...tile.disk },
  ].filter((one) => one.share !== null);
  return (
    <a
      class={`tile ${tile.tone} ${source.stale ? "silent" : ""}`}
      href={sourcePlace(source.kind, source.source, source.group)}
    >
      <span class="name">
        {source.source}
        {source.kind !== "host" && <span class="tag">{source.kind}</span>}
      </span>
      <span class="small">
        <Mark tone={tile.tone}>{standing(tile.tone, tile.alerts, source.stale ? source.at : null)}</Mark>
      </span>
      {measured.length > 0 && (
        <div class="detail">
          <Figures figures={measured.map((one) => ({ ...one, value: percent(one.share, locale.value) }))} />
        </div>
      )}
    </a>
  );
}

function Applications() {
  const tiles = appTiles(sources.value?.values() ?? [], firing.value, performance5m.value);
  return (
    <section class="section" aria-labelledby="applications">
      <h2 id="applications">{w().applications}</h2>
      {sources.value === null ? (
        <p class="empty">{w().loading}</p>
      ) : tiles.length === 0 ? (
        <p class="empty">{w().noApplications}</p>
      ) : (
        <div class={`tiles ${tiles.length > DENSE_FROM ? "dense" : ""}`}>
          {tiles.map((tile) => (
            <Application key={tile.name} tile={tile} />
          ))}
        </div>
      )}
    </section>
  );
}

function Application({ tile }: { tile: AppTile }) {
  const silent = tile.silent === tile.instances;
  const { figures } = tile;
  return (
    <a class={`tile ${tile.tone} ${silent ? "silent" : ""}`} href={write(["apps", tile.name])}>
      <span class="name">
        {tile.name}
        <span class="small quiet">{w().instances(tile.instances)}</span>
      </span>
      <span class="small">
        <Mark tone={tile.tone}>{standing(tile.tone, tile.alerts, silent ? tile.newestAt : null)}</Mark>
      </span>
      <div class="detail">
        <Figures
          figures={[
            { label: w().rate, value: inUnit(figures?.rate ?? 0, "/s", locale.value) },
            { label: w().errors, value: percent(figures?.error_rate, locale.value) },
            { label: w().p95, value: seconds(figures?.p95_s, locale.value) },
          ]}
        />
      </div>
    </a>
  );
}
