import { IntegrationError } from "../shared/errors";
import { soon } from "./env";

type Handler = (event: any) => unknown;

/** Handlers by event. Events reach them later, never during a call of the page. */
export class Listeners<Owner> {
  private handlers: { name: string; fn: Handler; once: boolean }[] = [];

  constructor(private readonly owner: Owner) {}

  add(name: unknown, fn: unknown, once = false): Owner {
    if (typeof fn !== "function") throw new IntegrationError(`Missing handler: on("${String(name)}", …) takes a function as its second argument.`);
    this.handlers.push({ name: String(name), fn: fn as Handler, once });
    return this.owner;
  }

  remove(name: unknown, fn?: unknown): Owner {
    this.handlers = this.handlers.filter((h) => h.name !== name || (fn !== undefined && h.fn !== fn));
    return this.owner;
  }

  /** A handler that throws is reported and does not stop the others. */
  emit(name: string, event: unknown): void {
    soon(() => {
      for (const h of this.handlers.filter((h) => h.name === name)) {
        if (h.once) this.handlers = this.handlers.filter((other) => other !== h);
        try {
          h.fn(event);
        } catch (e) {
          soon(() => {
            throw e;
          });
        }
      }
    });
  }
}
