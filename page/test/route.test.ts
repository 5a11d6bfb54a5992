import assert from "node:assert/strict";
import { test } from "node:test";
import { read, write } from "../src/route.ts";

test("what is written into a link is read from it", () => {
  const path = ["apps", "shop & co", "GET", "/products/{id}"];
  const query: [string, string][] = [["sort", "p95_s"]];
  const place = read(write(path, query));
  assert.deepEqual([place.path, [...place.query]], [path, query]);
});

test("a mangled link is a place that is not there, not a failure", () => {
  assert.deepEqual(read("#/hosts/%E0%A4%A").path, ["hosts", "%E0%A4%A"]);
});
