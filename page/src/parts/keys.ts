/** Keys that work everywhere: `g` and a letter goes to a page, `u` undoes. */

import { go } from "../route.ts";
import { undoLast } from "./toasts.tsx";

const PLACES: Record<string, readonly string[]> = {
  o: [],
  a: ["alerts"],
  l: ["loadtests"],
  s: ["services"],
  c: ["cache"],
  y: ["system"],
};
const SECOND_WITHIN_MS = 1500;

export function watchKeys(): void {
  let goingUntil = 0;
  addEventListener("keydown", (event) => {
    const target = event.target as HTMLElement;
    if (event.ctrlKey || event.metaKey || event.altKey || target.closest("input, select, textarea")) return;
    const path = performance.now() < goingUntil ? PLACES[event.key] : undefined;
    goingUntil = event.key === "g" ? performance.now() + SECOND_WITHIN_MS : 0;
    if (path) go(path);
    else if (event.key === "u") undoLast();
  });
}
