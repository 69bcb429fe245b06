import { train, warn } from "./env";
import { instance } from "./stripe";

const scope = window as any;

if (scope.Stripe) {
  warn("The payments library was loaded twice on this page; the first one stays.");
} else {
  const Stripe: any = function Stripe(key: unknown, options?: any) {
    return instance(key, options);
  };
  Stripe.version = train === "v3" ? 3 : train;
  scope.Stripe = Stripe;
}
