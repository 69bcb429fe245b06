import { IntegrationError, failure, validation, type Result, type StripeError } from "../shared/errors";
import { call, intentPath, parseSecret, readIntent, type Answer, type Api } from "../shared/net";
import { Element, paying } from "./element";
import { apiBase, build, since, train, warn } from "./env";
import { Group } from "./group";
import { afterBreak, navigable, outcome, secretOf, type Wish } from "./outcome";
import { paymentRequest } from "./request";

const locales =
  "ar bg cs da de el en en-AU en-CA en-GB en-NZ es es-419 es-ES et fi fil fr fr-CA fr-FR he hr hu id it it-IT ja ko lt lv ms mt nb nl no pl pt pt-BR ro ru sk sl sv th tr vi zh zh-HK zh-TW".split(" ");

function localeOf(asked: unknown): string {
  const want = typeof asked === "string" && asked !== "auto" ? asked : (typeof navigator === "undefined" ? "en" : navigator.language) || "en";
  if (locales.indexOf(want) >= 0) return want;
  const short = want.split("-")[0];
  return locales.indexOf(short) >= 0 ? short : "en";
}

function checkKey(key: unknown): string {
  if (typeof key !== "string" || key === "") {
    throw new IntegrationError("Missing value for Stripe(): apiKey should be a string.");
  }
  if (/^(sk|rk)_/.test(key)) {
    throw new IntegrationError("You should not use your secret key in a browser: everybody who visits the page can read it. Use your publishable key, and replace the secret key if the page was published.");
  }
  if (!/^pk_(test|live)_/.test(key)) {
    throw new IntegrationError("Invalid value for Stripe(): apiKey should be a publishable key, which begins with pk_test_ or pk_live_.");
  }
  const local = /^(localhost|127\.0\.0\.1|\[::1\])$/.test(location.hostname);
  if (location.protocol === "http:" && !local) {
    if (/^pk_live_/.test(key)) throw new IntegrationError("Live payments need a page that is served over HTTPS.");
    warn("This page is served over HTTP. That is fine for testing; live payments need HTTPS.");
  }
  return key;
}

/** Methods that are all alike: `confirm<name>Payment` with the type in the server's spelling. */
const payments: { [name: string]: string } = {
  AcssDebit: "acss_debit", Affirm: "affirm", AfterpayClearpay: "afterpay_clearpay", Alipay: "alipay", AuBecsDebit: "au_becs_debit",
  Bancontact: "bancontact", Billie: "billie", Blik: "blik", Boleto: "boleto", Cashapp: "cashapp", CustomerBalance: "customer_balance", Eps: "eps",
  Fpx: "fpx", Giropay: "giropay", GrabPay: "grabpay", Ideal: "ideal", Klarna: "klarna", Konbini: "konbini", Mobilepay: "mobilepay",
  Multibanco: "multibanco", Oxxo: "oxxo", P24: "p24", PayByBank: "pay_by_bank", PayNow: "paynow", PayPal: "paypal", Pix: "pix",
  PromptPay: "promptpay", SepaDebit: "sepa_debit", Sofort: "sofort", Twint: "twint", UsBankAccount: "us_bank_account", WechatPay: "wechat_pay",
  WeChatPay: "wechat_pay", Card: "card",
};
const setups: { [name: string]: string } = {
  AcssDebit: "acss_debit", AmazonPay: "amazon_pay", AuBecsDebit: "au_becs_debit", BacsDebit: "bacs_debit", Bancontact: "bancontact", Blik: "blik",
  Cashapp: "cashapp", Ideal: "ideal", PayPal: "paypal", SepaDebit: "sepa_debit", Sofort: "sofort", UsBankAccount: "us_bank_account", Card: "card",
};
const unsupported = [
  "verifyMicrodepositsForPayment", "verifyMicrodepositsForSetup", "collectBankAccountForPayment", "collectBankAccountForSetup",
  "collectBankAccountToken", "collectFinancialConnectionsAccounts", "createRadarSession", "verifyIdentity", "createEphemeralKeyNonce",
  "processOrder", "retrieveOrder",
];
const legacy = ["handleCardPayment", "confirmPaymentIntent", "handleFpxPayment", "handleCardSetup", "confirmSetupIntent"];
const checkoutElements = [
  "PaymentElement", "BillingAddressElement", "ShippingAddressElement", "ExpressCheckoutElement", "CurrencySelectorElement", "TaxIdElement",
  "ContactDetailsElement", "LinkAuthenticationElement", "PaymentFormElement",
];

/** name is a call as the page wrote it. */
const notHere = (name: string): StripeError =>
  failure("invalid_request_error", "feature_not_supported", `${name} is not supported by this payments server.`);

const isElement = (v: unknown): v is Element => v instanceof Element;

/** Makes what `Stripe()` returns. */
export function instance(givenKey: unknown, givenOptions: any): any {
  const key = checkKey(givenKey);
  const options = givenOptions || {};
  const live = /^pk_live_/.test(key);
  const locale = localeOf(options.locale);
  const running: { [secret: string]: boolean } = {};
  let app = "";

  if (!live) {
    const known = ["stripeAccount", "apiVersion", "locale", "betas", "developerTools", "advancedFraudSignals"];
    Object.keys(options).filter((k) => known.indexOf(k) < 0).forEach((k) => warn(`Stripe(): unknown option "${k}" is ignored.`));
  }

  const api = (product = "direct"): Api => ({
    base: apiBase, key, account: options.stripeAccount, version: options.apiVersion,
    agent: `ducat.js/${build}; stripe-js-v3/${train}; ${product}${app}`,
  });

  const mistake = (text: string): never => {
    throw new IntegrationError(text);
  };

  const needSecret = (secret: unknown, kind: "pi" | "seti", caller: string): { id: string; kind: "pi" | "seti"; secret: string } => {
    const s = secretOf(secret, kind, caller);
    return typeof s === "string" ? mistake(s) : s;
  };

  /** Runs one confirmation of a secret at a time: a second click sends nothing. */
  async function alone(secret: string, run: () => Promise<Result>): Promise<Result> {
    if (running[secret]) return { error: validation("confirm_in_progress", "This payment is being processed already.") };
    running[secret] = true;
    try {
      return await run();
    } finally {
      delete running[secret];
    }
  }

  /** Data of a method: by id, as a hash, or typed into an Element. */
  interface Means {
    element?: Element;
    type?: string;
    params: any;
  }

  /** The Element that can send what was typed into any of its kind. */
  const sender = (e: Element): Element =>
    e._type === "cardExpiry" || e._type === "cardCvc" ? e._group.getElement("cardNumber") || mistake("The cardNumber Element is missing in this group.") : e;

  /** Sends a confirmation: from the frame when customer's data is in one, else from here. */
  async function send(s: { id: string; kind: "pi" | "seti"; secret: string }, means: Means, product: string, gaps?: any): Promise<Answer> {
    const path = intentPath(s, "/confirm");
    const params = { client_secret: s.secret, use_stripe_sdk: true, ...means.params };
    let answer: Answer;
    if (means.element) {
      answer = (await means.element._ask({ what: "send", path, at: "payment_method_data", params, billing: gaps, override: means.element._type === "payment", method: means.type })) as Answer;
    } else {
      if (params.payment_method_data) {
        params.payment_method_data = { ...params.payment_method_data, payment_user_agent: api(product).agent };
        params.expected_payment_method_type = params.payment_method_data.type;
      }
      answer = await call(api(product), "POST", path, params);
    }
    return afterBreak(api(product), s.secret, answer);
  }

  /** What confirmPayment and confirmSetup share. */
  function confirm(kind: "pi" | "seti", caller: string, o: any): Promise<Result> {
    if (!o || typeof o !== "object") mistake(`${caller}() needs an object with elements or clientSecret.`);
    const group: Group | undefined = o.elements;
    if (group !== undefined && !(group instanceof Group)) mistake(`Invalid value for ${caller}(): elements should be the object that stripe.elements() returned.`);
    if (!group && o.clientSecret === undefined) mistake(`Invalid value for ${caller}(): either elements or clientSecret is needed.`);
    if (group?._intent && o.clientSecret !== undefined && o.clientSecret !== group._intent.secret) {
      mistake(`Invalid value for ${caller}(): clientSecret differs from the one that elements was created with.`);
    }
    if (group && !group._intent && o.clientSecret === undefined) {
      mistake(`Invalid value for ${caller}(): elements was created without a clientSecret, so that ${caller}() needs one.`);
    }
    const s = needSecret(group?._intent ? group._intent.secret : o.clientSecret, kind, `${caller}()`);
    const redirect = o.redirect === undefined ? "always" : o.redirect;
    if (redirect !== "always" && redirect !== "if_required") mistake(`Invalid value for ${caller}(): redirect should be "always" or "if_required".`);
    const given = o.confirmParams || {};
    const returnUrl = given.return_url;
    if (redirect === "always" && typeof returnUrl !== "string") {
      mistake(`Missing value for ${caller}(): confirmParams.return_url is needed unless redirect is "if_required".`);
    }
    if (returnUrl !== undefined && !navigable(returnUrl)) mistake(`Invalid value for ${caller}(): confirmParams.return_url should be an absolute address.`);
    const element = group?.getElement("payment") || undefined;
    if (group && !element?._mounted && !group.getElement("expressCheckout")) {
      mistake(`${caller}() was called with elements in which no Payment Element or Express Checkout Element is mounted.`);
    }
    if (group?._deferred && !group._submitted) {
      mistake(`elements.submit() must be called before stripe.${caller}() when elements was created without a clientSecret. Call it as soon as the customer presses pay, before any other work.`);
    }
    const wish: Wish = { redirect: redirect === "always" ? "always" : "needed", returnUrl };
    return alone(s.secret, async () => {
      const params: any = { ...given };
      if (group) {
        const wrong = (await group._validateOthers()) || (group._deferred ? await group._differs(s.secret) : undefined);
        if (wrong) return { error: wrong };
        if (params.shipping === undefined && kind === "pi") params.shipping = group._shipping();
        if (group._deferred) {
          const d = group._deferredParams();
          params.client_context = { currency: d.currency, mode: d.mode, setup_future_usage: d.setup_future_usage };
        }
      }
      const chosen = params.payment_method || params.confirmation_token;
      const answer = await send(s, { element: chosen ? undefined : element, params }, "payment-element", group?._gaps());
      return outcome(api("payment-element"), answer, wish);
    });
  }

  /** Splits `payment_method` of a per-method call into what is sent and the Element it is typed in. */
  function means(type: string, data: any): Means {
    const { payment_method: pm, ...rest } = data;
    if (pm === undefined || pm === null) return { params: rest };
    if (typeof pm === "string") return { params: { ...rest, payment_method: pm } };
    if (isElement(pm)) return { element: sender(pm), type, params: rest };
    if (typeof pm !== "object") return mistake("Invalid value for payment_method: it should be an id or an object.");
    const { [type]: own, ...others } = pm;
    if (isElement(own)) {
      if (paying[own._type] !== type) mistake(`The ${own._type} Element cannot be used for ${type}.`);
      return { element: sender(own), type, params: { ...rest, payment_method_data: others } };
    }
    return { params: { ...rest, payment_method_data: { ...others, type, ...(own && typeof own === "object" ? { [type]: own } : {}) } } };
  }

  function confirmMethod(kind: "pi" | "seti", caller: string, type: string, secret: unknown, data: any, opts: any): Promise<Result> {
    const s = needSecret(secret, kind, `${caller}()`);
    const handle = !opts || opts.handleActions !== false;
    const wish: Wish = { redirect: handle ? "needed" : "never", returnUrl: data?.return_url };
    return alone(s.secret, async () => {
      if (data === undefined || data === null) {
        const now = await readIntent(api(), s.secret);
        if (now.error || now.value.status !== "requires_confirmation") return outcome(api(), now, wish);
      }
      const m: Means = data ? means(type, data) : { params: {} };
      if (!m.element && !m.params.payment_method && !m.params.payment_method_data && data && type !== "card") {
        m.params.payment_method_data = { type };
      }
      return outcome(api(), await send(s, m, "direct"), wish);
    });
  }

  async function retrieve(kind: "pi" | "seti", caller: string, secret: unknown): Promise<Result> {
    const a = await readIntent(api(), needSecret(secret, kind, `${caller}()`).secret);
    return a.error ? { error: a.error } : kind === "pi" ? { paymentIntent: a.value } : { setupIntent: a.value };
  }

  /** Retrieval throws about its argument at once, not in its promise. */
  const retriever = (kind: "pi" | "seti", caller: string) => (secret: unknown): Promise<Result> => {
    needSecret(secret, kind, `${caller}()`);
    return retrieve(kind, caller, secret);
  };

  /** Makes an object out of what is typed in an Element, or out of a hash. */
  async function make(name: string, path: string, at: "method" | "token" | "source" | "payment_method_data", params: any, element?: Element, type?: string, gaps?: any): Promise<Result> {
    const a = element
      ? await element._ask({ what: "send", path, at, params, billing: gaps, override: element._type === "payment", method: type })
      : await call(api(), "POST", path, params);
    return a.error ? { error: a.error } : { [name]: a.value };
  }

  /** The Payment Element of a group whose submit() has run. */
  function submitted(group: any, caller: string): Element {
    if (!(group instanceof Group)) mistake(`Invalid value for ${caller}(): elements should be the object that stripe.elements() returned.`);
    if (!group._submitted) mistake(`elements.submit() must be called before stripe.${caller}().`);
    return group.getElement("payment") || mistake(`${caller}() needs a Payment Element in elements.`);
  }

  function createPaymentMethod(first: any, second?: any, third?: any): Promise<Result> {
    if (typeof first === "string") {
      return isElement(second)
        ? createPaymentMethod({ type: first, [first]: second, ...(third || {}) })
        : createPaymentMethod({ type: first, ...(second || {}) });
    }
    if (!first || typeof first !== "object") mistake("createPaymentMethod() needs an object.");
    if (first.elements) {
      const e = submitted(first.elements, "createPaymentMethod");
      if (first.elements._deferred && first.elements._options.paymentMethodCreation !== "manual") {
        mistake('createPaymentMethod() needs elements that were created with paymentMethodCreation: "manual".');
      }
      return make("paymentMethod", "/v1/payment_methods", "method", first.params || {}, e, undefined, first.elements._gaps());
    }
    if (first.element) {
      if (!isElement(first.element)) mistake("Invalid value for createPaymentMethod(): element should be an Element.");
      return make("paymentMethod", "/v1/payment_methods", "method", first.params || {}, sender(first.element), paying[first.element._type]);
    }
    const type = first.type;
    if (typeof type !== "string") mistake("createPaymentMethod() needs a type.");
    const { [type]: own, ...rest } = first;
    if (isElement(own)) return make("paymentMethod", "/v1/payment_methods", "method", rest, sender(own), type);
    return make("paymentMethod", "/v1/payment_methods", "method", { ...first, payment_user_agent: api().agent });
  }

  function createToken(first: any, data?: any): Promise<Result> {
    if (!isElement(first)) {
      if (typeof first !== "string") mistake("createToken() needs an Element or the kind of token.");
      return Promise.resolve({ error: notHere(`createToken("${first}")`) });
    }
    if (paying[first._type] !== "card") mistake(`A token cannot be made of the ${first._type} Element.`);
    return make("token", "/v1/tokens", "token", { card: data || {} }, sender(first), "card");
  }

  function createConfirmationToken(o: any): Promise<Result> {
    if (!o || typeof o !== "object") mistake("createConfirmationToken() needs an object with elements or element.");
    const e = o.elements ? submitted(o.elements, "createConfirmationToken") : isElement(o.element) ? sender(o.element) : mistake("createConfirmationToken() needs elements or element.");
    const gaps = o.elements?._gaps();
    const params = { ...(o.params || {}) };
    if (o.elements && params.shipping === undefined) params.shipping = o.elements._shipping();
    return make("confirmationToken", "/v1/confirmation_tokens", "payment_method_data", params, e, paying[e._type], gaps);
  }

  const removed = (name: string) => (): never =>
    mistake(`stripe.${name}() was removed from this release of the library. Load an earlier one, for example /clover/stripe.js, or use PaymentIntents.`);

  function createSource(first: any, second?: any): Promise<Result> {
    const element = isElement(first) ? first : undefined;
    const data = element ? second : first;
    if (!data || typeof data !== "object" || (data.type === undefined && !element)) {
      mistake("createSource() needs an object with the type of the source.");
    }
    if (element && data.type === undefined) mistake("createSource() needs an object with the type of the source as its second argument.");
    return make("source", "/v1/sources", "source", { ...data }, element && sender(element), data.type);
  }

  async function retrieveSource(o: any): Promise<Result> {
    const a = await call(api(), "GET", `/v1/sources/${encodeURIComponent(o.id)}`, { client_secret: o.client_secret });
    return a.error ? { error: a.error } : { source: a.value };
  }

  async function next(secret: string, cardsOnly: boolean): Promise<Result> {
    const a = await readIntent(api(), secret);
    if (a.error) return { error: a.error };
    if (a.value.status !== "requires_action") mistake(`handleNextAction(): the intent is not in the requires_action status, it is ${a.value.status}.`);
    if (cardsOnly && a.value.next_action?.type !== "use_stripe_sdk" && a.value.next_action?.type !== "redirect_to_url") {
      mistake("handleCardAction() is for cards only; use handleNextAction().");
    }
    return outcome(api(), a, { redirect: "needed" });
  }

  const stripe: any = {
    elements: (o?: any) => new Group((product) => api(product), () => locale, live, o),
    confirmPayment: (o: any) => confirm("pi", "confirmPayment", o),
    confirmSetup: (o: any) => confirm("seti", "confirmSetup", o),
    retrievePaymentIntent: retriever("pi", "retrievePaymentIntent"),
    retrieveSetupIntent: retriever("seti", "retrieveSetupIntent"),
    handleNextAction(o: any): Promise<Result> {
      if (o?.hashedValue !== undefined) return Promise.resolve({ error: notHere("handleNextAction({hashedValue})") });
      const s = parseSecret(o?.clientSecret);
      return s ? next(s.secret, false) : mistake("handleNextAction() needs an object with the clientSecret of an intent.");
    },
    handleCardAction: (secret: unknown) => next(needSecret(secret, "pi", "handleCardAction()").secret, true),
    createPaymentMethod, createToken, createConfirmationToken, paymentRequest,
    registerAppInfo(info: any): void {
      if (!info || typeof info.name !== "string") mistake("registerAppInfo() needs an object with a name.");
      app = `; ${info.name}${info.version ? "/" + String(info.version) : ""}`;
    },
    _registerWrapper(): void {},
  };

  Object.keys(payments).forEach((n) => {
    const name = `confirm${n}Payment`;
    stripe[name] = (secret: unknown, data?: any, o?: any) => confirmMethod("pi", name, payments[n], secret, data === undefined && n !== "Card" ? {} : data, o);
  });
  Object.keys(setups).forEach((n) => {
    const name = `confirm${n}Setup`;
    stripe[name] = (secret: unknown, data?: any, o?: any) => confirmMethod("seti", name, setups[n], secret, data === undefined && n !== "Card" ? {} : data, o);
  });
  unsupported.forEach((n) => (stripe[n] = () => Promise.resolve({ error: notHere(`${n}()`) })));

  stripe.createSource = since("dahlia") ? removed("createSource") : createSource;
  stripe.retrieveSource = since("dahlia")
    ? removed("retrieveSource")
    : (o: any) => (typeof o?.id === "string" && typeof o?.client_secret === "string" ? retrieveSource(o) : mistake("retrieveSource() needs an object with id and client_secret."));
  legacy.forEach((n) => (stripe[n] = since("dahlia") ? removed(n) : () => Promise.resolve({ error: notHere(`${n}()`) })));

  const add = (names: string[], from: string, until: string | undefined): void =>
    names.forEach((n) => {
      if (since(from) && !(until && since(until))) stripe[n] = n === "initCheckoutElementsSdk" || n === "initCheckout" ? checkout(n) : () => Promise.resolve({ error: notHere(`${n}()`) });
    });
  add(["redirectToCheckout"], "v3", "clover");
  add(["initCheckout", "initEmbeddedCheckout", "initCustomCheckout"], "v3", "dahlia");
  add(["initCheckoutElementsSdk"], "clover", undefined);
  add(["initCheckoutFormSdk", "createEmbeddedCheckoutPage"], "dahlia", undefined);
  add(["initializePricing"], "endive", undefined);

  /** Checkout sessions are not served: the object is there, and says so when it is asked to work. */
  function checkout(name: string): () => any {
    return () => {
      const group = stripe.elements();
      const sdk: any = {
        loadActions: () => Promise.resolve({ type: "error", error: { message: notHere(`${name}()`).message, code: null } }),
        on: () => sdk, off: () => sdk, once: () => sdk, changeAppearance() {}, loadFonts() {},
        getPaymentElement: () => null, getBillingAddressElement: () => null, getShippingAddressElement: () => null,
      };
      checkoutElements.forEach((e) => (sdk[`create${e}`] = () => new Element(group, "currencySelector", {})));
      return sdk;
    };
  }

  return stripe;
}
