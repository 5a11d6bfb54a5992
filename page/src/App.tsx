/** Which page is shown. The overview comes with the first view, the others when they are asked for. */

import { signal } from "@preact/signals";
import type { ComponentType } from "preact";
import { useEffect } from "preact/hooks";
import { freshenRules } from "./live/rules.ts";
import { ask } from "./live/store.ts";
import { Overview, wants } from "./pages/Overview.tsx";
import { Frame } from "./parts/Frame.tsx";
import { place } from "./route.ts";
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
  useEffect(() => {
    freshenRules();
    scrollTo(0, 0);
  }, [shown]);
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
    document.title = name ? `${path.slice(1).join(" ") || name} · Atalaia` : "Atalaia";
  }, [name, path]);
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
