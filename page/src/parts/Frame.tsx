/** What is around every page: navigation, the connection's state, language and theme. */

import type { ComponentChildren } from "preact";
import { age, time } from "../format.ts";
import { alertsDetail, browserNowMs, connection, reconnect, unheld } from "../live/store.ts";
import { place, write } from "../route.ts";
import { chooseLanguage, chooseTheme, language, locale, theme, w } from "../words/index.ts";
import { Mark } from "./Mark.tsx";
import { Toasts } from "./toasts.tsx";

const PAGES = ["overview", "alerts", "loadtests", "services", "cache", "system"] as const;
const UNDER: Record<string, (typeof PAGES)[number]> = { hosts: "overview", apps: "overview" };

export function Frame({ children }: { children: ComponentChildren }) {
  return (
    <div class={connection.value.state === "lost" ? "lost" : ""}>
      <button type="button" class="skip button" onClick={toContent}>
        {w().skip}
      </button>
      <header class="bar">
        <a class="brand" href="#/">
          <img src="./icon.svg" width="26" height="26" alt="" />
          Atalaia
        </a>
        <nav class="nav" aria-label={w().mainNav}>
          {PAGES.map((page) => (
            <NavLink key={page} page={page} />
          ))}
        </nav>
        <div class="tools">
          <Standing />
          <Choices />
        </div>
      </header>
      <Banner />
      <main class="main" id="content" tabIndex={-1}>
        {children}
      </main>
      <footer class="foot">
        <span>{w().keys}</span>
      </footer>
      <p class="unseen" role="status">
        {unheld.value.length > 0 && w().alertsHere(unheld.value.length)}
      </p>
      <Toasts />
    </div>
  );
}

function toContent(): void {
  document.getElementById("content")?.focus();
}

function NavLink({ page }: { page: (typeof PAGES)[number] }) {
  const first = place.value.path[0] ?? "overview";
  const count = page === "alerts" ? unheld.value.length : 0;
  return (
    <a
      href={page === "overview" ? "#/" : write([page])}
      {...((UNDER[first] ?? first) === page ? { "aria-current": "page" as const } : {})}
    >
      {w().nav[page]}
      {count > 0 && <span class="count">{count}</span>}
    </a>
  );
}

function Standing() {
  const state = connection.value.state;
  return (
    <span class="small" role="status">
      <Mark tone={state === "live" ? "ok" : state === "lost" ? "warning" : "none"}>
        {state === "live" ? w().live : state === "lost" ? w().lost : w().joining}
      </Mark>
    </span>
  );
}

function Choices() {
  const other = theme.value === "dark" ? "light" : "dark";
  const next = language.value === "en" ? "pt" : "en";
  return (
    <>
      <button
        type="button"
        class="button"
        lang={next === "pt" ? "pt-BR" : "en"}
        title={w().languageLabel}
        onClick={() => chooseLanguage(next)}
      >
        {next === "pt" ? "Português" : "English"}
      </button>
      <button
        type="button"
        class="button"
        aria-label={`${w().theme.label}: ${w().theme[other]}`}
        title={`${w().theme.label}: ${w().theme[other]}`}
        onClick={() => chooseTheme(other)}
      >
        {other === "dark" ? "☾" : "☀"}
      </button>
    </>
  );
}

function Banner() {
  const now = connection.value;
  if (now.state === "lost") {
    const lost_s = (browserNowMs.value - now.sinceMs) / 1000;
    return (
      <section class="banner" aria-label={w().lost}>
        <Mark tone="warning">{w().lostSince(time(now.sinceMs, locale.value), age(lost_s))}</Mark>
        <button type="button" class="button" onClick={reconnect}>
          {w().reconnect}
        </button>
      </section>
    );
  }
  if (!alertsDetail.value) return null;
  return (
    <section class="banner" aria-label={w().active}>
      {w().incomplete(alertsDetail.value)}
    </section>
  );
}
