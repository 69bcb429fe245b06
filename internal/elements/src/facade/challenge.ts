import { connectionError } from "../shared/errors";
import { readIntent, type Answer, type Api } from "../shared/net";
import { Frame } from "./frame";

const pollMs = 2_000;

/**
 * Lays the card issuer's page over the checkout and returns the intent as it is
 * when the customer has decided, or has closed it.
 */
export function challenge(api: Api, secret: string, url: string): Promise<{ answer: Answer; closed: boolean }> {
  return new Promise((resolve) => {
    const cover = document.createElement("div");
    cover.setAttribute("role", "dialog");
    cover.setAttribute("aria-modal", "true");
    cover.style.cssText = "position:fixed;inset:0;z-index:2147483647;background:rgba(15,18,26,.55);margin:0;padding:0;border:none;";
    let over = false;
    let asking = false;

    const end = (answer: Answer, closed: boolean): void => {
      if (over) return;
      over = true;
      clearInterval(timer);
      document.removeEventListener("keydown", escape);
      frame.remove();
      cover.remove();
      resolve({ answer, closed });
    };
    const look = async (closed: boolean): Promise<void> => {
      if (over || (asking && !closed)) return;
      asking = true;
      const answer = await readIntent(api, secret);
      asking = false;
      if (closed) end(answer, true);
      else if (answer.value && answer.value.status !== "requires_action") end(answer, false);
    };
    const escape = (e: KeyboardEvent): void => {
      if (e.key === "Escape") frame.tell({ type: "close" });
    };

    const frame = new Frame(
      "three-ds-2-challenge",
      "Secure card authentication frame",
      (f) => void f.ask({ what: "challenge", url }),
      (m) => {
        if (m.type === "challenge") void look(m.step === "closed");
        if (m.type === "fatal") end({ error: connectionError() }, false);
      },
    );
    frame.iframe.style.cssText = "position:absolute;inset:0;width:100%;height:100%;border:none;display:block;";
    frame.iframe.setAttribute("scrolling", "yes");
    cover.appendChild(frame.iframe);
    document.body.appendChild(cover);
    document.addEventListener("keydown", escape);
    const timer = setInterval(() => void look(false), pollMs);
    frame.iframe.focus();
  });
}
