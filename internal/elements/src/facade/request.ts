import { IntegrationError } from "../shared/errors";

/** Wallets of the browser are never available here; pages then show their own form. */
export function paymentRequest(options: any): any {
  const o = options || {};
  for (const name of ["country", "currency"]) {
    if (typeof o[name] !== "string" || !o[name]) throw new IntegrationError(`paymentRequest(): ${name} should be a string.`);
  }
  const total = (t: any): void => {
    if (!t || typeof t.label !== "string" || typeof t.amount !== "number" || Math.floor(t.amount) !== t.amount || t.amount < 0) {
      throw new IntegrationError("paymentRequest(): total should be an object with a label and an amount in the currency's smallest unit.");
    }
  };
  total(o.total);
  const self: any = {
    canMakePayment: () => Promise.resolve(null),
    show() {
      throw new IntegrationError("show() needs a payment method that canMakePayment() has found.");
    },
    abort() {},
    isShowing: () => false,
    update(changes: any) {
      if (changes?.total) total(changes.total);
    },
  };
  for (const name of ["on", "once", "off", "addEventListener", "removeEventListener"]) self[name] = () => self;
  return self;
}
