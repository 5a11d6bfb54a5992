/** What the gateway says, as far as the page reads it. */

export type Severity = "critical" | "error" | "warning";
export type Tone = Severity | "ok" | "none";

export interface Deduction {
  reason: string;
  points: number;
}

export interface Dependency {
  status: "up" | "slow" | "down" | "off";
  latency_s: number | null;
  detail: string;
  optional: boolean;
}

export interface Instance {
  service: string;
  instance: string;
  version: string;
  status: "up" | "draining" | "missing";
  last_seen_at: string;
  host: string;
  detail: string;
}

export interface Health {
  status: "healthy" | "degraded" | "unhealthy";
  score: number;
  at: string;
  deductions: Deduction[];
  dependencies: Record<string, Dependency>;
  services: Instance[];
}

export interface Alert {
  alert_id: string;
  transition: string | null;
  at: string;
  rule: string;
  series: string;
  source: string;
  kind: string;
  group: string;
  severity: Severity | null;
  state: "pending" | "firing" | "resolved";
  value: number | null;
  threshold: number | null;
  started_at: string;
  summary: string;
  labels: Record<string, string>;
  resolved_at: string | null;
  resolved_by: string | null;
  acknowledged_by: string | null;
  acknowledged_until: string | null;
  description: string;
  runbook_url: string;
  flapping: boolean;
  stale: boolean;
  silenced: boolean;
}

export interface TimelineEntry {
  at: string;
  type: "transition" | "delivery";
  [field: string]: unknown;
}

export interface AlertWithTimeline extends Alert {
  timeline: TimelineEntry[];
}

export interface Source {
  source: string;
  kind: string;
  group: string;
  at: string;
  stale: boolean;
  gauges: Record<string, number>;
  counters: Record<string, number>;
}

/** `[epoch_s, value]`; of a histogram `[epoch_s, count, sum, p50, p95, p99]`, as buckets `[epoch_s, zeros, offset, counts]`. */
export type Point = readonly [at_s: number, ...rest: (number | null)[]];
export type BucketPoint = readonly [at_s: number, zeros: number, offset: number, counts: readonly number[]];

export interface Series<P = Point> {
  source: string;
  kind: string;
  labels: Record<string, string>;
  points: P[];
}

export interface History<P = Point> {
  metric: string;
  unit: string | null;
  type: "gauge" | "counter" | "histogram";
  base?: number;
  series: Series<P>[];
}

export interface Endpoint {
  service: string;
  method: string;
  route: string;
  requests: number;
  rate: number;
  error_rate: number | null;
  avg_s: number | null;
  min_s: number | null;
  max_s: number | null;
  p50_s: number | null;
  p95_s: number | null;
  p99_s: number | null;
}

export interface ServiceFigures {
  service: string;
  requests: number;
  rate: number;
  error_rate: number | null;
  p50_s: number | null;
  p95_s: number | null;
  p99_s: number | null;
}

export interface Performance {
  window_s: number;
  covered_s: number;
  endpoints: Endpoint[];
  services?: ServiceFigures[];
}

export type Condition = string | Record<string, string>;

export interface Rule {
  name: string;
  metric: string;
  match?: Record<string, Condition>;
  function: string;
  by: string;
  window_s: number;
  op: string;
  thresholds: Partial<Record<Severity, number>>;
  for_s: number;
  state: "quiet" | "pending" | "firing";
  series: number;
  pending: number;
  firing: number;
  judged_at: string | null;
}

export interface Silence {
  id: string;
  matchers: Record<string, Condition>;
  starts_at: string;
  ends_at: string;
  by: string;
  comment: string;
  state: "pending" | "active" | "expired";
}

export interface Verdict {
  measurement: "valid" | "suspect" | "invalid";
  reasons: string[];
}

export interface LoadTest {
  run_id: string;
  started_at: string | null;
  finished_at: string | null;
  state: string;
  target: string;
  verdict: Verdict | null;
}

export interface Times {
  count: number;
  avg_s: number | null;
  min_s: number | null;
  max_s: number | null;
  p50_s: number | null;
  p95_s: number | null;
  p99_s: number | null;
}

export interface LoadResult {
  response?: Times;
  service?: Times;
  sent?: number;
  ok?: number;
  http_errors?: number;
  connection_errors?: number;
  timeouts?: number;
  success_rate?: number | null;
  rate?: number | null;
  throughput?: number | null;
  duration_s?: number;
  load?: string;
  slo?: { expression: string; value: number | null; pass: boolean | null }[];
  [field: string]: unknown;
}

export interface LoadWindow {
  index: number;
  from_s: number;
  to_s: number;
  sent: number;
  ok: number;
  http_errors: number;
  connection_errors: number;
  timeouts: number;
  in_flight: number;
  users: number;
  p50_s: number | null;
  p95_s: number | null;
  p99_s: number | null;
}

export interface LoadTestDetail extends LoadTest {
  result: LoadResult | null;
  windows: LoadWindow[];
}

export interface LoadLimits {
  hosts: string[];
  default_url: string;
  max_rps: number;
  max_users: number;
  max_duration_s: number;
}

export interface CacheStatus {
  available: boolean;
  backend: string;
  hits: number;
  misses: number;
  hit_ratio: number | null;
  keys: number | null;
  memory_bytes: number | null;
  mean_latency_s: number | null;
}

export interface SystemInfo {
  host: Record<string, unknown>;
  os: Record<string, unknown>;
  cpu: Record<string, unknown>;
  memory: Record<string, unknown>;
  python: Record<string, unknown>;
  version: string;
  links: Record<string, string>;
}

export interface Channel {
  name: string;
  kind: string;
  target: string;
  state: "up" | "failing" | "away";
  waiting: number;
  last_success_at: string | null;
  last_error: string;
}
