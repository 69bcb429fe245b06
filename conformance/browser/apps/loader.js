// One major release of the loader; which one, the bundler decides.
import { loadStripe } from "loader";

window.result = loadStripe(window.key).then((stripe) => ({
  functions: ["elements", "createToken", "createPaymentMethod", "confirmCardPayment"].every((f) => typeof stripe[f] === "function"),
  version: String(window.Stripe.version),
}));
