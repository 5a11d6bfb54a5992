/** How uPlot is set up. It reads its input anew whenever it draws, so that nothing is rebuilt when data comes. */

import uPlot from "uplot";
import { bytes, inUnit, seconds, time } from "../format.ts";
import type { Alert } from "../types.ts";
import { locale } from "../words/index.ts";
import type { Column } from "./align.ts";
import type { Heat } from "./bins.ts";
import { inks, paintAlerts, paintHeat, paintThresholds } from "./paint.ts";
import type { Span } from "./span.ts";
import type { Threshold } from "./thresholds.ts";

export interface PlotInput {
  labels: readonly string[];
  unit: string | null;
  thresholds: readonly Threshold[];
  alerts: readonly Alert[];
  heat: Heat | null;
  top: number | null;
  height: number;
  data: [number[], ...Column[]];
  span: Span;
  relative: boolean;
  now_s: number;
  onCursor(row: number | null): void;
  onZoom(span: Span): void;
  onWhole(): void;
}

const COLOURS = 6;
/** More than these are drawn as hairlines, which are several times cheaper to paint. */
const FEW_LINES = 8;
const DASHES: readonly (readonly number[])[] = [[], [8, 4], [2, 3], [10, 3, 2, 3]];
const SHARED_CURSOR = "time";

/** Lines over a map are told apart by their dashes alone, others by colour first. */
export const colourOf = (position: number, onMap: boolean): string =>
  onMap ? "ink" : `series-${(position % COLOURS) + 1}`;
const dashOf = (position: number, onMap: boolean): number =>
  (onMap ? position : Math.floor(position / COLOURS)) % DASHES.length;
export const lineStyleOf = (position: number, onMap: boolean): string =>
  ["solid", "dashed", "dotted", "double"][dashOf(position, onMap)] ?? "solid";

export function makePlot(box: HTMLElement, input: { readonly current: PlotInput }): uPlot {
  const { labels, unit, heat, height, relative } = input.current;
  const axis = {
    stroke: inks("ink-2"),
    font: `12px ${inks("font")}`,
    grid: { stroke: inks("line"), width: 1 },
    ticks: { show: false },
  };
  return new uPlot(
    {
      width: Math.max(200, box.clientWidth),
      height,
      legend: { show: false },
      padding: [10, 30, 0, 0],
      cursor: {
        y: false,
        points: { size: 6 },
        drag: { x: true, y: false, setScale: false },
        sync: { key: SHARED_CURSOR, scales: ["x", null] },
        bind: {
          dblclick: () => () => {
            input.current.onWhole();
            return null;
          },
        },
      },
      scales: {
        x: { time: !relative, auto: false, range: (_u, min, max) => [min, max] },
        y: heat
          ? { distr: 3, log: 2, range: () => heatRange(input.current) }
          : { range: (_u, low, high) => valueRange(input.current, low, high) },
      },
      axes: [
        {
          ...axis,
          values: (u, splits) =>
            relative ? splits.map((at_s) => seconds(at_s, locale.peek())) : times(u, splits),
          space: 70,
          size: 26,
          gap: 4,
        },
        {
          ...axis,
          size: 68,
          values: (_u, splits) => splits.map((value) => (value === null ? "" : tickText(value, unit))),
          ...(unit === "By" || unit === "By/s" ? { incrs: POWERS } : {}),
          ...(heat ? { splits: () => octaves(input.current) } : {}),
        },
      ],
      series: [
        {},
        ...labels.map((label, position) => ({
          label,
          stroke: inks(colourOf(position, heat !== null)),
          width: heat || labels.length > FEW_LINES ? 1 : 1.5,
          dash: [...(DASHES[dashOf(position, heat !== null)] ?? [])],
          points: { show: labels.length === 1 && input.current.data[0].length < 40, size: 4 },
        })),
      ],
      hooks: {
        drawAxes: [
          (u) => {
            const now = input.current;
            if (now.heat) paintHeat(u, now.heat, inks);
            paintAlerts(u, now.alerts, now.now_s, inks);
          },
        ],
        draw: [(u) => paintThresholds(u, input.current.thresholds, inks)],
        setCursor: [(u) => input.current.onCursor(u.cursor.idx ?? null)],
        setSelect: [
          (u) => {
            if (u.select.width < 4) return;
            input.current.onZoom({
              from_s: u.posToVal(u.select.left, "x"),
              until_s: u.posToVal(u.select.left + u.select.width, "x"),
            });
            u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          },
        ],
      },
    },
    input.current.data as uPlot.AlignedData,
    box,
  );
}

function times(u: uPlot, splits: number[]): string[] {
  const shown_s = (u.scales.x?.max ?? 0) - (u.scales.x?.min ?? 0);
  return splits.map((at_s) => {
    const said = time(at_s * 1000, locale.peek());
    if (shown_s > 2 * 86_400) {
      return new Date(at_s * 1000).toLocaleDateString(locale.peek(), { day: "numeric", month: "short" });
    }
    return shown_s > 600 ? said.slice(0, 5) : said;
  });
}

const POWERS = Array.from({ length: 60 }, (_, power) => 2 ** power);

function tickText(value: number, unit: string | null): string {
  return unit === "By/s" ? `${bytes(value, locale.peek())}/s` : inUnit(value, unit, locale.peek());
}

/** From zero to a little over the highest; thresholds within reach are in the picture. */
function valueRange(input: PlotInput, low: number | null, high: number | null): [number, number] {
  if (input.top !== null) return [0, input.top];
  const most = Math.max(high ?? 0, 0);
  const thresholds = input.thresholds.map((one) => one.value).sort((a, b) => a - b);
  const reached = thresholds.filter((value) => value <= most * 3);
  const top = Math.max(most, ...(most ? reached : thresholds.slice(0, 1))) * 1.12;
  return [Math.min(0, low ?? 0), top > 0 ? top : 1];
}

function heatRange(input: PlotInput): [number, number] {
  const heat = input.heat;
  const bins = heat?.bins.filter((bin) => bin.counts.length) ?? [];
  if (!heat || !bins.length) return [0.001, 1];
  const from = Math.min(...bins.map((bin) => bin.from));
  const until = Math.max(...bins.map((bin) => bin.from + bin.counts.length));
  return [heat.base ** (from - 1), heat.base ** (until + 1)];
}

/** The times to write beside a map of latencies: 1, 3, 10, 30 … within its range. */
function octaves(input: PlotInput): number[] {
  const [low, high] = heatRange(input);
  const out: number[] = [];
  for (let power = -6; power <= 3; power++) {
    for (const digit of [1, 3]) {
      const value = digit * 10 ** power;
      if (value >= low && value <= high) out.push(value);
    }
  }
  return out;
}
