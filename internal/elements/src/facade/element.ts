import { IntegrationError, connectionError, type StripeError } from "../shared/errors";
import type { Ask, Init, ToPage } from "../shared/protocol";
import { warn } from "./env";
import { Frame } from "./frame";
import type { Group } from "./group";
import { Listeners } from "./listeners";

interface Kind {
  page: string;
  title: string;
  session?: boolean; // needs to know which methods the intent can be paid with
  padded?: boolean; // draws shadows and outlines beyond the container's edge
  list?: string; // title of a second frame that shows choices
}

/** The Elements that are drawn in a frame. File names and titles are a contract with test suites. */
const kinds: { [type: string]: Kind } = {
  payment: { page: "payment", title: "Secure payment input frame", session: true, padded: true },
  card: { page: "card", title: "Secure card payment input frame" },
  cardNumber: { page: "card-number", title: "Secure card number input frame" },
  cardExpiry: { page: "card-expiry", title: "Secure expiration date input frame" },
  cardCvc: { page: "card-cvc", title: "Secure CVC input frame" },
  linkAuthentication: { page: "link-authentication", title: "Secure email input frame", padded: true },
  address: { page: "address", title: "Secure address input frame", padded: true },
  shippingAddress: { page: "address", title: "Secure address input frame", padded: true },
  iban: { page: "iban", title: "Secure IBAN input frame" },
  auBankAccount: { page: "au-bank-account", title: "Secure bank account input frame" },
  idealBank: { page: "bank", title: "Secure bank button frame", list: "Secure bank list frame" },
  epsBank: { page: "bank", title: "Secure bank button frame", list: "Secure bank list frame" },
  p24Bank: { page: "bank", title: "Secure bank button frame", list: "Secure bank list frame" },
  fpxBank: { page: "bank", title: "Secure bank button frame", list: "Secure bank list frame" },
};

const inert = [
  "paymentRequestButton", "expressCheckout", "affirmMessage", "afterpayClearpayMessage", "paymentMethodMessaging", "currencySelector",
  "contactDetails", "linkSignup", "terms", "paymentForm", "taxId", "cart", "issuingCardNumberDisplay", "issuingCardCvcDisplay",
  "issuingCardExpiryDisplay", "issuingCardPinDisplay", "issuingCardCopyButton",
];

export const knownType = (type: string): boolean => type in kinds || inert.indexOf(type) >= 0;

/** The types whose data pays: they send the method's fields from their frame. */
export const paying: { [elementType: string]: string } = {
  card: "card", cardNumber: "card", cardExpiry: "card", cardCvc: "card", iban: "sepa_debit", auBankAccount: "au_becs_debit",
  idealBank: "ideal", epsBank: "eps", p24Bank: "p24", fpxBank: "fpx",
};

const classes: { [flag: string]: string } = {
  base: "StripeElement", empty: "StripeElement--empty", complete: "StripeElement--complete", focus: "StripeElement--focus",
  invalid: "StripeElement--invalid", webkitAutofill: "StripeElement--webkit-autofill",
};

let nestedWarned = false;

/** One of the fields or forms a page mounts. */
export class Element {
  readonly _type: string;
  readonly _group: Group;
  _options: any;
  /** What the customer has entered, as far as the page may know it. */
  _value: any;
  _frame?: Frame;

  private readonly listeners: Listeners<Element>;
  private container?: HTMLElement;
  private wrapper?: HTMLElement;
  private list?: Frame;
  private state: { [flag: string]: boolean } = { empty: true };
  private destroyed = false;
  private shown = false;
  private failed?: StripeError;

  constructor(group: Group, type: string, options: any) {
    this._group = group;
    this._type = type;
    this._options = options || {};
    this.listeners = new Listeners<Element>(this);
    const email = this._options.defaultValues?.email;
    if (type === "linkAuthentication" && email) this._value = { email };
  }

  private alive(): void {
    if (this.destroyed) throw new IntegrationError("This Element has already been destroyed. Please create a new one.");
  }

  on(name: string, fn: (event: any) => unknown): Element {
    return this.listeners.add(name, fn);
  }
  once(name: string, fn: (event: any) => unknown): Element {
    return this.listeners.add(name, fn, true);
  }
  off(name: string, fn?: (event: any) => unknown): Element {
    return this.listeners.remove(name, fn);
  }
  addEventListener(name: string, fn: (event: any) => unknown): Element {
    return this.on(name, fn);
  }
  removeEventListener(name: string, fn?: (event: any) => unknown): Element {
    return this.off(name, fn);
  }

  _emit(name: string, payload: any = {}): void {
    this.listeners.emit(name, { elementType: this._type, ...payload });
  }

  mount(target: string | HTMLElement, more?: any): void {
    this.alive();
    const node = typeof target === "string" ? (document.querySelector(target) as HTMLElement | null) : target;
    if (!node || typeof node.appendChild !== "function") {
      throw new IntegrationError(
        typeof target === "string"
          ? `The selector you specified (${target}) applies to no DOM elements that are currently on the page. Make sure the element exists on the page before calling mount().`
          : "Invalid DOM element. Make sure to call mount() with a valid DOM element or selector.",
      );
    }
    if (this._type === "linkAuthentication" && more?.defaultValues) this.update({ defaultValues: more.defaultValues });
    if (this.container === node && this.wrapper?.isConnected) return;
    if (this.container) this.unmount();
    if (node.firstChild) {
      warn("The element that an Element is mounted in is not empty; its content is replaced.");
      while (node.firstChild) node.removeChild(node.firstChild);
    }
    if (!nestedWarned && window.top !== window) {
      nestedWarned = true;
      warn("This page is inside another frame. Payment methods that lead the customer to another site may not work there.");
    }
    this.container = node;
    this.wrapper = document.createElement("div");
    this.wrapper.className = "__PrivateStripeElement";
    this.wrapper.style.cssText = "margin:0;padding:0;border:none;display:block;background:transparent;position:relative;opacity:1;clear:both;";
    node.appendChild(this.wrapper);
    this.mark({ ...this.state });
    this.labels(true);
    const kind = kinds[this._type];
    if (kind) this.draw(kind);
    else this._emit("ready", this._type === "expressCheckout" ? { availablePaymentMethods: undefined } : {});
  }

  private draw(kind: Kind): void {
    this.shown = false;
    if (kind.session && this._group._loader !== "never") {
      this.skeleton();
      this._emit("loaderstart");
    }
    this._frame = new Frame(
      `elements-inner-${kind.page}-BUILD.html`,
      kind.title,
      (f) => this.begin(f, kind),
      (m) => this.hear(m),
    );
    if (kind.padded) Object.assign(this._frame.iframe.style, { margin: "-4px", minWidth: "calc(100% + 8px)" });
    this.wrapper!.appendChild(this._frame.iframe);
    if (!kind.list) return;
    this.list = new Frame(
      `elements-inner-${kind.page}-list-BUILD.html`,
      kind.list,
      (f) => this.begin(f, kind),
      (m) => this.hearList(m),
    );
    Object.assign(this.list.iframe.style, { position: "absolute", left: "0", top: "100%", zIndex: "1000", display: "none" });
    this.wrapper!.appendChild(this.list.iframe);
  }

  private begin(frame: Frame, kind: Kind): void {
    const g = this._group;
    const init: Init = {
      api: g._api(this._type === "payment" ? "payment-element" : `${this._type.toLowerCase()}-element`),
      train: g._train, locale: g._locale(), type: this._type, group: g._id, options: this._options, appearance: g._options.appearance || {},
      fonts: g._options.fonts || [], width: this.wrapper?.clientWidth || 0,
    };
    frame.tell({ type: "init", init });
    if (!kind.session) return;
    g._session().then((s) => {
      if (s.error) this.fail(s.error);
      else frame.tell({ type: "session", session: s.value });
    });
  }

  private hear(m: ToPage): void {
    switch (m.type) {
      case "ready":
        if (!this.shown) {
          this.shown = true;
          this.wrapper?.querySelector("[data-skeleton]")?.remove();
          this._emit("ready");
        }
        break;
      case "height":
        if (this._frame) this._frame.iframe.style.height = `${m.height}px`;
        break;
      case "event":
        if (m.name === "change") {
          this._value = m.payload.value;
          this._group._changed();
        }
        this._emit(m.name, m.payload);
        break;
      case "state":
        this.mark(m.state);
        break;
      case "choices":
        if (this.list) this.list.iframe.style.display = m.open ? "block" : "none";
        break;
      case "fatal":
        this.fail(m.error);
        break;
    }
  }

  private hearList(m: ToPage): void {
    if (m.type === "height" && this.list) this.list.iframe.style.height = `${m.height}px`;
    if (m.type === "chosen") {
      this.list!.iframe.style.display = "none";
      this._frame?.tell({ type: "choose", value: m.value });
    }
  }

  private fail(error: StripeError): void {
    this.failed = error;
    this.wrapper?.querySelector("[data-skeleton]")?.remove();
    this._emit("loaderror", { error });
  }

  /** Grey bars until the frame has drawn itself. */
  private skeleton(): void {
    const s = document.createElement("div");
    s.setAttribute("data-skeleton", "");
    s.setAttribute("aria-hidden", "true");
    for (const height of [44, 44]) {
      const bar = document.createElement("div");
      bar.style.cssText = `height:${height}px;margin:0 0 8px;border-radius:5px;background:rgba(127,127,127,.14)`;
      s.appendChild(bar);
    }
    this.wrapper!.appendChild(s);
  }

  /** Shows the state on the page's own element. */
  private mark(state: { [flag: string]: boolean }): void {
    this.state = state;
    if (!this.container) return;
    const named = { ...classes, ...(this._options.classes || {}) };
    Object.keys(named).forEach((flag) => {
      const on = flag === "base" || !!state[flag];
      String(named[flag]).split(/\s+/).filter(Boolean).forEach((c) => this.container!.classList.toggle(c, on));
    });
  }

  private readonly labelled = (): void => this.focus();

  private labels(add: boolean): void {
    const id = this.container?.id;
    if (!id) return;
    const all = document.getElementsByTagName("label");
    for (let i = 0; i < all.length; i++) {
      if (all[i].htmlFor !== id) continue;
      all[i].removeEventListener("click", this.labelled);
      if (add) all[i].addEventListener("click", this.labelled);
    }
  }

  unmount(): void {
    this.alive();
    this.labels(false);
    this._frame?.remove();
    this.list?.remove();
    this.wrapper?.remove();
    if (this.container) {
      const named = { ...classes, ...(this._options.classes || {}) };
      Object.keys(named).forEach((flag) => String(named[flag]).split(/\s+/).filter(Boolean).forEach((c) => this.container!.classList.remove(c)));
    }
    this._frame = this.list = this.wrapper = this.container = this.failed = undefined;
    this.state = { empty: true };
    this._value = undefined;
  }

  destroy(): void {
    this.alive();
    this.unmount();
    this.destroyed = true;
    this._group._forget(this);
  }

  update(options: any): void {
    this.alive();
    if (!options || typeof options !== "object") return;
    const before = this._options.classes;
    this._options = { ...this._options, ...options };
    if (this._type === "linkAuthentication" && options.defaultValues?.email && !this._value?.email) this._value = { email: options.defaultValues.email };
    if (before !== this._options.classes) this.mark(this.state);
    this._frame?.tell({ type: "update", options });
  }

  focus(): void {
    this.alive();
    this._frame?.tell({ type: "focus" });
  }
  blur(): void {
    this.alive();
    this._frame?.tell({ type: "blur" });
  }
  clear(): void {
    this.alive();
    this._frame?.tell({ type: "clear" });
  }
  collapse(): void {
    this.alive();
    this._frame?.tell({ type: "collapse" });
  }

  /** The address Element's own question. */
  getValue(): Promise<any> {
    this.alive();
    return this._ask({ what: "value" }).then((a) => {
      if (a.error) throw new IntegrationError(a.error.message);
      return a.value;
    });
  }

  /** Asks the frame; an Element that is not mounted, or could not load, says so. */
  _ask(ask: Ask): Promise<{ value?: any; error?: StripeError }> {
    if (this.failed) return Promise.resolve({ error: this.failed });
    if (!this._frame) throw new IntegrationError(`The ${this._type} Element has to be mounted before its data can be used.`);
    if (!this._frame.iframe.isConnected) return Promise.resolve({ error: connectionError() });
    return this._frame.ask(ask).then((a) => {
      if (a.error?.type === "integration") throw new IntegrationError(a.error.message);
      return a;
    });
  }

  get _mounted(): boolean {
    return !!this._frame;
  }

  _tell(update: { options?: any; appearance?: any; fonts?: any[]; locale?: string; session?: any }): void {
    this._frame?.tell({ type: "update", ...update });
    this.list?.tell({ type: "update", ...update });
  }
}

/** Address Elements have the getValue method; others do not show it. */
export function dress(e: Element): Element {
  if (e._type !== "address" && e._type !== "shippingAddress") Object.defineProperty(e, "getValue", { value: undefined });
  if (e._type !== "payment") Object.defineProperty(e, "collapse", { value: undefined });
  return e;
}
