import { connectionError, type StripeError } from "../shared/errors";
import { protocol, type Ask, type Hello, type ToFrame, type ToPage } from "../shared/protocol";
import { build, next, origin } from "./env";

const bootPatienceMs = 15_000;
const reset = "margin:0;padding:0;border:none;display:block;background:transparent;position:relative;opacity:1;";

/**
 * One of our documents inside the page, and the port to it. Nothing the page
 * must keep to itself is in the frame's address.
 */
export class Frame {
  readonly iframe: HTMLIFrameElement;
  private port?: MessagePort;
  private queue: ToFrame[] = [];
  private waiting: { [id: number]: (answer: { value?: any; error?: StripeError }) => void } = {};
  private asked = 0;
  private booted = false;
  private timer?: ReturnType<typeof setTimeout>;

  /** receive gets what the frame says; begin is called whenever its document is new. */
  constructor(
    path: string,
    title: string,
    private readonly begin: (frame: Frame) => void,
    private readonly receive: (message: ToPage) => void,
  ) {
    const f = document.createElement("iframe");
    f.name = `__privateStripeFrame${next()}`;
    f.title = title;
    f.setAttribute("frameborder", "0");
    f.setAttribute("allowtransparency", "true");
    f.setAttribute("scrolling", "no");
    f.setAttribute("role", "presentation");
    f.allow = "payment *";
    f.src = `${origin}/v3/${path.replace("BUILD", build)}`;
    f.style.cssText = reset + "width:1px;min-width:100%;height:0;user-select:none;color-scheme:light only;";
    f.addEventListener("load", () => this.loaded());
    this.iframe = f;
  }

  /** The document is there, for the first time or again after the page moved it. */
  private loaded(): void {
    this.port?.close();
    this.booted = false;
    Object.keys(this.waiting).forEach((id) => this.settle(Number(id), { error: connectionError() }));
    const channel = new MessageChannel();
    this.port = channel.port1;
    this.port.onmessage = (e: MessageEvent) => this.hear(e.data as ToPage);
    const hello: Hello = { ducat: protocol, type: "port" };
    this.iframe.contentWindow?.postMessage(hello, origin, [channel.port2]);
    this.timer = setTimeout(() => this.receive({ type: "fatal", error: connectionError() }), bootPatienceMs);
    this.begin(this);
  }

  private hear(message: ToPage): void {
    if (message.type === "booted") {
      clearTimeout(this.timer);
      this.booted = true;
      const queued = this.queue;
      this.queue = [];
      queued.forEach((m) => this.port!.postMessage(m));
    } else if (message.type === "answer") {
      this.settle(message.id, message);
    } else {
      this.receive(message);
    }
  }

  private settle(id: number, answer: { value?: any; error?: StripeError }): void {
    const resolve = this.waiting[id];
    delete this.waiting[id];
    resolve?.(answer);
  }

  tell(message: ToFrame): void {
    if (this.booted) this.port!.postMessage(message);
    else this.queue.push(message);
  }

  ask(ask: Ask): Promise<{ value?: any; error?: StripeError }> {
    const id = ++this.asked;
    return new Promise((resolve) => {
      this.waiting[id] = resolve;
      this.tell({ type: "ask", id, ask });
    });
  }

  remove(): void {
    clearTimeout(this.timer);
    this.port?.close();
    this.iframe.remove();
    Object.keys(this.waiting).forEach((id) => this.settle(Number(id), { error: connectionError() }));
  }
}
