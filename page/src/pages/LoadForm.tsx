/** Asks for a load test; what is allowed stands beside it. */

import { useEffect, useState } from "preact/hooks";
import { get, Refusal, send } from "../api.ts";
import { age, number } from "../format.ts";
import { go } from "../route.ts";
import type { LoadLimits } from "../types.ts";
import { locale, w } from "../words/index.ts";

type Model = "users" | "rps" | "max_users";
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] as const;

export function LoadForm() {
  const [limits, setLimits] = useState<LoadLimits | null>(null);
  const [model, setModel] = useState<Model>("users");
  const [refusal, setRefusal] = useState("");
  const [busy, setBusy] = useState(false);
  const words = w().load;
  useEffect(() => {
    get<LoadLimits>("/loadtests/limits").then(setLimits, () => setLimits(null));
  }, []);
  const start = async (event: SubmitEvent) => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget as HTMLFormElement);
    setBusy(true);
    try {
      const { run_id } = await send<{ run_id: string }>("POST", "/loadtests", requestOf(fields, model));
      go(["loadtests", run_id]);
    } catch (error) {
      setRefusal(error instanceof Refusal ? error.message : w().lost);
    } finally {
      setBusy(false);
    }
  };
  const limit = { users: limits?.max_users, max_users: limits?.max_users, rps: limits?.max_rps }[model];
  const amount = { users: words.usersCount, max_users: words.maxUsers, rps: words.rpsCount }[model];
  return (
    <section class="card">
      <h2>{words.start}</h2>
      <form class="fields" onSubmit={(event) => void start(event)}>
        <label class="field wide">
          {words.url}
          <input
            name="url"
            type="url"
            placeholder={limits?.default_url ?? "http://127.0.0.1:8000/api/v1/monitoring/health"}
          />
        </label>
        <label class="field">
          {words.method}
          <select name="method">
            {METHODS.map((method) => (
              <option key={method}>{method}</option>
            ))}
          </select>
        </label>
        <label class="field">
          {words.model}
          <select
            value={model}
            onChange={(event) => setModel((event.currentTarget as HTMLSelectElement).value as Model)}
          >
            <option value="users">{words.users}</option>
            <option value="rps">{words.rps}</option>
            <option value="max_users">{words.steps}</option>
          </select>
        </label>
        <label class="field">
          {amount}
          <input name="amount" type="number" min="1" max={limit ?? 1_000_000} defaultValue="10" required />
        </label>
        {model !== "max_users" && (
          <label class="field">
            {words.duration}
            <input
              name="duration"
              type="number"
              min="1"
              max={limits?.max_duration_s ?? 604_800}
              defaultValue="20"
              required
            />
          </label>
        )}
        <label class="field">
          {words.slo}
          <input name="slo" type="text" placeholder="p95 < 250 ms; error_rate < 1 %" />
        </label>
        <div>
          <button type="submit" class="button first" disabled={busy}>
            {words.go}
          </button>
        </div>
      </form>
      {refusal && (
        <p class="refused" role="alert">
          {w().failed(refusal)}
        </p>
      )}
      <p class="small quiet">
        {limits
          ? words.limits(
              limits.hosts.join(", "),
              number(limits.max_rps, locale.value),
              number(limits.max_users, locale.value),
              age(limits.max_duration_s),
            )
          : words.unknownLimits}
      </p>
    </section>
  );
}

/** Return the request's body; goals are told apart by `;`. */
export function requestOf(fields: FormData, model: Model): object {
  const url = String(fields.get("url") ?? "").trim();
  const slo = String(fields.get("slo") ?? "")
    .split(";")
    .map((one) => one.trim())
    .filter(Boolean);
  return {
    ...(url ? { url } : {}),
    method: String(fields.get("method")),
    [model]: Number(fields.get("amount")),
    ...(model === "max_users" ? {} : { duration_s: Number(fields.get("duration")) }),
    ...(slo.length ? { slo } : {}),
  };
}
