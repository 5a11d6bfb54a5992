/** What is drawn on a chart beside its lines: alerts on the time axis, thresholds, the heat of a latency map. */

import type uPlot from "uplot";
import type { Alert, Tone } from "../types.ts";
import type { Heat } from "./bins.ts";
import type { Threshold } from "./thresholds.ts";

export type Inks = (token: string) => string;

export const inks: Inks = (token) =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${token}`).trim();

/** Mark when alerts were there: a band, a bar below, and at its start the shape of its severity. */
export function paintAlerts(u: uPlot, alerts: readonly Alert[], now_s: number, ink: Inks): void {
  const { ctx, bbox } = u;
  const size = 5 * devicePixelRatio;
  for (const alert of alerts) {
    const from = x(u, Date.parse(alert.started_at) / 1000);
    const until = x(u, alert.resolved_at ? Date.parse(alert.resolved_at) / 1000 : now_s);
    if (until < bbox.left || from > bbox.left + bbox.width) continue;
    const left = Math.max(from, bbox.left);
    const right = Math.min(until, bbox.left + bbox.width);
    const tone: Tone = alert.severity ?? "none";
    ctx.save();
    ctx.fillStyle = ink(`${tone}-fill`);
    ctx.globalAlpha = 0.09;
    ctx.fillRect(left, bbox.top, Math.max(1, right - left), bbox.height);
    ctx.globalAlpha = 1;
    const bottom = bbox.top + bbox.height;
    ctx.fillRect(left, bottom - size / 2, Math.max(2, right - left), size / 2);
    if (from >= bbox.left) {
      shape(ctx, tone, from, bottom - size * 1.4, size);
      ctx.fill();
    }
    ctx.restore();
  }
}

function shape(ctx: CanvasRenderingContext2D, tone: Tone, at: number, middle: number, size: number): void {
  const corners: Record<Tone, readonly (readonly [number, number])[]> = {
    warning: [
      [0, -1],
      [1, 0],
      [0, 1],
      [-1, 0],
    ],
    error: [
      [0, -1],
      [1, 0.9],
      [-1, 0.9],
    ],
    critical: [
      [-0.4, -1],
      [0.4, -1],
      [1, -0.4],
      [1, 0.4],
      [0.4, 1],
      [-0.4, 1],
      [-1, 0.4],
      [-1, -0.4],
    ],
    ok: [
      [-1, -1],
      [1, -1],
      [1, 1],
      [-1, 1],
    ],
    none: [
      [-1, -1],
      [1, -1],
      [1, 1],
      [-1, 1],
    ],
  };
  ctx.beginPath();
  for (const [dx, dy] of corners[tone]) ctx.lineTo(at + dx * size, middle + dy * size);
  ctx.closePath();
}

/** Draw each threshold as a dashed line that ends in the shape of its severity; the legend has its value. */
export function paintThresholds(u: uPlot, thresholds: readonly Threshold[], ink: Inks): void {
  const { ctx, bbox } = u;
  const size = 4 * devicePixelRatio;
  ctx.save();
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
  for (const { severity, value } of thresholds) {
    const y = Math.round(u.valToPos(value, "y", true));
    if (!(y >= bbox.top && y <= bbox.top + bbox.height)) continue;
    const right = bbox.left + bbox.width;
    ctx.strokeStyle = ink(`${severity}-fill`);
    ctx.fillStyle = ink(`${severity}-fill`);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(right, y);
    ctx.stroke();
    shape(ctx, severity, right + 2 * size, y, size);
    ctx.fill();
  }
  ctx.restore();
}

const SHADES = 24;

/** Fill a cell for each bucket of each bin; darker (lighter on dark) means more. */
export function paintHeat(u: uPlot, heat: Heat, ink: Inks): void {
  const { ctx, bbox } = u;
  const most = Math.max(1, ...heat.bins.flatMap((bin) => bin.counts));
  const shades = gradient(ctx, [ink("heat-1"), ink("heat-2"), ink("heat-3")]);
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  for (const bin of heat.bins) {
    const left = Math.floor(x(u, bin.at_s));
    const right = Math.ceil(x(u, bin.at_s + heat.width_s));
    if (right < bbox.left || left > bbox.left + bbox.width) continue;
    for (const [position, count] of bin.counts.entries()) {
      if (!count) continue;
      // whole pixels: cells that touch leave no seam
      const top = Math.round(u.valToPos(heat.base ** (bin.from + position + 1), "y", true));
      const bottom = Math.round(u.valToPos(heat.base ** (bin.from + position), "y", true));
      const shade = Math.round((Math.log1p(count) / Math.log1p(most)) * (SHADES - 1));
      ctx.fillStyle = shades[shade] ?? "";
      ctx.fillRect(left, top, right - left, Math.max(1, bottom - top));
    }
  }
  ctx.restore();
}

function gradient(ctx: CanvasRenderingContext2D, stops: string[]): string[] {
  const colours = stops.map((stop) => {
    ctx.fillStyle = stop;
    const hex = String(ctx.fillStyle);
    return [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
  });
  return Array.from({ length: SHADES }, (_, step) => {
    const place = (step / (SHADES - 1)) * (colours.length - 1);
    const low = Math.min(colours.length - 2, Math.floor(place));
    const mixed = (colours[low] ?? []).map((from, part) =>
      Math.round(from + ((colours[low + 1]?.[part] ?? from) - from) * (place - low)),
    );
    return `rgb(${mixed.join(" ")})`;
  });
}

const x = (u: uPlot, at_s: number): number => u.valToPos(at_s, "x", true);
