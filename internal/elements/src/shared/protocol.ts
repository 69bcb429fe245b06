import type { Api } from "./net";
import type { StripeError } from "./errors";

/**
 * The messages between the page's script and its frames. The number changes
 * whenever they do; both sides come from one build.
 */
export const protocol = 1;

/** Says hello and hands the port over. */
export interface Hello {
  ducat: typeof protocol;
  type: "port";
}

/** What a frame is told when it begins. */
export interface Init {
  api: Api;
  train: string;
  locale: string;
  type: string;
  group: string;
  options: any;
  appearance: any;
  fonts: any[];
  session?: Session;
  width: number;
}

/** What a group knows of the server's side. */
export interface Session {
  types: string[];
  specs: any[];
  country: string;
  businessName: string;
  live: boolean;
  setup: boolean;
  saved: boolean;
  error?: StripeError | null;
}

/** From the page to a frame. */
export type ToFrame =
  | { type: "init"; init: Init }
  | { type: "update"; options?: any; appearance?: any; fonts?: any[]; locale?: string; session?: Session }
  | { type: "session"; session?: Session; error?: StripeError }
  | { type: "focus" | "blur" | "clear" | "collapse" | "close" }
  | { type: "choose"; value: string }
  | { type: "ask"; id: number; ask: Ask };

/** What needs an answer. */
export type Ask =
  | { what: "validate" }
  | { what: "value" }
  | { what: "send"; path: string; at: "payment_method_data" | "source" | "method" | "token"; params: any; billing?: any; override?: boolean; method?: string }
  | { what: "challenge"; url: string };

/** From a frame to the page. */
export type ToPage =
  | { type: "booted" }
  | { type: "ready" }
  | { type: "height"; height: number }
  | { type: "event"; name: string; payload: any }
  | { type: "state"; state: { [flag: string]: boolean } }
  | { type: "choices"; open: boolean }
  | { type: "chosen"; value: string }
  | { type: "challenge"; step: "moved" | "closed" }
  | { type: "answer"; id: number; value?: any; error?: StripeError }
  | { type: "fatal"; error: StripeError };
