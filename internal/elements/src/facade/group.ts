import { IntegrationError, failure, type StripeError } from "../shared/errors";
import { call, parseSecret, readIntent, type Api } from "../shared/net";
import type { Session } from "../shared/protocol";
import { next, since, train, warn } from "./env";
import { Element, dress, knownType } from "./element";
import { Listeners } from "./listeners";

/** Both spellings that pages use, in the server's. */
const deferredNames: { [option: string]: string } = {
  mode: "mode", amount: "amount", currency: "currency", setupFutureUsage: "setup_future_usage", captureMethod: "capture_method",
  onBehalfOf: "on_behalf_of", paymentMethodTypes: "payment_method_types", excludedPaymentMethodTypes: "excluded_payment_method_types",
  allowedPaymentMethodTypes: "allowed_payment_method_types", paymentMethodConfiguration: "payment_method_configuration",
  paymentMethodOptions: "payment_method_options",
};

const updatable = Object.keys(deferredNames).concat("locale", "fonts", "appearance", "customerSessionClientSecret", "customPaymentMethods", "externalPaymentMethodTypes");

const known = updatable.concat(
  Object.keys(deferredNames).map((k) => deferredNames[k]), "clientSecret", "loader", "customerOptions", "syncAddressCheckbox",
  "paymentMethodCreation", "adaptivePricing", "betas",
);

/** Statuses in which a client secret is spent: the later trains refuse to mount it. */
const spent = ["succeeded", "canceled", "processing", "requires_capture"];
const notSwappable = ["boleto", "knet", "oxxo", "us_cash_voucher"];

/** Elements that belong to one payment. */
export class Group {
  readonly _id: string;
  readonly _train = train;
  readonly _intent?: { id: string; kind: "pi" | "seti"; secret: string };
  _options: any;
  _submitted = false;
  _busy = false;
  private elements: Element[] = [];
  private session?: Promise<{ value?: Session; error?: StripeError }>;
  private readonly listeners = new Listeners<Group>(this);

  constructor(
    private readonly api: (product: string) => Api,
    private readonly stripeLocale: () => string,
    live: boolean,
    options: any,
  ) {
    this._options = { ...(options || {}) };
    const o = this._options;
    this._id = `g${next()}${Math.random().toString(36).slice(2, 10)}`;
    if (!live) Object.keys(o).filter((k) => known.indexOf(k) < 0).forEach((k) => warn(`stripe.elements(): unknown option "${k}" is ignored.`));
    if (o.clientSecret !== undefined && o.clientSecret !== null) {
      this._intent = parseSecret(o.clientSecret);
      if (!this._intent) throw new IntegrationError("Invalid value for elements(): clientSecret should be a client secret of the form ${id}_secret_${secret}.");
      if (o.mode !== undefined || o.amount !== undefined) {
        throw new IntegrationError("Invalid value for elements(): clientSecret cannot be combined with mode or amount.");
      }
    }
    this.check();
  }

  /** Reports mistakes that options alone show. */
  private check(): void {
    const o = this._options;
    if (o.appearance !== undefined && (typeof o.appearance !== "object" || o.appearance === null || Array.isArray(o.appearance))) {
      throw new IntegrationError("Invalid value for elements(): appearance should be an object.");
    }
    if (o.mode === undefined || o.mode === null) return;
    if (["payment", "setup", "subscription"].indexOf(o.mode) < 0) {
      throw new IntegrationError(`Invalid value for elements(): mode should be one of "payment", "setup" or "subscription". You specified: ${String(o.mode)}.`);
    }
    if (o.mode === "setup") return;
    if (typeof o.amount !== "number" || !isFinite(o.amount) || Math.floor(o.amount) !== o.amount || o.amount < (o.mode === "payment" ? 1 : 0)) {
      throw new IntegrationError(`Invalid value for elements(): amount should be a positive integer of the currency's smallest unit when mode is "${o.mode}".`);
    }
    if (typeof o.currency !== "string" || !/^[A-Za-z]{3}$/.test(o.currency)) {
      throw new IntegrationError(`Invalid value for elements(): currency should be a three-letter code when mode is "${o.mode}".`);
    }
  }

  get _deferred(): boolean {
    return typeof this._options.mode === "string";
  }

  get _loader(): string {
    return this._options.loader || "auto";
  }

  _locale(): string {
    return this._options.locale && this._options.locale !== "auto" ? this._options.locale : this.stripeLocale();
  }

  _api(product: string): Api {
    return this.api(product);
  }

  /** The group's options in the server's spelling. */
  _deferredParams(): any {
    const params: any = {};
    Object.keys(deferredNames).forEach((k) => {
      const name = deferredNames[k];
      const v = this._options[k] !== undefined ? this._options[k] : this._options[name];
      if (v !== undefined) params[name] = typeof v === "string" && name === "currency" ? v.toLowerCase() : v;
    });
    return params;
  }

  /** Asks the server once which methods can pay; all frames of the group share the answer. */
  _session(): Promise<{ value?: Session; error?: StripeError }> {
    if (!this.session) this.session = this.load();
    return this.session;
  }

  private async load(): Promise<{ value?: Session; error?: StripeError }> {
    if (!this._intent && !this._deferred) {
      return { error: failure("invalid_request_error", undefined, "The Payment Element needs a group that was created with a clientSecret, or with mode, amount and currency.") };
    }
    const params: any = this._intent
      ? { client_secret: this._intent.secret, type: this._intent.kind === "pi" ? "payment_intent" : "setup_intent" }
      : { type: "deferred_intent", deferred_intent: this._deferredParams() };
    const a = await call(this.api("payment-element"), "POST", "/v1/elements/sessions", { ...params, locale: this._locale() });
    if (a.error) return { error: a.error };
    const v = a.value;
    const p = v.payment_method_preference || {};
    const intent = p.payment_intent || p.setup_intent;
    if (intent && since("clover")) {
      const swap = intent.status === "requires_action" && notSwappable.indexOf(intent.payment_method?.type) >= 0;
      if (swap || spent.indexOf(intent.status) >= 0) {
        return {
          error: {
            type: "invalid_request_error", code: "payment_intent_unexpected_state",
            message: `The client secret given to elements() belongs to an intent with the status ${intent.status}, which cannot be paid any more. Create a new one.`,
          },
        };
      }
    }
    const types: string[] = p.ordered_payment_method_types || [];
    if (types.length === 0) {
      return {
        error: failure("invalid_request_error", undefined, "No payment method can be used for this amount and currency. Turn on a payment method that supports them, or change the amount or currency."),
      };
    }
    return {
      value: {
        types, specs: v.payment_method_specs || [], country: p.country_code || v.merchant_country || "US", businessName: v.business_name || "",
        live: !!intent?.livemode, setup: intent ? intent.object === "setup_intent" : this._options.mode === "setup",
        saved: !!(intent ? intent.setup_future_usage || intent.object === "setup_intent" : this._deferredParams().setup_future_usage),
        error: intent?.status === "requires_payment_method" ? intent.last_payment_error || intent.last_setup_error : null,
      },
    };
  }

  create(type: unknown, options?: any): Element {
    if (typeof type !== "string" || !knownType(type)) {
      throw new IntegrationError(`A valid Element name must be provided. "${String(type)}" is not one that is known.`);
    }
    const mode = (o: any): string => (type === "address" ? o?.mode || "" : "");
    if (type === "address" && ["shipping", "billing"].indexOf(options?.mode) < 0) {
      throw new IntegrationError('The address Element needs the option mode, which is "shipping" or "billing".');
    }
    if (type === "paymentRequestButton" && !options?.paymentRequest) {
      throw new IntegrationError("The paymentRequestButton Element needs the option paymentRequest.");
    }
    if (this.elements.some((e) => e._type === type && mode(e._options) === mode(options))) {
      throw new IntegrationError(`Can only create one Element of type ${type} in a group. Destroy the first one, or make another group with stripe.elements().`);
    }
    const e = dress(new Element(this, type, options));
    this.elements.push(e);
    return e;
  }

  /** type may be a React component that says which Element it draws. */
  getElement(type: any, options?: any): Element | null {
    const name = typeof type === "string" ? type : type?.__elementType;
    return this.elements.filter((e) => e._type === name && (name !== "address" || !options?.mode || e._options.mode === options.mode))[0] || null;
  }

  update(options: any): Promise<void> {
    const o = options || {};
    Object.keys(o).forEach((k) => {
      if (k === "clientSecret" && o[k] !== this._options[k]) throw new IntegrationError("elements.update(): clientSecret cannot be changed. Make another group.");
      if (updatable.indexOf(k) < 0 && k !== "clientSecret") warn(`elements.update(): the option "${k}" cannot be changed and is ignored.`);
    });
    const next: any = {};
    Object.keys(o).filter((k) => updatable.indexOf(k) >= 0).forEach((k) => (next[k] = o[k]));
    this._options = { ...this._options, ...next };
    this.check();
    this._changed();
    const looks: any = {};
    if (next.appearance) looks.appearance = next.appearance;
    if (next.fonts) looks.fonts = next.fonts;
    if (next.locale) looks.locale = this._locale();
    this.elements.forEach((e) => e._tell(looks));
    const money = Object.keys(next).some((k) => k in deferredNames);
    const done = this._deferred && money && this.session ? this.fetchUpdates().then(() => undefined) : Promise.resolve();
    return done.then(() => this.listeners.emit("update-end", {}));
  }

  on(name: string, fn: (event: any) => unknown): Group {
    return this.listeners.add(name, fn);
  }
  once(name: string, fn: (event: any) => unknown): Group {
    return this.listeners.add(name, fn, true);
  }
  off(name: string, fn?: (event: any) => unknown): Group {
    return this.listeners.remove(name, fn);
  }

  async fetchUpdates(): Promise<{ error?: { message: string; status?: string } }> {
    if (!this._intent && !this._deferred) return {};
    this.session = undefined;
    const s = await this._session();
    if (s.error) return { error: { message: s.error.message } };
    this.elements.forEach((e) => e._tell({ session: s.value }));
    return {};
  }

  async submit(): Promise<{ error?: StripeError; selectedPaymentMethod?: string }> {
    let selected: string | undefined;
    for (const e of this.elements.filter((e) => e._mounted)) {
      const a = await e._ask({ what: "validate" });
      if (a.error) return { error: a.error };
      if (e._type === "payment") selected = a.value?.type;
    }
    this._submitted = true;
    return selected ? { selectedPaymentMethod: selected } : {};
  }

  /** The customer changed something: what was submitted is out of date. */
  _changed(): void {
    this._submitted = false;
  }

  _forget(e: Element): void {
    this.elements = this.elements.filter((other) => other !== e);
  }

  /** Billing details that other Elements of the group know, for gaps only. */
  _gaps(): any {
    const gaps: any = {};
    const address = this.elements.filter((e) => e._type === "address" && e._options.mode === "billing")[0]?._value;
    if (address) Object.assign(gaps, { name: address.name, phone: address.phone, address: address.address });
    const email = this.getElement("linkAuthentication")?._value?.email;
    if (email) gaps.email = email;
    return gaps;
  }

  /** What a shipping address Element knows. */
  _shipping(): any {
    const e = this.elements.filter((e) => e._type === "shippingAddress" || (e._type === "address" && e._options.mode === "shipping"))[0];
    const v = e?._value;
    return v ? { name: v.name, phone: v.phone, address: v.address } : undefined;
  }

  /** What is mounted and must be right before money moves. */
  async _validateOthers(): Promise<StripeError | undefined> {
    for (const e of this.elements) {
      if (!e._mounted || (e._type !== "address" && e._type !== "linkAuthentication")) continue;
      const a = await e._ask({ what: "validate" });
      if (a.error) return a.error;
    }
    return undefined;
  }

  /** Names the field in which an intent and the group differ. */
  async _differs(secret: string): Promise<StripeError | undefined> {
    const a = await readIntent(this.api("payment-element"), secret);
    if (a.error) return a.error;
    const mine = this._deferredParams();
    const checks: [string, unknown, unknown][] = [
      ["currency", mine.currency, a.value.currency],
      ["amount", mine.mode === "setup" ? undefined : mine.amount, a.value.amount],
      ["setup_future_usage", mine.setup_future_usage === null ? undefined : mine.setup_future_usage, a.value.setup_future_usage],
      ["capture_method", mine.capture_method, a.value.capture_method],
    ];
    for (const [field, want, got] of checks) {
      if (want === undefined || got === undefined || a.value.object !== "payment_intent" || want === got) continue;
      return failure("invalid_request_error", undefined, `The ${field} given to stripe.elements() (${String(want)}) does not match the intent's (${String(got)}).`);
    }
    return undefined;
  }
}
