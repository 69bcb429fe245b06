import { type StripeError } from "../shared/errors";
import { checkEmail, checkPostal, wantsPostal } from "./cards";
import { h } from "./dom";
import { Field } from "./fields";
import { Changes, Flags, type Host, type Part } from "./host";
import { countries, t } from "./texts";

/** The e-mail field. There is no network of saved methods behind it. */
export class Email implements Part {
  readonly root = h("div", { class: "Grid" });
  private readonly flags: Flags;
  private readonly changes: Changes;
  private readonly email: Field;

  constructor(host: Host) {
    document.body.setAttribute("data-pad", "");
    this.flags = new Flags(host);
    this.changes = new Changes(host);
    this.email = new Field({
      name: "email", label: t("email"), type: "email", placeholder: "you@example.com", autocomplete: "email", check: checkEmail, onChange: () => this.changed(),
      onEscape: () => host.emit("escape"),
      onFocus: (on) => {
        this.flags.set({ focus: on });
        host.emit(on ? "focus" : "blur");
      },
    });
    const preset = host.init.options?.defaultValues?.email;
    if (preset) this.email.value = String(preset);
    this.root.append(this.email.root);
    host.ready();
    if (preset) this.changed();
    else this.flags.set({});
  }

  private changed(): void {
    const complete = !this.email.problem() && !this.email.empty;
    this.flags.set({ empty: this.email.empty, complete, invalid: !!this.email.shown() });
    this.changes.report({ empty: this.email.empty, complete, value: this.value() });
  }

  value(): any {
    return { email: this.email.value.trim() };
  }
  update(options: any): void {
    if (options.defaultValues?.email && this.email.empty) {
      this.email.value = String(options.defaultValues.email);
      this.changed();
    }
  }
  focus(): void {
    this.email.input.focus();
  }
  clear(): void {
    this.email.clear();
    this.changed();
  }
  /** Empty is fine: nobody has to give an address here. */
  validate(): { error?: StripeError } {
    return { error: this.email.empty ? undefined : this.email.validate() };
  }
}

const states: { [country: string]: string } = {
  US: "AL Alabama|AK Alaska|AZ Arizona|AR Arkansas|CA California|CO Colorado|CT Connecticut|DE Delaware|DC District of Columbia|FL Florida|GA Georgia|HI Hawaii|ID Idaho|IL Illinois|IN Indiana|IA Iowa|KS Kansas|KY Kentucky|LA Louisiana|ME Maine|MD Maryland|MA Massachusetts|MI Michigan|MN Minnesota|MS Mississippi|MO Missouri|MT Montana|NE Nebraska|NV Nevada|NH New Hampshire|NJ New Jersey|NM New Mexico|NY New York|NC North Carolina|ND North Dakota|OH Ohio|OK Oklahoma|OR Oregon|PA Pennsylvania|RI Rhode Island|SC South Carolina|SD South Dakota|TN Tennessee|TX Texas|UT Utah|VT Vermont|VA Virginia|WA Washington|WV West Virginia|WI Wisconsin|WY Wyoming",
  CA: "AB Alberta|BC British Columbia|MB Manitoba|NB New Brunswick|NL Newfoundland and Labrador|NT Northwest Territories|NS Nova Scotia|NU Nunavut|ON Ontario|PE Prince Edward Island|QC Quebec|SK Saskatchewan|YT Yukon",
  AU: "ACT Australian Capital Territory|NSW New South Wales|NT Northern Territory|QLD Queensland|SA South Australia|TAS Tasmania|VIC Victoria|WA Western Australia",
};

/** A billing or shipping address. */
export class Address implements Part {
  readonly root = h("div", { class: "Grid" });
  private readonly flags: Flags;
  private readonly changes: Changes;
  private fields: { [name: string]: Field } = {};
  private options: any;

  constructor(private readonly host: Host) {
    document.body.setAttribute("data-pad", "");
    this.options = host.init.options || {};
    this.flags = new Flags(host);
    this.changes = new Changes(host);
    this.draw(this.options.defaultValues || {});
    host.ready();
    this.changed();
  }

  private draw(d: any): void {
    const a = d.address || {};
    const common = {
      onChange: () => this.changed(), onEscape: () => this.host.emit("escape"),
      onFocus: (on: boolean) => {
        this.flags.set({ focus: on });
        this.host.emit(on ? "focus" : "blur");
      },
    };
    const need = (what: string) => (v: string) => (v.trim() === "" ? (`incomplete_${what}` as "incomplete_city") : undefined);
    const allowed = this.options.allowedCountries;
    const country = a.country || this.fields.country?.value || (allowed ? allowed[0] : "US");
    const f: { [name: string]: Field } = {};
    f.name = new Field({ ...common, name: "name", label: t("name"), autocomplete: "name", check: need("name") });
    f.country = new Field({
      ...common, name: "country", label: t("country"), autocomplete: "country", choices: countries(allowed),
      onChange: () => {
        this.draw(this.value());
        this.fields.country.input.focus();
        this.changed();
      },
    });
    f.line1 = new Field({ ...common, name: "addressLine1", label: t("line1"), autocomplete: "address-line1", check: need("line1") });
    f.line2 = new Field({ ...common, name: "addressLine2", label: t("line2"), autocomplete: "address-line2", optional: true });
    f.city = new Field({ ...common, name: "locality", label: t("city"), autocomplete: "address-level2", half: true, check: need("city") });
    if (states[country]) {
      const choices = [{ code: "", name: "" }].concat(states[country].split("|").map((s) => ({ code: s.slice(0, s.indexOf(" ")), name: s.slice(s.indexOf(" ") + 1) })));
      f.state = new Field({ ...common, name: "administrativeArea", label: t("state"), autocomplete: "address-level1", half: true, choices, check: need("state") });
    }
    f.postal = new Field({ ...common, name: "postalCode", label: country === "US" ? t("zip") : t("postal"), autocomplete: "postal-code", half: true, optional: !wantsPostal(country), check: (v) => checkPostal(v, country) });
    if (this.options.fields?.phone === "always") {
      f.phone = new Field({ ...common, name: "phone", label: t("phone"), type: "tel", autocomplete: "tel", optional: this.options.validation?.phone?.required === "never", check: need("phone") });
    }
    const values: { [name: string]: any } = { name: d.name || [d.firstName, d.lastName].filter(Boolean).join(" "), country, line1: a.line1, line2: a.line2, city: a.city, state: a.state, postal: a.postal_code, phone: d.phone };
    Object.keys(f).forEach((k) => values[k] && (f[k].value = String(values[k])));
    this.fields = f;
    this.root.replaceChildren(...Object.keys(f).map((k) => f[k].root));
  }

  value(): any {
    const v = (k: string): string | null => this.fields[k]?.value.trim() || null;
    return {
      name: v("name") || "", ...(this.fields.phone ? { phone: v("phone") } : {}),
      address: { line1: v("line1") || "", line2: v("line2"), city: v("city") || "", state: v("state") || "", postal_code: v("postal") || "", country: v("country") || "" },
    };
  }

  private all(): Field[] {
    return Object.keys(this.fields).map((k) => this.fields[k]);
  }

  private complete(): boolean {
    return this.all().every((f) => !f.problem());
  }

  private changed(): void {
    const empty = this.all().every((f) => f.empty || f === this.fields.country);
    this.flags.set({ empty, complete: this.complete(), invalid: this.all().some((f) => !!f.shown()) });
    this.changes.report({ elementMode: this.options.mode || "shipping", empty, complete: this.complete(), isNewAddress: true, value: this.value() });
  }

  update(options: any): void {
    this.options = { ...this.options, ...options };
    this.draw(options.defaultValues ? { ...this.value(), ...options.defaultValues } : this.value());
    this.changed();
  }
  focus(): void {
    this.fields.name.input.focus();
  }
  clear(): void {
    this.draw({ address: { country: this.fields.country.value } });
    this.changed();
  }
  validate(): { error?: StripeError; value?: any } {
    return { error: this.all().map((f) => f.validate()).filter(Boolean)[0], value: { complete: this.complete(), isNewAddress: true, value: this.value() } };
  }
}
