import { encode, type Params } from "./form";
import { connectionError, failure, type StripeError } from "./errors";

/** Where requests go and in whose name. */
export interface Api {
  base: string;
  key: string;
  account?: string;
  version?: string;
  agent: string;
}

export type Answer = { value: any; error?: undefined } | { error: StripeError; value?: undefined };

const patienceMs = 80_000;

/**
 * Makes one request that a browser sends without asking first: key and version
 * travel in the form, nothing in headers. It is never repeated.
 */
export async function call(api: Api, method: "GET" | "POST", path: string, params: Params = {}): Promise<Answer> {
  const form = encode({ ...params, key: api.key, _stripe_account: api.account, _stripe_version: api.version });
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), patienceMs);
  let status: number;
  let body: any;
  try {
    const response = await fetch(api.base + path + (method === "GET" ? "?" + form : ""), {
      method,
      credentials: "omit",
      signal: abort.signal,
      ...(method === "POST" ? { headers: { "Content-Type": "application/x-www-form-urlencoded" }, body: form } : {}),
    });
    status = response.status;
    body = await response.json().catch(() => undefined);
  } catch {
    return { error: connectionError() };
  } finally {
    clearTimeout(timer);
  }
  if (body && typeof body === "object") {
    if (status < 400 && !body.error) return { value: body };
    if (body.error && typeof body.error === "object") {
      return { error: { type: "api_error", ...body.error, message: body.error.message || "The request failed." } };
    }
  }
  return { error: failure("api_error", undefined, `The payments server gave an answer that cannot be read (status ${status}).`) };
}

const secrets = /^((pi|seti)_[A-Za-z0-9]+)_secret_[A-Za-z0-9]+$/;

/** Takes a client secret apart. */
export function parseSecret(secret: unknown): { id: string; kind: "pi" | "seti"; secret: string } | undefined {
  const m = typeof secret === "string" ? secrets.exec(secret) : null;
  return m ? { id: m[1], kind: m[2] as "pi" | "seti", secret: m[0] } : undefined;
}

export const intentPath = (s: { id: string; kind: "pi" | "seti" }, verb = ""): string =>
  `/v1/${s.kind === "pi" ? "payment_intents" : "setup_intents"}/${s.id}${verb}`;

/** Reads an intent; the secret goes into the body so that it stays out of addresses. */
export const readIntent = (api: Api, secret: string): Promise<Answer> => {
  const s = parseSecret(secret)!;
  return call(api, "POST", intentPath(s, "/refresh"), { client_secret: secret });
};
