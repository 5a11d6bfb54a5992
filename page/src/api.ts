/** Questions and requests to the gateway, beside the stream. */

export const API = "/api/v1/monitoring";

/** What the gateway answered when it refused: its own words. */
export class Refusal extends Error {
  readonly status: number;
  readonly fields: { field: string; message: string }[];

  constructor(status: number, detail: string, fields: { field: string; message: string }[] = []) {
    super(detail);
    this.status = status;
    this.fields = fields;
  }
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await request("GET", path, undefined, signal)) as T;
}

export async function send<T>(method: "POST" | "DELETE", path: string, body?: object): Promise<T> {
  return (await request(method, path, body)) as T;
}

/** Send without waiting for an answer: arrives even where the page is being closed. */
export function sendLast(path: string, body: object): void {
  void fetch(API + path, {
    method: "POST",
    keepalive: true,
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

async function request(method: string, path: string, body?: object, signal?: AbortSignal): Promise<unknown> {
  const answer = await fetch(API + path, {
    method,
    ...(signal ? { signal } : {}),
    ...(body ? { headers: { "content-type": "application/json" }, body: JSON.stringify(body) } : {}),
  });
  if (!answer.ok) throw refusal(answer.status, await answer.json().catch(() => null));
  return answer.json();
}

function refusal(status: number, content: unknown): Refusal {
  const problem = (content ?? {}) as {
    detail?: string;
    title?: string;
    errors?: { field: string; message: string }[];
  };
  const fields = problem.errors ?? [];
  const said =
    problem.detail || fields.map((one) => `${one.field}: ${one.message}`).join("; ") || problem.title;
  return new Refusal(status, said || `HTTP ${status}`, fields);
}

/** Put what is given into a query, leaving out what is not. */
export function query(values: Record<string, string | number | null | undefined>): string {
  const given = Object.entries(values).filter(
    ([, value]) => value !== null && value !== undefined && value !== "",
  );
  return given.length
    ? `?${given.map(([key, value]) => `${key}=${encodeURIComponent(String(value))}`).join("&")}`
    : "";
}
