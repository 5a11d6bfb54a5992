/** Numbers, durations and times as people read them. Pure: the locale is an argument. */

const NOTHING = "–";
const cache = new Map<string, Intl.NumberFormat>();

function numbers(locale: string, most: number, least = 0): Intl.NumberFormat {
  const key = `${locale} ${most} ${least}`;
  const known = cache.get(key);
  if (known) return known;
  const made = new Intl.NumberFormat(locale, { maximumFractionDigits: most, minimumFractionDigits: least });
  cache.set(key, made);
  return made;
}

/** Three digits that matter, more where the number is large. */
export function number(value: number | null | undefined, locale: string): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NOTHING;
  const size = Math.abs(value);
  const most =
    size >= 100 || size === 0
      ? 0
      : size >= 10
        ? 1
        : size >= 1
          ? 2
          : Math.min(6, 2 - Math.floor(Math.log10(size)));
  return numbers(locale, most).format(value);
}

export function percent(ratio: number | null | undefined, locale: string): string {
  if (ratio === null || ratio === undefined || !Number.isFinite(ratio)) return NOTHING;
  const value = ratio * 100;
  const size = Math.abs(value);
  return `${numbers(locale, size === 0 || size >= 10 ? 0 : size >= 1 ? 1 : 2).format(value)} %`;
}

const BYTES = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

export function bytes(value: number | null | undefined, locale: string): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NOTHING;
  let scaled = value;
  let unit = 0;
  while (Math.abs(scaled) >= 1024 && unit < BYTES.length - 1) {
    scaled /= 1024;
    unit += 1;
  }
  return `${numbers(locale, scaled >= 100 || unit === 0 ? 0 : 1).format(scaled)} ${BYTES[unit]}`;
}

/** A time that something took, in the unit that fits: `230 ms`, `1.4 s`. */
export function seconds(value: number | null | undefined, locale: string): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NOTHING;
  const size = Math.abs(value);
  if (size === 0) return "0 s";
  if (size < 0.001) return `${number(value * 1e6, locale)} µs`;
  if (size < 1) return `${number(value * 1e3, locale)} ms`;
  if (size < 120) return `${number(value, locale)} s`;
  return age(value);
}

/** A time that has passed, roughly: `40 s`, `3 min`, `2 h 5 min`, `3 d`. */
export function age(passed_s: number): string {
  const s = Math.max(0, Math.round(passed_s));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86_400) {
    const minutes = Math.floor((s % 3600) / 60);
    return minutes ? `${Math.floor(s / 3600)} h ${minutes} min` : `${Math.floor(s / 3600)} h`;
  }
  return `${Math.floor(s / 86_400)} d`;
}

/** A value in its unit (UCUM, as the gateway names it); `1` is a ratio, shown in percent. */
export function inUnit(value: number | null | undefined, unit: string | null, locale: string): string {
  switch (unit) {
    case "1":
      return percent(value, locale);
    case "s":
      return seconds(value, locale);
    case "By":
      return bytes(value, locale);
    case "By/s":
      return value === null || value === undefined ? NOTHING : `${bytes(value, locale)}/s`;
    case "/s":
      return value === null || value === undefined ? NOTHING : `${number(value, locale)}/s`;
    default:
      return number(value, locale);
  }
}

export function time(at: string | number | Date, locale: string): string {
  return new Date(at).toLocaleTimeString(locale, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

/** A moment: the time alone where it is today, else with its date. */
export function moment(at: string | number | Date, locale: string, nowMs: number): string {
  const date = new Date(at);
  const today = new Date(nowMs).toDateString() === date.toDateString();
  if (today) return time(date, locale);
  return date.toLocaleString(locale, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
}
