import { authenticationFailure, failure, type Result, type StripeError } from "../shared/errors";
import { parseSecret, readIntent, type Answer, type Api } from "../shared/net";
import { challenge } from "./challenge";

/** How the page wants to hear of the end. */
export interface Wish {
  /** always: the customer ends up at returnUrl. needed: only if the method redirects. never: the page navigates itself. */
  redirect: "always" | "needed" | "never";
  returnUrl?: string;
}

const named = (intent: any): Result => (intent.object === "setup_intent" ? { setupIntent: intent } : { paymentIntent: intent });

/** Adds parameters to an address, over those of the same name; what else is there stays as it was written. */
export function withParams(address: string, params: { [name: string]: string }): string {
  const [rest, ...fragment] = address.split("#");
  const [path, ...query] = rest.split("?");
  const kept = query
    .join("?")
    .split("&")
    .filter((pair) => pair !== "" && !(decode(pair.split("=")[0]) in params));
  const added = Object.keys(params).map((k) => `${encodeURIComponent(k)}=${encodeURIComponent(params[k])}`);
  return `${path}?${kept.concat(added).join("&")}${fragment.length ? "#" + fragment.join("#") : ""}`;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replace(/\+/g, " "));
  } catch {
    return text;
  }
}

/** Where a browser may be sent: sites and apps, never scripts. */
export function navigable(address: unknown): address is string {
  if (typeof address !== "string") return false;
  try {
    return !/^(javascript|data|vbscript|blob|file|about):?$/.test(new URL(address).protocol);
  } catch {
    return false;
  }
}

const arrived = ["succeeded", "requires_capture", "processing"];

/** Where the page's own return address gets what a redirect would have told it. */
function returnTo(intent: any, returnUrl: string): string {
  const name = intent.object === "setup_intent" ? "setup_intent" : "payment_intent";
  return withParams(returnUrl, {
    [name]: intent.id, [`${name}_client_secret`]: intent.client_secret, redirect_status: intent.status === "processing" ? "pending" : "succeeded",
  });
}

/**
 * Sends the browser away. The promise stays open, since pages read its result
 * without looking, unless the customer comes back by the Back button.
 */
function leave(api: Api, address: unknown, intent: any, wish: Wish): Promise<Result> {
  if (!navigable(address)) {
    return Promise.resolve({ error: failure("api_error", undefined, "The payments server named no address that the customer can be sent to.") });
  }
  return new Promise((resolve) => {
    const back = async (e: PageTransitionEvent): Promise<void> => {
      if (!e.persisted) return;
      window.removeEventListener("pageshow", back);
      const a = await readIntent(api, intent.client_secret);
      if (a.error) resolve({ error: a.error });
      else if (a.value.status === "requires_payment_method" || a.value.status === "requires_action") resolve({ error: lastError(a.value) });
      else if (wish.returnUrl) go(returnTo(a.value, wish.returnUrl));
      else resolve(named(a.value));
    };
    window.addEventListener("pageshow", back);
    go(address);
  });
}

function go(address: string): void {
  try {
    if (window.top && window.top !== window) {
      window.top.location.assign(address);
      return;
    }
  } catch {
    // A page of another origin is around us; then this frame alone goes.
  }
  window.location.assign(address);
}

/** Why the last attempt failed, with the intent as pages expect it inside. */
function lastError(intent: any): StripeError {
  const e = intent.last_payment_error || intent.last_setup_error;
  if (!e) return authenticationFailure(intent);
  return { ...e, message: e.message || authenticationFailure().message, [intent.object]: intent };
}

/** Turns the server's answer into what the page gets, doing what is left to do. */
export async function outcome(api: Api, answer: Answer, wish: Wish): Promise<Result> {
  if (answer.error) return { error: answer.error };
  const intent = answer.value;
  if (arrived.indexOf(intent.status) >= 0) {
    return wish.redirect === "always" && wish.returnUrl ? leave(api, returnTo(intent, wish.returnUrl), intent, wish) : named(intent);
  }
  if (intent.status === "requires_payment_method") return { error: lastError(intent) };
  if (intent.status === "requires_confirmation") return named(intent);
  const action = intent.next_action;
  if (intent.status !== "requires_action" || !action) {
    return { error: { type: "invalid_request_error", code: "payment_intent_unexpected_state", message: `This payment cannot go on: its status is ${intent.status}.`, [intent.object]: intent } };
  }
  if (wish.redirect === "never") return named(intent);
  switch (action.type) {
    case "redirect_to_url":
      return leave(api, action.redirect_to_url?.url, intent, wish);
    case "alipay_handle_redirect":
      return leave(api, action.alipay_handle_redirect?.url, intent, wish);
    case "use_stripe_sdk": {
      const url = action.use_stripe_sdk?.stripe_js;
      if (!navigable(url)) return { error: failure("api_error", undefined, "The payments server asked for an action that this library does not know.") };
      const { answer: after, closed } = await challenge(api, intent.client_secret, url);
      if (after.value?.status === "requires_action") return closed ? { error: authenticationFailure(after.value) } : outcome(api, after, wish);
      return outcome(api, after, wish);
    }
  }
  // Vouchers, codes and the like: the page shows them.
  return wish.redirect === "always" && wish.returnUrl ? leave(api, returnTo({ ...intent, status: "processing" }, wish.returnUrl), intent, wish) : named(intent);
}

/**
 * Reads an intent after the connection broke during its confirmation: if the
 * confirmation arrived, its result counts; it is never sent again.
 */
export async function afterBreak(api: Api, secret: string, answer: Answer): Promise<Answer> {
  if (answer.error?.type !== "api_connection_error") return answer;
  const now = await readIntent(api, secret);
  if (now.error || ["requires_payment_method", "requires_confirmation"].indexOf(now.value.status) >= 0) return answer;
  return now;
}

export const secretOf = (secret: unknown, kind: "pi" | "seti", caller: string): { id: string; kind: "pi" | "seti"; secret: string } | string => {
  const s = parseSecret(secret);
  const wanted = kind === "pi" ? "a PaymentIntent" : "a SetupIntent";
  if (!s) return `Invalid value for ${caller}: the client secret should be a string of the form \${id}_secret_\${secret}. You specified: ${secret === null ? "null" : typeof secret}.`;
  if (s.kind !== kind) return `Invalid value for ${caller}: the client secret should be that of ${wanted}.`;
  return s;
};
