/** One chart: lines over time, thresholds, alerts, a cursor shared with the other charts of the view. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type uPlot from "uplot";
import { inUnit, seconds, time } from "../format.ts";
import { nowMs } from "../live/store.ts";
import { Glyph } from "../parts/Mark.tsx";
import type { Alert } from "../types.ts";
import { locale, theme, w } from "../words/index.ts";
import { align, type Column, type TimePoint } from "./align.ts";
import type { Heat } from "./bins.ts";
import { colourOf, lineStyleOf, makePlot, type PlotInput } from "./plot.ts";
import { lookback_s, shownSpan, zoomed, zoomOut, zoomTo } from "./span.ts";
import type { Threshold } from "./thresholds.ts";

export interface Line {
  label: string;
  points: readonly TimePoint[];
}

export interface ChartProps {
  title: string;
  unit: string | null;
  lines: readonly Line[];
  thresholds?: readonly Threshold[];
  alerts?: readonly Alert[];
  heat?: Heat | null;
  /** The top of the scale where it is known, such as 1 for a share. */
  top?: number;
  hint?: string;
  /** Times are seconds since a start, not moments. */
  relative?: boolean;
  height?: number;
}

const MOST_LINES = 40;
const LONGEST_PIXEL_MS = 5000;
const MOST_IN_LEGEND = 8;

export function Chart(props: ChartProps) {
  const { title, unit, thresholds = [], alerts = [], heat = null, relative = false } = props;
  const lines = props.lines.slice(0, MOST_LINES);
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const visible = useRef(false);
  const drawn = useRef({ atMs: Number.NEGATIVE_INFINITY, view: "" });
  const [cursor, setCursor] = useState<number | null>(null);
  const data = useMemo(() => align(lines.map((line) => line.points)), [props.lines]);
  const times = data[0];
  const empty = times.length === 0;
  const span = shownSpan(...extent(times, heat), relative);
  const input = useRef<PlotInput>({} as PlotInput);
  input.current = {
    labels: lines.map((line) => line.label),
    unit,
    thresholds,
    alerts,
    heat,
    top: props.top ?? null,
    height: props.height ?? 180,
    data,
    span,
    relative,
    now_s: nowMs.peek() / 1000,
    onCursor: setCursor,
    onZoom: zoomTo,
    onWhole: zoomOut,
  };
  const layout = [lines.length, theme.value, locale.value, unit, heat !== null, empty].join();

  useEffect(() => {
    const box = place.current;
    if (!box || empty) return;
    const made = makePlot(box, input);
    plot.current = made;
    const sizes = new ResizeObserver(() => {
      if (box.clientWidth) made.setSize({ width: box.clientWidth, height: input.current.height });
    });
    sizes.observe(box);
    const views = new IntersectionObserver(([entry]) => {
      visible.current = entry?.isIntersecting ?? true;
      if (visible.current) show(made, input.current);
    });
    views.observe(box);
    return () => {
      sizes.disconnect();
      views.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [layout]);

  const view = [zoomed.value?.from_s, zoomed.value?.until_s, lookback_s.value].join();
  useEffect(() => {
    const made = plot.current;
    if (!made || !visible.current || document.hidden) return; // drawn when it is seen
    const draw = () => {
      drawn.current = { atMs: performance.now(), view };
      show(made, input.current);
    };
    // nothing new is to be seen before the time that a pixel stands for has passed
    const pixel_ms = Math.min(LONGEST_PIXEL_MS, ((span.until_s - span.from_s) * 1000) / made.width);
    const wait_ms = drawn.current.view === view ? drawn.current.atMs + pixel_ms - performance.now() : 0;
    if (relative || wait_ms <= 0) {
      draw();
      return;
    }
    const timer = setTimeout(draw, wait_ms);
    return () => clearTimeout(timer);
  }, [data, span.from_s, span.until_s, alerts, thresholds, heat]);

  const row = cursor ?? times.length - 1;
  return (
    <figure class="card chart">
      <div class="head">
        <h2>{title}</h2>
        {props.hint && <span class="small quiet">{props.hint}</span>}
      </div>
      {empty ? (
        <p class="empty">{w().chart.none}</p>
      ) : (
        <>
          <div
            class="plot"
            ref={place}
            role="slider"
            tabIndex={0}
            aria-label={spokenSummary(title, data, unit)}
            aria-valuemin={Math.round(times[0] ?? 0)}
            aria-valuemax={Math.round(times.at(-1) ?? 0)}
            aria-valuenow={Math.round(times[row] ?? 0)}
            aria-valuetext={spokenRow(data, row, lines, unit, relative)}
            onKeyDown={(event) => plot.current && onKey(event, plot.current, input.current)}
          />
          <Legend
            lines={lines}
            hidden={props.lines.length - MOST_LINES}
            data={data}
            row={row}
            unit={unit}
            at={cursor}
            relative={relative}
            onMap={heat !== null}
            thresholds={thresholds}
          />
        </>
      )}
    </figure>
  );
}

function show(u: uPlot, input: PlotInput): void {
  u.batch(() => {
    u.setData(input.data as uPlot.AlignedData); // the values' scale is anew, too: thresholds may have come
    u.setScale("x", { min: input.span.from_s, max: input.span.until_s });
  });
}

/** From the first point to the last; of a map of bins, whole bins. */
function extent(times: readonly number[], heat: Heat | null): [number, number] {
  const last = heat?.bins.at(-1);
  if (heat?.bins[0] && last) return [heat.bins[0].at_s, last.at_s + heat.width_s];
  return [times[0] ?? 0, times.at(-1) ?? 0];
}

/** Return the value that a line has at a row, or had last before it. */
function valueAt(column: Column | undefined, row: number): number | null {
  for (let at = row; column && at >= 0; at--) {
    const value = column[at];
    if (value !== undefined) return value;
  }
  return null;
}

function Legend(props: {
  lines: readonly Line[];
  hidden: number;
  data: readonly [number[], ...Column[]];
  row: number;
  unit: string | null;
  at: number | null;
  relative: boolean;
  onMap: boolean;
  thresholds: readonly Threshold[];
}) {
  const { lines, data, row, unit, at, relative, onMap, thresholds } = props;
  return (
    <ul class="legend">
      {at !== null && <li>{atRow(data, row, relative)}</li>}
      {lines.slice(0, MOST_IN_LEGEND).map((line, position) => (
        <li key={line.label}>
          <i
            style={{
              borderTop: `0.2rem ${lineStyleOf(position, onMap)} var(--${colourOf(position, onMap)})`,
            }}
          />
          <span title={line.label}>{line.label}</span>{" "}
          <b>{inUnit(valueAt(data[position + 1], row), unit, locale.value)}</b>
        </li>
      ))}
      {thresholds.map(({ severity, value, rule }) => (
        <li key={`${rule} ${severity}`} title={w().chart.threshold(w().severity[severity], rule)}>
          <Glyph tone={severity} /> {w().severity[severity]} <b>{inUnit(value, unit, locale.value)}</b>
        </li>
      ))}
      {lines.length > MOST_IN_LEGEND && (
        <li>+ {lines.length - MOST_IN_LEGEND + Math.max(0, props.hidden)}</li>
      )}
    </ul>
  );
}

function atRow(data: readonly [number[], ...Column[]], row: number, relative: boolean): string {
  const at_s = data[0][row] ?? 0;
  return relative ? seconds(at_s, locale.value) : time(at_s * 1000, locale.value);
}

function spokenSummary(title: string, data: readonly [number[], ...Column[]], unit: string | null): string {
  const values = data
    .slice(1)
    .flat()
    .filter((value) => typeof value === "number");
  const said = (value: number | null) => inUnit(value, unit, locale.value);
  if (!values.length) return `${title}: ${w().chart.noData}`;
  const low = values.reduce((least, value) => Math.min(least, value));
  const high = values.reduce((most, value) => Math.max(most, value));
  return w().chart.summary(title, said(valueAt(data[1], data[0].length - 1)), said(low), said(high));
}

function spokenRow(
  data: readonly [number[], ...Column[]],
  row: number,
  lines: readonly Line[],
  unit: string | null,
  relative: boolean,
): string {
  const values = lines
    .slice(0, MOST_IN_LEGEND)
    .map((line, position) =>
      w().chart.latest(line.label, inUnit(valueAt(data[position + 1], row), unit, locale.value)),
    );
  return `${atRow(data, row, relative)}: ${values.join(", ")}`;
}

/** Arrows move the cursor, + and − zoom about it, 0 and Escape show all. */
function onKey(event: KeyboardEvent, u: uPlot, input: PlotInput): void {
  const times = input.data[0];
  const last = times.length - 1;
  const at = u.cursor.idx ?? last;
  const step = event.shiftKey ? 10 : 1;
  const move = (row: number) => {
    const to = Math.min(last, Math.max(0, row));
    u.setCursor({ left: u.valToPos(times[to] ?? 0, "x"), top: u.over.clientHeight / 2 });
  };
  const zoom = (factor: number) => {
    const { from_s, until_s } = input.span;
    const middle = times[at] ?? until_s;
    const half = ((until_s - from_s) * factor) / 2;
    const from = Math.max(from_s - half, middle - half);
    zoomTo({ from_s: from, until_s: from + 2 * half });
  };
  switch (event.key) {
    case "ArrowLeft":
      move(at - step);
      break;
    case "ArrowRight":
      move(at + step);
      break;
    case "Home":
      move(0);
      break;
    case "End":
      move(last);
      break;
    case "+":
    case "=":
      zoom(0.5);
      break;
    case "-":
      if (zoomed.peek()) zoom(2);
      break;
    case "0":
    case "Escape":
      zoomOut();
      u.setCursor({ left: -10, top: -10 });
      break;
    default:
      return;
  }
  event.preventDefault();
}
