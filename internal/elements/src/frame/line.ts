import { validation, type StripeError } from "../shared/errors";
import { applyFieldStyle } from "./appearance";
import { cardFields, refuseReal } from "./cardform";
import { brandOf, checkCvc, checkExpiry, checkIban, checkNumber, checkPostal, cvcLength, digits, formatCvc, formatExpiry, formatIban, formatNumber } from "./cards";
import { h } from "./dom";
import { Field } from "./fields";
import { Changes, Flags, type Host, type Part } from "./host";
import { mark } from "./marks";
import { t, type Key } from "./texts";

/** An Element that is one line of bare fields, styled by the page's `style` option. */
abstract class Line implements Part {
  readonly root = h("div", { class: "Line" });
  protected options: any;
  protected readonly flags: Flags;
  private readonly changes: Changes;
  protected fields: Field[] = [];

  constructor(protected readonly host: Host) {
    this.options = host.init.options || {};
    this.flags = new Flags(host);
    this.changes = new Changes(host);
    applyFieldStyle(this.options.style);
  }

  /** Called when the fields are there. */
  protected begin(...fields: Field[]): void {
    this.fields = fields;
    this.root.append(...fields.map((f) => f.root));
    this.dress();
    this.host.ready();
    this.flags.set({});
  }

  protected field(name: string, label: string, more: Partial<ConstructorParameters<typeof Field>[0]>): Field {
    return new Field({
      name, label, bare: true, inputmode: "numeric", onChange: () => this.changed(), onEscape: () => this.host.emit("escape"),
      onFocus: (on) => {
        this.flags.set({ focus: on });
        this.host.emit(on ? "focus" : "blur");
        this.changed();
      },
      ...more,
    });
  }

  protected asked(): Field[] {
    return this.fields;
  }

  /** What a change event carries beside the flags. */
  protected extra(): any {
    return {};
  }

  protected changed(): void {
    const fields = this.asked();
    const error = fields.map((f) => f.shown()).filter(Boolean)[0];
    const empty = fields.every((f) => f.empty);
    const complete = fields.every((f) => !f.problem());
    this.root.classList.toggle("is-invalid", !!error);
    this.flags.set({ empty, complete, invalid: !!error });
    this.changes.report({ empty, complete, error, ...this.extra() });
  }

  protected dress(): void {
    this.fields.forEach((f) => f.disable(!!this.options.disabled));
  }

  update(options: any): void {
    this.options = { ...this.options, ...options };
    if (options.style) applyFieldStyle(options.style);
    this.dress();
  }

  focus(): void {
    (this.asked().filter((f) => f.problem())[0] || this.fields[0])?.input.focus();
  }

  clear(): void {
    this.fields.forEach((f) => f.clear());
    this.changed();
  }

  validate(): { error?: StripeError } {
    const error = this.asked().map((f) => f.validate()).filter(Boolean)[0];
    this.changed();
    return { error };
  }

  abstract data(): Promise<{ error?: StripeError; type: string; fields: any; billing: any }>;
}

/** The card Element: number, expiry, security code and postal code in one line. */
export class CardLine extends Line {
  private readonly icon = h("span", { class: "Mark" }, mark("card"));
  private readonly number = this.field("cardnumber", t("number"), { placeholder: t("number"), autocomplete: "cc-number", format: formatNumber, check: checkNumber });
  private readonly when = this.field("exp-date", t("expiry"), { placeholder: t("expiryPlaceholder"), autocomplete: "cc-exp", format: formatExpiry, check: (v) => checkExpiry(v) });
  private readonly cvc = this.field("cvc", t("cvc"), { placeholder: t("cvcPlaceholder"), autocomplete: "cc-csc", format: (v) => formatCvc(v, this.number.value), check: (v) => checkCvc(v, this.number.value) });
  private readonly postal = this.field("postal", t("zip"), { placeholder: t("zip"), autocomplete: "postal-code", inputmode: "text", check: (v) => (this.options.hidePostalCode ? undefined : checkPostal(v, "")) });

  constructor(host: Host) {
    super(host);
    this.root.append(this.icon);
    if (this.options.value?.postalCode) this.postal.value = String(this.options.value.postalCode);
    this.begin(this.number, this.when, this.cvc, this.postal);
  }

  protected dress(): void {
    super.dress();
    this.postal.root.hidden = !!this.options.hidePostalCode;
    this.icon.hidden = !!this.options.hideIcon;
  }

  protected asked(): Field[] {
    return this.options.hidePostalCode ? [this.number, this.when, this.cvc] : this.fields;
  }

  protected extra(): any {
    const brand = brandOf(this.number.value);
    this.icon.replaceChildren(mark(brand === "unknown" ? "card" : brand));
    return { value: { postalCode: this.postal.value }, brand };
  }

  async data(): Promise<{ error?: StripeError; type: string; fields: any; billing: any }> {
    const error = this.validate().error || refuseReal(this.number.value, this.host.cards);
    const postal = this.options.hidePostalCode ? undefined : this.postal.value.trim();
    return { error, type: "card", fields: cardFields(this.number.value, this.when.value, this.cvc.value), billing: postal ? { address: { postal_code: postal } } : {} };
  }
}

const answerPatienceMs = 1_000;

/**
 * One of the three parts of a split card. They share what is typed among
 * themselves, on a channel that only documents of our origin can open, so that
 * none of it passes through the page.
 */
export class CardPart extends Line {
  private readonly channel = new BroadcastChannel(`ducat:${this.host.init.group}`);
  private readonly icon = h("span", { class: "Mark" }, mark("card"));
  private cvcDigits = 0;

  constructor(host: Host, private readonly part: "number" | "expiry" | "cvc") {
    super(host);
    this.channel.addEventListener("message", (e) => this.hear(e.data));
    if (part === "number") {
      if (this.options.showIcon) this.root.append(this.icon);
      this.begin(this.field("cardnumber", t("number"), { placeholder: this.options.placeholder || "1234 1234 1234 1234", autocomplete: "cc-number", format: formatNumber, check: checkNumber }));
    } else if (part === "expiry") {
      this.begin(this.field("exp-date", t("expiry"), { placeholder: this.options.placeholder || t("expiryPlaceholder"), autocomplete: "cc-exp", format: formatExpiry, check: (v) => checkExpiry(v) }));
    } else {
      const check = (v: string): Key | undefined => (this.cvcDigits ? (digits(v).length < this.cvcDigits ? "incomplete_cvc" : undefined) : checkCvc(v, ""));
      this.begin(this.field("cvc", t("cvc"), { placeholder: this.options.placeholder || t("cvcPlaceholder"), autocomplete: "cc-csc", format: (v) => digits(v).slice(0, this.cvcDigits || 4), check }));
    }
  }

  private hear(m: any): void {
    if (m.ask && this.part !== "number") {
      const error = this.validate().error;
      this.channel.postMessage({ answer: m.ask, part: this.part, value: this.fields[0].value, error });
    } else if (m.cvc && this.part === "cvc" && m.cvc !== this.cvcDigits) {
      this.cvcDigits = m.cvc;
      this.changed();
    }
  }

  protected extra(): any {
    if (this.part !== "number") return {};
    const number = this.fields[0]?.value || "";
    const brand = brandOf(number);
    this.icon.replaceChildren(mark(brand === "unknown" ? "card" : brand));
    this.channel.postMessage({ cvc: brand === "unknown" ? 0 : cvcLength(number) });
    return { brand };
  }

  /** Asks the other two parts what was typed there. */
  private others(): Promise<{ [part: string]: { value: string; error?: StripeError } }> {
    const ask = Math.random().toString(36);
    const got: { [part: string]: { value: string; error?: StripeError } } = {};
    return new Promise((resolve) => {
      const timer = setTimeout(end, answerPatienceMs);
      const listen = (e: MessageEvent): void => {
        if (e.data.answer !== ask) return;
        got[e.data.part] = e.data;
        if (got.expiry && got.cvc) end();
      };
      const channel = this.channel;
      function end(): void {
        clearTimeout(timer);
        channel.removeEventListener("message", listen);
        resolve(got);
      }
      channel.addEventListener("message", listen);
      channel.postMessage({ ask });
    });
  }

  async data(): Promise<{ error?: StripeError; type: string; fields: any; billing: any }> {
    const number = this.fields[0].value;
    const own = this.validate().error;
    const { expiry, cvc } = await this.others();
    const missing = (what: Key): StripeError => validation(what, t(what));
    const error = own || (expiry ? expiry.error : missing("incomplete_expiry")) || cvc?.error || refuseReal(number, this.host.cards);
    return { error, type: "card", fields: error ? {} : cardFields(number, expiry.value, cvc ? cvc.value : ""), billing: {} };
  }
}

export class Iban extends Line {
  constructor(host: Host) {
    super(host);
    const example: { [country: string]: string } = { DE: "DE00 0000 0000 0000 0000 00", NL: "NL00 AAAA 0000 0000 00", FR: "FR00 0000 0000 00AA AAAA AAAA A00" };
    this.begin(this.field("iban", t("iban"), { placeholder: example[this.options.placeholderCountry] || example.DE, inputmode: "text", format: formatIban, check: (v) => this.check(v) }));
  }

  private check(v: string): Key | undefined {
    const all: string[] = this.options.supportedCountries || [];
    const sepa = all.indexOf("SEPA") >= 0;
    if (all.length && !sepa && v.length >= 2 && all.indexOf(v.slice(0, 2)) < 0) return "invalid_iban";
    return checkIban(v);
  }

  protected extra(): any {
    const s = this.fields[0]?.value.replace(/\s/g, "") || "";
    return { country: s.slice(0, 2), bankName: "" };
  }

  async data(): Promise<{ error?: StripeError; type: string; fields: any; billing: any }> {
    return { error: this.validate().error, type: "sepa_debit", fields: { iban: this.fields[0].value.replace(/\s/g, "") }, billing: {} };
  }
}

export class AuBankAccount extends Line {
  constructor(host: Host) {
    super(host);
    const least = (n: number) => (v: string): Key | undefined => (digits(v).length < n ? "incomplete_au_bank_account" : undefined);
    this.begin(
      this.field("au_bsb", t("bsb"), { placeholder: "000-000", format: (v) => digits(v).slice(0, 6).replace(/^(\d{3})(?=\d)/, "$1-"), check: least(6) }),
      this.field("au_bank_account_number", t("account"), { placeholder: "000123456", format: (v) => digits(v).slice(0, 9), check: least(4) }),
    );
  }

  async data(): Promise<{ error?: StripeError; type: string; fields: any; billing: any }> {
    return { error: this.validate().error, type: "au_becs_debit", fields: { bsb_number: digits(this.fields[0].value), account_number: digits(this.fields[1].value) }, billing: {} };
  }
}
