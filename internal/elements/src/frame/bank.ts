import { validation, type StripeError } from "../shared/errors";
import { applyFieldStyle } from "./appearance";
import { h } from "./dom";
import { Changes, Flags, type Host, type Part } from "./host";
import { t } from "./texts";

const method: { [element: string]: string } = { idealBank: "ideal", epsBank: "eps", p24Bank: "p24", fpxBank: "fpx" };

const banks: { [method: string]: { [code: string]: string } } = {
  ideal: {
    abn_amro: "ABN AMRO", asn_bank: "ASN Bank", bunq: "bunq", ing: "ING Bank", knab: "Knab", n26: "N26", nn: "Nationale-Nederlanden", rabobank: "Rabobank",
    regiobank: "RegioBank", revolut: "Revolut", sns_bank: "SNS Bank", triodos_bank: "Triodos Bank", van_lanschot: "Van Lanschot", yoursafe: "Yoursafe",
  },
  eps: {
    bank_austria: "UniCredit Bank Austria", bawag_psk_ag: "BAWAG P.S.K.", easybank_ag: "easybank", erste_bank_und_sparkassen: "Erste Bank und Sparkassen",
    hypo_noe_lb_fur_niederosterreich_u_wien: "HYPO NOE", oberbank_ag: "Oberbank", raiffeisen_bankengruppe_osterreich: "Raiffeisen Bankengruppe",
    volksbank_gruppe: "Volksbank Gruppe",
  },
  p24: {
    alior_bank: "Alior Bank", bank_millennium: "Bank Millennium", bank_pekao_sa: "Bank Pekao", blik: "BLIK", bnp_paribas: "BNP Paribas", credit_agricole: "Crédit Agricole",
    getin_bank: "Getin Bank", ideabank: "Idea Bank", ing: "ING Bank Śląski", inteligo: "Inteligo", mbank_mtransfer: "mBank", nest_przelew: "Nest Bank",
    santander_przelew24: "Santander Bank Polska", toyota_bank: "Toyota Bank",
  },
  fpx: {
    affin_bank: "Affin Bank", alliance_bank: "Alliance Bank", ambank: "AmBank", bank_islam: "Bank Islam", bank_rakyat: "Bank Rakyat", bsn: "BSN", cimb: "CIMB Clicks",
    hong_leong_bank: "Hong Leong Bank", hsbc: "HSBC Bank", kfh: "KFH", maybank2u: "Maybank2U", ocbc: "OCBC Bank", public_bank: "Public Bank", rhb: "RHB Bank",
    standard_chartered: "Standard Chartered", uob: "UOB Bank",
  },
};

/** The closed list: a button that says which bank was chosen. */
export class BankButton implements Part {
  readonly root: HTMLElement;
  private readonly shown = h("span", { id: "bank-list-value" }, t("selectBank"));
  private readonly flags: Flags;
  private readonly changes: Changes;
  private chosen = "";
  private open = false;

  constructor(private readonly host: Host) {
    const options = host.init.options || {};
    this.flags = new Flags(host);
    this.changes = new Changes(host);
    applyFieldStyle(options.style);
    this.root = h("button", {
      type: "button", class: "BankButton Bare", "aria-haspopup": "listbox", onclick: () => this.toggle(),
      onfocus: () => this.focused(true), onblur: () => this.focused(false),
      onkeydown: (e: KeyboardEvent) => e.key === "Escape" && (this.toggle(false), this.host.emit("escape")),
    }, this.shown, h("span", { "aria-hidden": "true" }, "▾"));
    if (options.value) this.choose(String(options.value));
    host.ready();
    this.flags.set({});
  }

  private focused(on: boolean): void {
    this.flags.set({ focus: on });
    this.host.emit(on ? "focus" : "blur");
  }

  private toggle(open = !this.open): void {
    this.open = open;
    this.root.setAttribute("aria-expanded", String(open));
    this.host.tell({ type: "choices", open });
  }

  choose(value: string): void {
    this.toggle(false);
    const name = banks[method[this.host.init.type]][value];
    if (!name) return;
    this.chosen = value;
    this.shown.textContent = name;
    this.flags.set({ empty: false, complete: true, invalid: false });
    this.changes.report({ empty: false, complete: true, value });
  }

  update(options: any): void {
    if (options.style) applyFieldStyle(options.style);
    if (options.value) this.choose(String(options.value));
  }
  focus(): void {
    this.root.focus();
  }
  clear(): void {
    this.chosen = "";
    this.shown.textContent = t("selectBank");
    this.flags.set({ empty: true, complete: false });
    this.changes.report({ empty: true, complete: false, value: "" });
  }
  validate(): { error?: StripeError } {
    if (this.chosen) return {};
    this.flags.set({ invalid: true });
    return { error: validation("incomplete_bank", t("incomplete_bank")) };
  }
  async data(): Promise<{ error?: StripeError; type: string; fields: any; billing: any }> {
    return { error: this.validate().error, type: method[this.host.init.type], fields: { bank: this.chosen }, billing: {} };
  }
}

/** The open list, in a frame of its own so that it can lie over the page. */
export class BankList implements Part {
  readonly root = h("ul", { class: "SelectList", role: "listbox", "aria-label": t("selectBank") });

  constructor(host: Host) {
    const all = banks[method[host.init.type]] || {};
    Object.keys(all).forEach((code) => {
      const pick = (): void => host.tell({ type: "chosen", value: code });
      this.root.append(
        h("li", { class: "SelectListItem", role: "option", tabindex: "0", onclick: pick, onkeydown: (e: KeyboardEvent) => this.key(e, pick) }, h("span", { class: "SelectListItem-text" }, all[code])),
      );
    });
    host.ready();
  }

  private key(e: KeyboardEvent, pick: () => void): void {
    const item = e.currentTarget as HTMLElement;
    if (e.key === "Enter" || e.key === " ") pick();
    else if (e.key === "ArrowDown") (item.nextElementSibling as HTMLElement | null)?.focus();
    else if (e.key === "ArrowUp") (item.previousElementSibling as HTMLElement | null)?.focus();
    else return;
    e.preventDefault();
  }

  update(): void {}
  focus(): void {
    (this.root.firstElementChild as HTMLElement | null)?.focus();
  }
  clear(): void {}
  validate(): { error?: StripeError } {
    return {};
  }
}
