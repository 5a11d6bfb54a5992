import assert from "node:assert/strict";
import { test } from "node:test";
import { FrameReader } from "../src/live/frames.ts";

const ANSWER =
  'retry: 1000\n\nevent: health\nid: a1\ndata: {"score":1}\n\n: alive\n\nevent: alerts\nid: a2\ndata: {}\n\n';

test("an answer gives the same events in whatever pieces it comes", () => {
  for (let size = 1; size <= ANSWER.length; size++) {
    const reader = new FrameReader();
    const frames = [];
    for (let at = 0; at < ANSWER.length; at += size) frames.push(...reader.take(ANSWER.slice(at, at + size)));
    assert.deepEqual(frames, [
      { event: "health", data: '{"score":1}' },
      { event: "alerts", data: "{}" },
    ]);
    assert.equal(reader.lastId, "a2");
  }
});

test("an event whose end has not come gives nothing, not even its id", () => {
  const reader = new FrameReader();
  assert.deepEqual(reader.take("event: alerts\nid: a3\ndata: {}\n"), []);
  assert.equal(reader.lastId, "");
});

test("data over several lines is one text", () => {
  assert.deepEqual(new FrameReader().take("data: a\ndata: b\n\n"), [{ event: "message", data: "a\nb" }]);
});
