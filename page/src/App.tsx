/** Which page is shown. The overview comes with the first view, the others when they are asked for. */

import { signal } from "@preact/signals";
import type { ComponentType } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { freshenRules } from "./live/rules.ts";
import { ask, unheld } from "./live/store.ts";
import { Overview, wants } from "./pages/Overview.tsx";
import { Frame } from "./parts/Frame.tsx";
import { place } from "./route.ts";
import type { Words } from "./words/en.ts";
import { w } from "./words/index.ts";

type Page = ComponentType<{ path: readonly string[] }>;

const LATER: Record<string, () => Promise<{ page: Page }>> = {
  hosts: () => import("./pages/Host.tsx"),
  apps: () => import("./pages/Application.tsx"),
  alerts: () => import("./pages/Alerts.tsx"),
  loadtests: () => import("./pages/LoadTests.tsx"),
  services: () => import("./pages/Services.tsx"),
  cache: () => import("./pages/Cache.tsx"),
  system: () => import("./pages/System.tsx"),
};
const loaded = signal<Readonly<Record<string, Page>>>({});

export function App() {
  const { path } = place.value;
  const shown = path.join("/");
  const before = useRef(shown);
  useEffect(() => {
    freshenRules();
    if (before.current === shown) return; // the first view: focus and scroll are the browser's
    before.current = shown;
    scrollTo(0, 0);
    document.getElementById("content")?.focus({ preventScroll: true });
  }, [shown]);
  const title = titleOf(path);
  useEffect(() => {
    document.title = title;
  }, [title]);
  return (
    <Frame>
      <Shown path={path} />
    </Frame>
  );
}

function Shown({ path }: { path: readonly string[] }) {
  const name = path[0] ?? "";
  useEffect(() => {
    if (!name) wants();
    else if (!LATER[name]) ask({ topics: [] });
  }, [name]);
  if (!name) return <Overview />;
  const load = LATER[name];
  if (!load) return <NotFound />;
  const Page = loaded.value[name];
  if (Page) return <Page key={path.slice(0, 2).join("/")} path={path.slice(1)} />;
  load().then(({ page }) => {
    loaded.value = { ...loaded.value, [name]: page };
  });
  return <p class="empty">{w().loading}</p>;
}

/** What a tab is called: how many alerts fire, and where the reader is. */
function titleOf(path: readonly string[]): string {
  const count = unheld.value.length;
  const name = path[0] as keyof Words["nav"] | undefined;
  const where = path.slice(1).join(" ") || (name && w().nav[name]);
  return [count ? `(${count})` : "", where ? `${where} ·` : "", "Atalaia"].filter(Boolean).join(" ");
}

function NotFound() {
  return (
    <>
      <h1>{w().notFound}</h1>
      <p>
        <a href="#/">{w().toOverview}</a>
      </p>
    </>
  );
}
