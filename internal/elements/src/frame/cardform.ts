import { failure, type StripeError } from "../shared/errors";
import { brandOf, checkCvc, checkExpiry, checkNumber, checkPostal, digits, expiry, formatCvc, formatExpiry, formatNumber, wantsPostal } from "./cards";
import { h } from "./dom";
import { Field } from "./fields";
import { mark } from "./marks";
import { countries, t } from "./texts";

/** A number that is not one of the published test cards never leaves this frame. */
export function refuseReal(number: string, cards: string[]): StripeError | undefined {
  return cards.indexOf(digits(number)) >= 0 ? undefined : failure("card_error", "test_mode_live_card", t("test_mode_live_card"));
}

/** What is sent of a card. */
export function cardFields(number: string, when: string, cvc: string): any {
  const e = expiry(when);
  return { number: digits(number), exp_month: e.month, exp_year: e.year, cvc: digits(cvc) };
}

interface Options {
  defaults: any;
  country: string;
  fields: any;
  onChange: () => void;
  onFocus: (on: boolean) => void;
  onEscape: () => void;
}

/** The card panel of the Payment Element. */
export class CardForm {
  readonly root = h("div", { class: "Grid" });
  /** Details that the page asked us not to ask for. */
  readonly omitted: string[] = [];
  private readonly brand = h("span", { class: "Brand" }, mark("card"));
  private readonly number: Field;
  private readonly when: Field;
  private readonly cvc: Field;
  private readonly country?: Field;
  private readonly postal?: Field;

  constructor(private readonly o: Options) {
    const common = { onChange: () => this.changed(), onFocus: o.onFocus, onEscape: o.onEscape };
    this.number = new Field({ ...common, name: "number", label: t("number"), placeholder: "1234 1234 1234 1234", autocomplete: "cc-number", inputmode: "numeric", format: formatNumber, check: checkNumber, trailing: this.brand });
    this.when = new Field({ ...common, name: "expiry", label: t("expiry"), placeholder: t("expiryPlaceholder"), autocomplete: "cc-exp", inputmode: "numeric", half: true, format: formatExpiry, check: (v) => checkExpiry(v) });
    this.cvc = new Field({ ...common, name: "cvc", label: t("cvc"), placeholder: t("cvcPlaceholder"), autocomplete: "cc-csc", inputmode: "numeric", half: true, format: (v) => formatCvc(v, this.number.value), check: (v) => checkCvc(v, this.number.value) });
    this.root.append(this.number.root, this.when.root, this.cvc.root);
    const never = (name: string, inServer: string): boolean => {
      const a = o.fields === "never" ? "never" : o.fields?.address;
      const off = a === "never" || a?.[name] === "never";
      if (off) this.omitted.push(inServer);
      return off;
    };
    if (!never("country", "country")) {
      this.country = new Field({ ...common, name: "country", label: t("country"), autocomplete: "country", half: true, choices: countries() });
      this.country.value = o.defaults.address?.country || o.country;
      this.root.append(this.country.root);
    }
    if (!never("postalCode", "postal_code")) {
      this.postal = new Field({ ...common, name: "postalCode", label: t("postal"), placeholder: "90210", autocomplete: "postal-code", half: true, check: (v) => (this.askPostal() ? checkPostal(v, this.land()) : undefined) });
      if (o.defaults.address?.postal_code) this.postal.value = String(o.defaults.address.postal_code);
      this.root.append(this.postal.root);
    } else if (!wantsPostal(this.land())) this.omitted.splice(this.omitted.indexOf("postal_code"), 1);
    this.arrange();
  }

  private land(): string {
    return this.country?.value || this.o.defaults.address?.country || this.o.country;
  }

  private askPostal(): boolean {
    return !!this.postal && wantsPostal(this.land());
  }

  private arrange(): void {
    if (this.postal) this.postal.root.hidden = !this.askPostal();
    this.country?.root.classList.toggle("Field--half", this.askPostal());
  }

  private changed(): void {
    const name = brandOf(this.number.value);
    this.brand.replaceChildren(mark(name === "unknown" ? "card" : name));
    this.arrange();
    this.o.onChange();
  }

  private all(): Field[] {
    return [this.number, this.when, this.cvc].concat(this.askPostal() ? [this.postal!] : []);
  }

  empty(): boolean {
    return [this.number, this.when, this.cvc].every((f) => f.empty);
  }
  complete(): boolean {
    return this.all().every((f) => !f.problem());
  }
  invalid(): boolean {
    return this.all().some((f) => !!f.shown());
  }
  clear(): void {
    this.all().forEach((f) => f.clear());
  }
  validate(): StripeError | undefined {
    return this.all().map((f) => f.validate()).filter(Boolean)[0];
  }

  data(cards: string[]): { error?: StripeError; fields: any; address: any } {
    const address: any = {};
    if (this.country) address.country = this.country.value;
    if (this.askPostal()) address.postal_code = this.postal!.value.trim();
    return { error: refuseReal(this.number.value, cards), fields: cardFields(this.number.value, this.when.value, this.cvc.value), address };
  }
}
