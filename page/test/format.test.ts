import assert from "node:assert/strict";
import { test } from "node:test";
import { age, bytes, inUnit, number, percent, seconds } from "../src/format.ts";
import { inWords } from "../src/live/reasons.ts";
import type { Rule } from "../src/types.ts";
import { alertUnit, labelsOf } from "../src/units.ts";
import { en } from "../src/words/en.ts";
import { pt } from "../src/words/pt.ts";

const cases: [string, string][] = [
  [number(1234.5, "en-GB"), "1,235"],
  [number(1234.5, "pt-BR"), "1.235"],
  [number(0.01234, "en-GB"), "0.0123"],
  [number(null, "en-GB"), "–"],
  [number(Number.NaN, "en-GB"), "–"],
  [percent(0.973, "en-GB"), "97 %"],
  [percent(0.0123, "pt-BR"), "1,2 %"],
  [percent(0, "en-GB"), "0 %"],
  [percent(undefined, "en-GB"), "–"],
  [bytes(512, "en-GB"), "512 B"],
  [bytes(1536, "en-GB"), "1.5 KiB"],
  [bytes(25 * 2 ** 30, "pt-BR"), "25 GiB"],
  [seconds(0.0000123, "en-GB"), "12.3 µs"],
  [seconds(0.25, "en-GB"), "250 ms"],
  [seconds(1.25, "pt-BR"), "1,25 s"],
  [seconds(300, "en-GB"), "5 min"],
  [age(59), "59 s"],
  [age(3700), "1 h 1 min"],
  [age(7200), "2 h"],
  [age(-5), "0 s"],
  [inUnit(0.5, "1", "en-GB"), "50 %"],
  [inUnit(2048, "By/s", "en-GB"), "2 KiB/s"],
  [inUnit(3, null, "en-GB"), "3"],
];

for (const [said, wanted] of cases) test(`${wanted} is how it is said`, () => assert.equal(said, wanted));

test("an alert's value is in what its rule's function makes of the metric", () => {
  const rules = [{ name: "errors", metric: "http.server.request.duration", function: "share" } as Rule];
  const unit = (rule: string) => alertUnit({ rule, series: "http.server.request.duration" }, rules);
  assert.deepEqual([unit("errors"), unit("slow")], ["1", "s"]);
});

test("the labels of a series are read with their escapes", () => {
  assert.deepEqual(labelsOf('m{a="x,y",b="\\"q\\""}'), { a: "x,y", b: '"q"' });
});

test("a known reason is said in the reader's language, another as it came", () => {
  assert.equal(inWords("redis is down", pt), "redis está fora do ar");
  assert.equal(inWords("critical: CPU of a at 99 %", pt), "Crítico: CPU of a at 99 %");
  assert.equal(inWords("alerting: behind by 3 s", en), "alerting: behind by 3 s");
});

test("both languages have words everywhere", () => {
  const empty = (words: object): string[] =>
    Object.entries(words).flatMap(([key, value]) =>
      typeof value === "object" ? empty(value as object) : value === "" ? [key] : [],
    );
  assert.deepEqual([...empty(en), ...empty(pt)], []);
});
