import { validation, type StripeError } from "../shared/errors";
import type { Session } from "../shared/protocol";
import { CardForm } from "./cardform";
import { h, svg } from "./dom";
import { Field } from "./fields";
import { Changes, Flags, type Host, type Part } from "./host";
import { leaving, mark, warning } from "./marks";
import { checkEmail } from "./cards";
import { has, methodName, t } from "./texts";

interface Panel {
  root: HTMLElement;
  form?: CardForm;
  details: { [name: string]: Field };
}

interface Item {
  type: string;
  button: HTMLButtonElement;
  root: HTMLElement;
  holder: HTMLElement;
  panel: Panel;
}

const wideEnoughForTabs = 500;

/** The Payment Element: the methods an intent can be paid with, one open at a time. */
export class Payment implements Part {
  readonly root = h("div");
  private options: any;
  private known?: Session;
  private items: Item[] = [];
  private selected?: string;
  private readonly flags: Flags;
  private readonly changes: Changes;

  constructor(private readonly host: Host) {
    this.options = host.init.options || {};
    this.flags = new Flags(host);
    this.changes = new Changes(host);
    document.body.setAttribute("data-pad", "");
  }

  private layout(): { tabs: boolean; collapsed: boolean; radios: any; spaced: boolean; visible: number; end: boolean } {
    const early = this.host.init.train === "v3" || this.host.init.train === "acacia";
    const given = this.options.layout;
    const o = typeof given === "string" ? { type: given } : given || {};
    const several = (this.known?.types.length || 0) > 1;
    let type = o.type || (early ? "tabs" : "accordion");
    if (type === "auto") type = (this.host.init.width || document.documentElement.clientWidth) >= wideEnoughForTabs ? "tabs" : "accordion";
    return {
      tabs: type === "tabs",
      collapsed: o.defaultCollapsed === undefined ? !early && several && type !== "tabs" : !!o.defaultCollapsed,
      radios: o.radios === undefined ? "auto" : o.radios,
      spaced: o.spacedAccordionItems === undefined ? !o.radios && o.radios !== undefined : !!o.spacedAccordionItems,
      visible: o.visibleAccordionItemsCount === undefined ? 5 : Number(o.visibleAccordionItemsCount) || 0,
      end: o.paymentMethodLogoPosition === "end",
    };
  }

  session(s: Session): void {
    const before = this.selected;
    this.known = s;
    this.draw();
    if (before && s.types.indexOf(before) >= 0) this.select(before, false);
    const available: any = {};
    s.types.forEach((type) => (available[type] = { available: true }));
    this.host.ready(() => {
      this.host.emit("availablepaymentmethodschange", { paymentMethods: available });
      this.report();
    });
  }

  /** The methods in the order the page wants. */
  private order(): string[] {
    const types = this.known!.types.slice();
    const wanted: string[] = Array.isArray(this.options.paymentMethodOrder) ? this.options.paymentMethodOrder : [];
    wanted.filter((w) => types.indexOf(w) < 0 && ["apple_pay", "google_pay", "link"].indexOf(w) < 0).forEach((w) => console.warn(`[ducat] paymentMethodOrder: "${w}" cannot be used for this payment and is ignored.`));
    return wanted.filter((w) => types.indexOf(w) >= 0).concat(types.filter((type) => wanted.indexOf(type) < 0));
  }

  private draw(): void {
    const s = this.known!;
    const l = this.layout();
    const types = this.order();
    const only = types.length === 1;
    this.root.textContent = "";
    this.selected = undefined;
    if (s.error) this.root.append(this.alert(s.error));
    this.items = types.map((type) => (l.tabs ? this.tab(type) : this.fold(type, l)));
    if (l.tabs) {
      if (!only) {
        const strip = h("div", { class: "Tabs", role: "tablist", "aria-label": t("choose"), onkeydown: (e: KeyboardEvent) => this.arrow(e) });
        strip.append(...this.items.map((i) => i.button));
        this.root.append(strip);
      }
      this.root.append(h("div", { class: "Panels" }, ...this.items.map((i) => i.holder)));
    } else {
      const list = h("div", { class: `Accordion${l.spaced ? " Accordion--spaced" : ""}${only ? " Accordion--only" : ""}`, role: "group", "aria-label": t("choose") });
      list.append(...this.items.map((i) => i.root));
      this.root.append(list);
      if (l.visible > 0 && this.items.length > l.visible) this.fewer(list, l.visible);
    }
    this.readOnly();
    const failed = (s.error as any)?.payment_method?.type;
    const first = types.filter((type) => type !== failed)[0] || (only ? types[0] : undefined);
    if (only) this.select(types[0], false);
    else if (first && !l.collapsed) this.select(first, false);
    else this.items.forEach((i) => this.mark(i, false));
  }

  private alert(error: StripeError): HTMLElement {
    const fixed = ["payment_intent_authentication_failure", "payment_intent_payment_attempt_expired"];
    const text = error.code && fixed.indexOf(error.code) >= 0 && has(error.code) ? t(error.code) : error.message || t("failed");
    return h("div", { class: "Block Alert", role: "alert", "data-alert": true }, warning(), h("span", {}, text));
  }

  private calm(): void {
    this.root.querySelector("[data-alert]")?.remove();
  }

  private tab(type: string): Item {
    const name = methodName(type);
    const icon = h("span", { class: "TabIcon" }, mark(type, name));
    icon.firstElementChild!.setAttribute("height", "20");
    const button = h("button", {
      type: "button", class: "Tab", role: "tab", id: `${type}-tab`, "data-testid": type, value: type, "aria-controls": `${type}-panel`,
      onclick: () => this.select(type, true), ...this.attention(),
    }, icon, h("span", { class: "TabLabel" }, name));
    const panel = this.panel(type);
    const holder = h("div", { class: "Panel", role: "tabpanel", id: `${type}-panel`, "aria-labelledby": `${type}-tab`, hidden: true }, panel.root);
    return { type, button, root: button, holder, panel };
  }

  private fold(type: string, l: { radios: any; end: boolean }): Item {
    const name = methodName(type);
    const several = this.known!.types.length > 1;
    const radio = l.radios === true || l.radios === "always" || ((l.radios === "auto" || l.radios === "if_multiple") && several);
    const button = h("button", {
      type: "button", class: "AccordionButton", id: `${type}-tab`, "data-value": type, "data-testid": type, "aria-controls": `${type}-panel`, "aria-expanded": "false",
      onclick: () => this.select(type, true), ...this.attention(),
    },
      radio ? svg("0 0 18 18", [["circle", { class: "RadioIconOuter", cx: 9, cy: 9, r: 8 }], ["circle", { class: "RadioIconInner", cx: 9, cy: 9, r: 4.5 }]], { class: "RadioIcon" }) : null,
      h("span", { class: `Mark${l.end ? " Mark--end" : ""}` }, mark(type, name)), h("span", {}, name));
    const panel = this.panel(type);
    const holder = h("div", { class: "AccordionPanel", role: "region", id: `${type}-panel`, "aria-labelledby": `${type}-tab`, hidden: true }, panel.root);
    return { type, button, root: h("div", { class: "AccordionItem" }, button, holder), holder, panel };
  }

  private attention(): any {
    return {
      onfocus: () => this.focused(true), onblur: () => this.focused(false),
      onkeydown: (e: KeyboardEvent) => e.key === "Escape" && this.host.emit("escape"),
    };
  }

  private focused(on: boolean): void {
    this.flags.set({ focus: on });
    this.host.emit(on ? "focus" : "blur");
  }

  private fewer(list: HTMLElement, visible: number): void {
    const hidden = this.items.slice(visible);
    hidden.forEach((i) => (i.root.hidden = true));
    const more = h("button", { type: "button", class: "MenuAction", onclick: () => {
      hidden.forEach((i) => (i.root.hidden = false));
      more.remove();
      hidden[0].button.focus();
    } }, t("more"));
    list.append(more);
  }

  private arrow(e: KeyboardEvent): void {
    const at = this.items.findIndex((i) => i.button === document.activeElement);
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[e.key] || 0;
    let to = e.key === "Home" ? 0 : e.key === "End" ? this.items.length - 1 : -1;
    if (step && at >= 0) to = (at + step + this.items.length) % this.items.length;
    if (to < 0) return;
    e.preventDefault();
    this.items[to].button.focus();
    this.select(this.items[to].type, true);
  }

  /** What a method still needs from the customer. */
  private panel(type: string): Panel {
    const s = this.known!;
    const business = this.options.business?.name || s.businessName || t("merchant");
    const defaults = this.options.defaultValues?.billingDetails || {};
    const details: { [name: string]: Field } = {};
    const root = h("div");
    const form = type === "card"
      ? new CardForm({ defaults, country: s.country, fields: this.fields("card"), onChange: () => this.report(), onFocus: (on) => this.focused(on), onEscape: () => this.host.emit("escape") })
      : undefined;
    if (form) root.append(form.root);
    const grid = h("div", { class: "Grid" });
    for (const name of this.mandatory(type)) {
      details[name] = new Field({
        name, label: t(name), autocomplete: name === "phone" ? "tel" : name, type: name === "email" ? "email" : name === "phone" ? "tel" : "text",
        check: (v) => (name === "email" ? checkEmail(v) : v.trim() === "" ? (`incomplete_${name}` as "incomplete_name") : undefined),
        onChange: () => this.report(), onFocus: (on) => this.focused(on), onEscape: () => this.host.emit("escape"),
      });
      if (defaults[name]) details[name].value = String(defaults[name]);
      grid.append(details[name].root);
    }
    if (grid.firstChild) root.append(grid);
    if (!form) {
      const text = h("div", { class: "RedirectText" }, leaving(), h("span", {}, t("redirect", { method: methodName(type) })));
      if (grid.firstChild) text.style.marginTop = "var(--gridRowSpacing)";
      root.append(text);
    }
    const terms = this.options.terms?.[type] || "auto";
    if (terms === "always" || (s.saved && terms !== "never")) {
      root.append(h("p", { class: "TermsText" }, form ? t("agreeCard", { business }) : t("agree", { business, method: methodName(type) })));
    }
    return { root, form, details };
  }

  /** Which details the page wants asked: its word for the method, else for all. */
  private fields(type: string): any {
    const f = this.options.fields || {};
    return f[type]?.billingDetails || f.billingDetails || "auto";
  }

  private mandatory(type: string): ("name" | "email" | "phone")[] {
    if (type === "card") return [];
    const spec = this.known!.specs.filter((x) => x.type === type)[0];
    const asked = this.fields(type);
    return (["name", "email", "phone"] as const).filter((name) => {
      const needed = (spec?.fields || []).some((f: any) => f.type === name || f.api_path?.v1 === `billing_details[${name}]`);
      return needed && asked !== "never" && asked?.[name] !== "never";
    });
  }

  private readOnly(): void {
    const off = !!this.options.readOnly;
    this.root.querySelectorAll("input,select,button").forEach((e) => ((e as HTMLInputElement).disabled = off));
  }

  private mark(i: Item, on: boolean): void {
    const tabs = i.button === i.root;
    i.root.classList.toggle(tabs ? "Tab--selected" : "AccordionItem--selected", on);
    if (tabs) {
      i.button.setAttribute("aria-selected", String(on));
      i.button.tabIndex = on || !this.selected ? 0 : -1;
    } else i.button.setAttribute("aria-expanded", String(on));
    i.holder.hidden = !on;
  }

  private select(type: string, byCustomer: boolean): void {
    if (byCustomer) this.calm();
    if (this.selected === type && byCustomer) return;
    this.selected = type;
    this.items.forEach((i) => {
      this.mark(i, i.type === type);
      if (i.type === type) i.root.hidden = false;
    });
    if (byCustomer) this.report();
  }

  private open(): Item | undefined {
    return this.items.filter((i) => i.type === this.selected)[0];
  }

  private report(): void {
    const i = this.open();
    const fields = i ? Object.keys(i.panel.details).map((k) => i.panel.details[k]) : [];
    const form = i?.panel.form;
    const complete = !!i && (!form || form.complete()) && fields.every((f) => !f.problem());
    const empty = !i || (form ? form.empty() : false);
    this.flags.set({ empty, complete, invalid: !!form?.invalid() });
    this.changes.report({ empty, complete, collapsed: !i, value: { type: this.selected || "" } });
  }

  update(options: any): void {
    this.options = { ...this.options, ...options };
    if (!this.known) return;
    if (Object.keys(options).some((k) => ["layout", "paymentMethodOrder", "fields", "terms", "business", "defaultValues"].indexOf(k) >= 0)) {
      const before = this.selected;
      this.draw();
      if (before) this.select(before, false);
      this.report();
    }
    this.readOnly();
  }

  focus(): void {
    const i = this.open() || this.items[0];
    const first = i?.holder.querySelector("input,select") as HTMLElement | null;
    (this.selected && first ? first : i?.button)?.focus();
  }

  clear(): void {
    this.items.forEach((i) => {
      i.panel.form?.clear();
      Object.keys(i.panel.details).forEach((k) => i.panel.details[k].clear());
    });
    this.report();
  }

  collapse(): void {
    if (this.items.length < 2 || this.layout().tabs) return;
    this.selected = undefined;
    this.items.forEach((i) => this.mark(i, false));
    this.report();
  }

  validate(): { error?: StripeError; value?: any } {
    const i = this.open();
    if (!i) {
      this.calm();
      this.root.prepend(this.alert({ type: "validation_error", message: t("choosePlease") }));
      return { error: validation("incomplete_payment_details", t("choosePlease")) };
    }
    const wrong = [i.panel.form?.validate(), ...Object.keys(i.panel.details).map((k) => i.panel.details[k].validate())].filter(Boolean)[0];
    this.report();
    if (!wrong) return { value: { type: i.type } };
    const incomplete = /^incomplete/.test(wrong.code || "");
    return { error: incomplete ? validation("incomplete_payment_details", wrong.message) : wrong };
  }

  async data(): Promise<{ error?: StripeError; type: string; fields: any; billing: any }> {
    const checked = this.validate();
    if (checked.error) return { error: checked.error, type: "", fields: {}, billing: {} };
    const i = this.open()!;
    const d = this.options.defaultValues?.billingDetails || {};
    const billing: any = { name: d.name, email: d.email, phone: d.phone, address: d.address ? { ...d.address } : undefined };
    Object.keys(i.panel.details).forEach((k) => (billing[k] = i.panel.details[k].value.trim()));
    if (!i.panel.form) return { type: i.type, fields: {}, billing };
    const { error, fields, address } = i.panel.form.data(this.host.cards);
    if (Object.keys(address).length) billing.address = { ...(billing.address || {}), ...address };
    return { error, type: "card", fields, billing };
  }

  /** Details the page has taken upon itself and then has to give. */
  missing(given: any): string | undefined {
    const form = this.open()?.panel.form;
    return form?.omitted.filter((name) => !given?.address?.[name])[0];
  }

  /** The failed attempt is shown until the customer chooses again. */
  failed(error: StripeError): void {
    if (!this.known || error.type === "validation_error") return;
    this.calm();
    this.root.prepend(this.alert(error));
  }
}
