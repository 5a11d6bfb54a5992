/** Where the reader is: everything that makes a view is in the URL's fragment, so that it can be sent on. */

import { signal } from "@preact/signals";

export interface Place {
  path: readonly string[];
  query: ReadonlyMap<string, string>;
}

export function read(fragment: string): Place {
  const [path = "", query = ""] = fragment.replace(/^#?\/?/, "").split("?", 2);
  return {
    path: path.split("/").filter(Boolean).map(decoded),
    query: new Map(new URLSearchParams(query)),
  };
}

export function write(path: readonly string[], query: Iterable<readonly [string, string]> = []): string {
  const parts = path.map((part) => encodeURIComponent(part)).join("/");
  const asked = new URLSearchParams([...query].map(([key, value]) => [key, value])).toString();
  return `#/${parts}${asked ? `?${asked}` : ""}`;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a mangled link is a place that is not there
  }
}

export const place = signal<Place>(read(typeof location === "undefined" ? "" : location.hash));

export function watchPlace(): void {
  addEventListener("hashchange", () => {
    place.value = read(location.hash);
  });
}

/** Change what the URL says of this view; null takes away. It makes no step in the browser's history. */
export function setQuery(changes: Record<string, string | null>): void {
  const query = new Map(place.peek().query);
  for (const [key, value] of Object.entries(changes)) {
    if (value === null || value === "") query.delete(key);
    else query.set(key, value);
  }
  history.replaceState(null, "", write(place.peek().path, query));
  place.value = { path: place.peek().path, query };
}

export const asked = (key: string): string => place.value.query.get(key) ?? "";

export function go(path: readonly string[], query: Iterable<readonly [string, string]> = []): void {
  location.hash = write(path, query);
}
