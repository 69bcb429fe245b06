/** Written in front of the script by the server that serves it. */
declare const __DUCAT__: { train: string; origin: string; build: string };

/** The release trains, oldest first; a name we do not know behaves like the newest. */
const trains = ["v3", "acacia", "basil", "clover", "dahlia", "endive"];

export const train = __DUCAT__.train;
export const build = __DUCAT__.build;

const rank = (name: string): number => (trains.indexOf(name) < 0 ? trains.length : trains.indexOf(name));

/** Reports whether the script was loaded as this train or a later one. */
export const since = (name: string): boolean => rank(train) >= rank(name);

const script = typeof document === "undefined" ? null : (document.currentScript as HTMLScriptElement | null);

function originOf(address: string | undefined): string {
  try {
    return address ? new URL(address).origin : __DUCAT__.origin;
  } catch {
    return __DUCAT__.origin;
  }
}

/** Where the script came from, which is where its frames come from. */
export const origin = originOf(script?.src);

/** Where requests go. */
export const apiBase = script?.getAttribute("data-api-base") || origin.replace(/^https:\/\/js\.stripe\.com$/, "https://api.stripe.com");

const warned: { [text: string]: boolean } = {};

/** Warns once about each thing. */
export function warn(text: string): void {
  if (!warned[text]) {
    warned[text] = true;
    console.warn(`[ducat] ${text}`);
  }
}

/** Does something after the code that runs now has finished. */
export const soon = (fn: () => void): void => void setTimeout(fn, 0);

let numbers = 0;

/** Numbers frames, groups and elements on this page. */
export const next = (): number => ++numbers;
