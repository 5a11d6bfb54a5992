/** Which language and theme: the reader's choice, else the browser's. */

import { computed, effect, signal } from "@preact/signals";
import { en, type Words } from "./en.ts";
import { pt } from "./pt.ts";

export type Language = "en" | "pt";
export type Theme = "light" | "dark";

function kept(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null; // storage may be forbidden: the choice then lasts as long as the page
  }
}

function keep(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // as above
  }
}

function browsersLanguage(): Language {
  const preferred = navigator.languages.find((one) => /^(en|pt)/i.test(one));
  return preferred?.toLowerCase().startsWith("pt") ? "pt" : "en";
}

const darkWanted = matchMedia("(prefers-color-scheme: dark)");
const themeChoice = signal<Theme | null>(asTheme(kept("atalaia-theme")));
const systemTheme = signal<Theme>(darkWanted.matches ? "dark" : "light");
darkWanted.addEventListener("change", (event) => {
  systemTheme.value = event.matches ? "dark" : "light";
});

export const language = signal<Language>(asLanguage(kept("atalaia-language")) ?? browsersLanguage());
export const locale = computed(() => (language.value === "pt" ? "pt-BR" : "en-GB"));
export const theme = computed<Theme>(() => themeChoice.value ?? systemTheme.value);
export const you = signal(kept("atalaia-you") ?? "");
const words = computed<Words>(() => (language.value === "pt" ? pt : en));

/** The words of the chosen language: read inside a component, it follows the choice. */
export const w = (): Words => words.value;

export function chooseLanguage(choice: Language): void {
  language.value = choice;
  keep("atalaia-language", choice);
}

export function chooseTheme(choice: Theme): void {
  themeChoice.value = choice;
  keep("atalaia-theme", choice);
}

export function chooseName(name: string): void {
  you.value = name;
  keep("atalaia-you", name);
}

effect(() => {
  document.documentElement.lang = language.value === "pt" ? "pt-BR" : "en";
  document.documentElement.dataset.theme = theme.value;
});

function asLanguage(text: string | null): Language | null {
  return text === "en" || text === "pt" ? text : null;
}

function asTheme(text: string | null): Theme | null {
  return text === "light" || text === "dark" ? text : null;
}
