import { validation, type StripeError } from "../shared/errors";
import { h } from "./dom";
import { t, type Key } from "./texts";

export interface FieldOptions {
  name: string;
  label: string;
  placeholder?: string;
  autocomplete?: string;
  inputmode?: string;
  type?: string;
  half?: boolean;
  bare?: boolean;
  format?: (text: string) => string;
  /** Returns what is wrong, with the text to show. */
  check?: (text: string) => Key | undefined;
  optional?: boolean;
  choices?: { code: string; name: string }[];
  trailing?: HTMLElement;
  onChange: () => void;
  onFocus?: (on: boolean) => void;
  onEscape?: () => void;
}

/** One input or choice with its label and its error. */
export class Field {
  readonly root: HTMLElement;
  readonly input: HTMLInputElement | HTMLSelectElement;
  private readonly error = h("p", { class: "Error", role: "alert", hidden: true });
  private touched = false;

  constructor(private readonly o: FieldOptions) {
    const id = `Field-${o.name}Input`;
    const common = {
      id, name: o.name, class: o.bare ? "Bare is-empty" : "Input", "aria-label": o.bare ? o.label : undefined, "aria-describedby": `${id}Error`,
      "aria-required": o.optional ? undefined : "true", oninput: () => this.typed(), onchange: () => this.typed(),
      onfocus: () => o.onFocus?.(true),
      onblur: () => {
        if (this.input.value !== "") this.touched = true;
        this.show();
        o.onFocus?.(false);
      },
      onkeydown: (e: KeyboardEvent) => e.key === "Escape" && o.onEscape?.(),
    };
    this.input = o.choices
      ? h("select", { ...common, autocomplete: o.autocomplete }, ...o.choices.map((c) => h("option", { value: c.code }, c.name)))
      : h("input", { ...common, type: o.type || "text", inputmode: o.inputmode, autocomplete: o.autocomplete, placeholder: o.placeholder, autocorrect: "off", autocapitalize: "off", spellcheck: "false", dir: o.inputmode === "numeric" ? "ltr" : undefined });
    this.error.id = `${id}Error`;
    this.root = o.bare
      ? this.input
      : h("div", { class: `Field${o.half ? " Field--half" : ""}` },
          h("label", { class: "Label", for: id }, o.optional ? `${o.label} (${t("optional")})` : o.label),
          h("span", { class: "Wrap" }, this.input, o.trailing), this.error);
  }

  get value(): string {
    return this.input.value;
  }
  set value(text: string) {
    this.input.value = this.o.format ? this.o.format(text) : text;
    this.dress();
  }

  get empty(): boolean {
    return this.value.trim() === "";
  }

  problem(): Key | undefined {
    if (this.empty && this.o.optional) return undefined;
    return this.o.check?.(this.value);
  }

  private typed(): void {
    if (this.o.format && this.input instanceof HTMLInputElement) {
      const before = this.input.value;
      const caret = this.input.selectionStart ?? before.length;
      const formatted = this.o.format(before);
      if (formatted !== before) {
        // The caret stays behind the character it was behind.
        const meaningful = before.slice(0, caret).replace(/[\s/]/g, "").length;
        this.input.value = formatted;
        let at = 0;
        for (let seen = 0; at < formatted.length && seen < meaningful; at++) if (!/[\s/]/.test(formatted[at])) seen++;
        if (caret === before.length) at = formatted.length;
        if (document.activeElement === this.input) this.input.setSelectionRange(at, at);
      }
    }
    // A mistake that cannot become right by typing on is shown at once.
    const p = this.problem();
    if (p && !/^incomplete/.test(p)) this.touched = true;
    if (!p || this.empty) this.touched = !!p && this.touched && !this.empty;
    this.show();
    this.o.onChange();
  }

  private show(): void {
    const p = this.touched ? this.problem() : undefined;
    this.error.hidden = !p;
    this.error.textContent = p ? t(p) : "";
    this.dress();
  }

  private dress(): void {
    const p = this.problem();
    const invalid = this.touched && !!p;
    this.input.classList.toggle(this.o.bare ? "is-invalid" : "Input--invalid", invalid);
    if (this.o.bare) {
      this.input.classList.toggle("is-empty", this.empty);
      this.input.classList.toggle("is-complete", !p && !this.empty);
    } else this.input.classList.toggle("Input--empty", this.empty);
    if (invalid) this.input.setAttribute("aria-invalid", "true");
    else this.input.removeAttribute("aria-invalid");
  }

  /** Shows what is wrong, and says it. */
  validate(): StripeError | undefined {
    this.touched = true;
    this.show();
    const p = this.problem();
    return p ? validation(p, t(p)) : undefined;
  }

  /** What the page is told: nothing about a field that is still being filled in. */
  shown(): StripeError | undefined {
    const p = this.touched ? this.problem() : undefined;
    return p ? validation(p, t(p)) : undefined;
  }

  clear(): void {
    this.value = "";
    this.touched = false;
    this.show();
  }

  disable(off: boolean): void {
    this.input.disabled = off;
  }
}
