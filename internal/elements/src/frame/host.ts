import type { StripeError } from "../shared/errors";
import type { Init, Session, ToPage } from "../shared/protocol";

/** What a frame shows, and what it can be asked. */
export interface Part {
  root: HTMLElement;
  update(options: any): void;
  focus(): void;
  clear(): void;
  /** Marks what is wrong and returns it, or what the page may know. */
  validate(): { error?: StripeError; value?: any };
  /** What is sent: the method's type and hash, and the customer's details. */
  data?(type?: string): Promise<{ error?: StripeError; type: string; fields: any; billing: any }>;
  value?(): any;
  session?(session: Session): void;
  collapse?(): void;
  choose?(value: string): void;
  /** Overrides the usual way of sending. */
  close?(): void;
  challenge?(url: string): void;
}

export interface Host {
  init: Init;
  cards: string[];
  tell(message: ToPage): void;
  emit(name: string, payload?: any): void;
  /** Says that the part is drawn; then runs what has to come after that. */
  ready(then?: () => void): void;
}

/** A part's flags as the page shows them on its container, and its change events. */
export class Flags {
  private last = "";
  private state = { empty: true, complete: false, invalid: false, focus: false, webkitAutofill: false };

  constructor(private readonly host: Host) {}

  set(change: Partial<{ empty: boolean; complete: boolean; invalid: boolean; focus: boolean }>): void {
    this.state = { ...this.state, ...change };
    const text = JSON.stringify(this.state);
    if (text === this.last) return;
    this.last = text;
    this.host.tell({ type: "state", state: this.state });
  }
}

/** Reports a change once, not the same one again. */
export class Changes {
  private last = "";
  constructor(private readonly host: Host) {}
  report(payload: any): void {
    const text = JSON.stringify(payload);
    if (text === this.last) return;
    this.last = text;
    this.host.emit("change", payload);
  }
}
