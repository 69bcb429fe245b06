/** An error as pages get it in `result.error`: a plain object with a message fit to be shown. */
export interface StripeError {
  type: string;
  message: string;
  code?: string;
  [key: string]: unknown;
}

export type Result = { error: StripeError } | { [key: string]: any; error?: undefined };

/** A mistake in the page's code. It is thrown, never resolved. */
export class IntegrationError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "IntegrationError";
    Object.setPrototypeOf(this, IntegrationError.prototype);
  }
}

export const failure = (type: string, code: string | undefined, message: string): StripeError =>
  code === undefined ? { type, message } : { type, code, message };

export const validation = (code: string, message: string): StripeError => failure("validation_error", code, message);

export const connectionError = (): StripeError =>
  failure("api_connection_error", undefined, "We are experiencing issues connecting to our payments provider. Please check your internet connection and try again.");

/** The text that pages and test suites look for after a refused authentication. */
export const authenticationFailure = (intent?: unknown): StripeError => ({
  type: "invalid_request_error",
  code: "payment_intent_authentication_failure",
  message: "We are unable to authenticate your payment method. Please choose a different payment method and try again.",
  ...(intent ? { payment_intent: intent } : {}),
});
