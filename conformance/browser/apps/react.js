// A checkout as the React bindings' guide has it, in development mode, which
// mounts everything twice.
import { createElement as h, StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { loadStripe } from "@stripe/stripe-js";
import { CardElement, Elements, LinkAuthenticationElement, PaymentElement, useElements, useStripe } from "@stripe/react-stripe-js";

const promise = loadStripe(window.key);
window.calls = { ready: 0, change: [], card: 0 };

function Form() {
  const stripe = useStripe();
  const elements = useElements();
  const [message, setMessage] = useState("");
  const submit = async (event) => {
    event.preventDefault();
    const { error } = await stripe.confirmPayment({ elements, confirmParams: { return_url: window.shop + "/order/123/complete" } });
    setMessage(error.type === "card_error" || error.type === "validation_error" ? error.message : "An unexpected error occurred.");
  };
  return h("form", { onSubmit: submit },
    h(LinkAuthenticationElement, { onChange: (e) => { window.email = e.value.email; } }),
    h(PaymentElement, {
      onReady: (element) => { window.calls.ready++; window.readyWith = typeof element.mount; },
      onChange: (e) => window.calls.change.push(e.value.type),
    }),
    h("button", { id: "submit", disabled: !stripe }, "Pay"), h("p", { id: "message" }, message));
}

function Card() {
  const stripe = useStripe();
  const elements = useElements();
  window.cardElement = () => elements.getElement(CardElement);
  return h("div", null, h(CardElement, { onReady: () => window.calls.card++ }), h("span", { id: "loaded" }, stripe ? "yes" : "no"));
}

createRoot(document.getElementById("app")).render(
  h(StrictMode, null,
    h(Elements, { stripe: promise, options: { clientSecret: window.clientSecret, appearance: { theme: "stripe" } } }, h(Form)),
    h(Elements, { stripe: promise }, h(Card))),
);
