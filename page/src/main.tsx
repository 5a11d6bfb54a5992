import { render } from "preact";
import { App } from "./App.tsx";
import { start } from "./live/store.ts";
import { watchKeys } from "./parts/keys.ts";
import { watchPlace } from "./route.ts";
import "./style/tokens.css";
import "./style/base.css";
import "./style/parts.css";

const root = document.getElementById("page");
if (root) {
  watchPlace();
  watchKeys();
  start();
  render(<App />, root);
}
