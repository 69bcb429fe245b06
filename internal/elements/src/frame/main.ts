import { failure, type StripeError } from "../shared/errors";
import { call } from "../shared/net";
import { protocol, type Ask, type Hello, type Init, type ToFrame, type ToPage } from "../shared/protocol";
import { applyAppearance, applyFonts } from "./appearance";
import { BankButton, BankList } from "./bank";
import { Challenge } from "./challenge";
import { Address, Email } from "./forms";
import type { Host, Part } from "./host";
import { AuBankAccount, CardLine, CardPart, Iban } from "./line";
import { Payment } from "./payment";
import { setLocale } from "./texts";

/** Written in front of the script by the server that serves it. */
declare const __DUCAT__: { cards: string[] };

const kind = document.documentElement.dataset.kind || "";

const parts: { [kind: string]: (host: Host) => Part } = {
  payment: (host) => new Payment(host),
  card: (host) => new CardLine(host),
  "card-number": (host) => new CardPart(host, "number"),
  "card-expiry": (host) => new CardPart(host, "expiry"),
  "card-cvc": (host) => new CardPart(host, "cvc"),
  iban: (host) => new Iban(host),
  "au-bank-account": (host) => new AuBankAccount(host),
  "link-authentication": (host) => new Email(host),
  address: (host) => new Address(host),
  bank: (host) => new BankButton(host),
  "bank-list": (host) => new BankList(host),
  challenge: (host) => new Challenge(host),
};

let port: MessagePort | undefined;
let part: Part | undefined;
let host: Host | undefined;

const tell = (message: ToPage): void => port?.postMessage(message);

// The page that made the frame hands over one port. Nothing else is ever
// accepted from a window.
window.addEventListener("message", function hello(e: MessageEvent) {
  const m = e.data as Hello;
  if (port || e.source !== window.parent || !m || m.ducat !== protocol || m.type !== "port" || !e.ports[0]) return;
  window.removeEventListener("message", hello);
  port = e.ports[0];
  port.onmessage = (said: MessageEvent) => hear(said.data as ToFrame);
  tell({ type: "booted" });
  if (kind === "challenge") begin({ locale: navigator.language, options: {}, appearance: {}, fonts: [] } as unknown as Init);
});

function begin(init: Init): void {
  setLocale(init.locale);
  applyFonts(init.fonts);
  if (kind === "payment" || kind === "address" || kind === "link-authentication") applyAppearance(init.appearance);
  host = { init, cards: __DUCAT__.cards, tell, emit: (name, payload = {}) => tell({ type: "event", name, payload }), ready: soonReady };
  part = parts[kind]?.(host);
  if (!part) return;
  document.body.append(part.root);
  if (kind === "challenge") return;
  new ResizeObserver(measure).observe(part.root);
  measure();
}

/** Ready when it has been laid out. */
function soonReady(then?: () => void): void {
  requestAnimationFrame(() => {
    measure();
    tell({ type: "ready" });
    then?.();
  });
}

let measured = 0;

function measure(): void {
  if (!part) return;
  const pad = document.body.hasAttribute("data-pad") ? 8 : 0;
  const height = Math.ceil(part.root.getBoundingClientRect().height + pad);
  if (height > 0 && height !== measured) {
    measured = height;
    tell({ type: "height", height });
  }
}

function hear(m: ToFrame): void {
  switch (m.type) {
    case "init":
      return begin(m.init);
    case "session":
      if (m.session) part?.session?.(m.session);
      return;
    case "update":
      if (m.locale && host) setLocale(m.locale);
      if (m.appearance && kind !== "card") applyAppearance(m.appearance);
      if (m.fonts) applyFonts(m.fonts);
      if (m.options) part?.update(m.options);
      if (m.session) part?.session?.(m.session);
      return;
    case "focus":
      return part?.focus();
    case "blur":
      return (document.activeElement as HTMLElement | null)?.blur();
    case "clear":
      return part?.clear();
    case "collapse":
      return part?.collapse?.();
    case "choose":
      return part?.choose?.(m.value);
    case "close":
      return part?.close?.();
    case "ask":
      void answer(m.ask)
        .catch((): { error: StripeError } => ({ error: failure("api_error", undefined, "The payment form failed unexpectedly.") }))
        .then((a) => tell({ type: "answer", id: m.id, ...a }));
  }
}

async function answer(ask: Ask): Promise<{ value?: any; error?: StripeError }> {
  if (!part || !host) return { error: failure("api_error", undefined, "The payment form has not been drawn yet.") };
  switch (ask.what) {
    case "validate":
      return part.validate();
    case "value":
      return { value: part.validate().value };
    case "challenge":
      part.challenge?.(ask.url);
      return {};
    case "send":
      return send(part, host, ask);
  }
}

/** Puts what is known under what is missing, hash by hash. */
function fill(base: any, gaps: any): any {
  const out: any = { ...(gaps || {}) };
  Object.keys(base || {}).forEach((k) => {
    const v = base[k];
    if (v === undefined || v === null || v === "") return;
    out[k] = typeof v === "object" && typeof out[k] === "object" && out[k] ? fill(v, out[k]) : v;
  });
  return out;
}

async function send(from: Part, to: Host, ask: Extract<Ask, { what: "send" }>): Promise<{ value?: any; error?: StripeError }> {
  const p = ask.params || {};
  const given = p.payment_method_data?.billing_details || p.billing_details || {};
  const missing = from instanceof Payment ? from.missing(given) : undefined;
  if (missing) {
    return { error: failure("integration", undefined, `The Payment Element was told never to ask for billing_details.address.${missing}, so it has to be given in confirmParams.payment_method_data.billing_details.`) };
  }
  const d = await from.data!(ask.method);
  if (d.error) return { error: d.error };
  const own = ask.override ? fill(d.billing, given) : fill(given, d.billing);
  const billing_details = fill(own, ask.billing);
  const hash = Object.keys(d.fields).length ? { [d.type]: d.fields } : {};
  const agent = to.init.api.agent;
  let body: any;
  switch (ask.at) {
    case "payment_method_data":
      body = {
        ...p, ...(/\/confirm$/.test(ask.path) ? { expected_payment_method_type: d.type } : {}),
        payment_method_data: { ...p.payment_method_data, type: d.type, ...hash, billing_details, allow_redisplay: p.payment_method_data?.allow_redisplay || "unspecified", payment_user_agent: agent },
      };
      break;
    case "method":
      body = { ...p, type: d.type, ...hash, billing_details, payment_user_agent: agent };
      break;
    case "token":
      body = { card: { ...d.fields, address_zip: d.billing.address?.postal_code, ...p.card }, payment_user_agent: agent };
      break;
    case "source":
      body = { ...p, ...hash };
      break;
  }
  const a = await call(to.init.api, "POST", ask.path, body);
  if (from instanceof Payment && a.value?.status === "requires_payment_method" && a.value.last_payment_error) from.failed(a.value.last_payment_error);
  if (from instanceof Payment && a.error) from.failed(a.error);
  return a;
}
