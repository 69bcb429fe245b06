import type { StripeError } from "../shared/errors";
import { h, svg } from "./dom";
import type { Host, Part } from "./host";
import { t } from "./texts";

/** Holds the card issuer's page while it asks the customer. */
export class Challenge implements Part {
  readonly root: HTMLElement;
  private readonly frame = h("iframe", { id: "challengeFrame", name: "acsFrame", title: t("challenge") });
  private url = "";
  private loads = 0;

  constructor(private readonly host: Host) {
    const cross = svg("0 0 16 16", [["path", { d: "M3 3l10 10M13 3 3 13", stroke: "currentColor", "stroke-width": 2, "stroke-linecap": "round" }]]);
    const button = h("button", { type: "button", class: "ChallengeClose", "aria-label": t("close"), onclick: () => void this.close() }, cross);
    this.root = h("div", { class: "Challenge" }, h("div", { class: "ChallengeBox" }, button, this.frame));
    this.frame.addEventListener("load", () => {
      if (this.url && ++this.loads > 1) host.tell({ type: "challenge", step: "moved" });
    });
    document.addEventListener("keydown", (e) => e.key === "Escape" && void this.close());
    button.focus();
  }

  challenge(url: string): void {
    this.url = url;
    this.frame.src = url;
  }

  /** Closing is declining: the issuer's page is told so, as its own button would. */
  async close(): Promise<void> {
    if (this.url) await fetch(this.url, { method: "POST", mode: "no-cors", credentials: "omit", body: new URLSearchParams({ decision: "decline" }) }).catch(() => undefined);
    this.host.tell({ type: "challenge", step: "closed" });
  }

  update(): void {}
  focus(): void {}
  clear(): void {}
  validate(): { error?: StripeError } {
    return {};
  }
}
