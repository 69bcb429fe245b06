// Says how the payment stands. The webhooks below are what a shop goes by.
(function () {
  "use strict";
  var title = document.getElementById("status");
  var what = document.getElementById("what");
  var query = new URLSearchParams(location.search);
  var stripe = Stripe(title.dataset.key);
  function say(status) {
    title.textContent = { succeeded: "Thank you! Payment received.", chargeable: "Thank you! The wallet has said yes.", consumed: "Thank you! Payment received.", pending: "Waiting for the wallet …", processing: "Payment processing.", requires_capture: "Thank you! Payment authorised.", failed: "The payment failed. Nothing was taken.", canceled: "The payment was canceled. Nothing was taken.", requires_payment_method: "The payment failed. Nothing was taken." }[status] || "Something went wrong.";
    what.textContent = "Status: " + status;
  }
  function source() {
    stripe.retrieveSource({ id: query.get("source"), client_secret: query.get("client_secret") }).then(function (r) {
      if (r.error) return say(r.error.code || r.error.type);
      say(r.source.status);
      if (r.source.status === "pending" || r.source.status === "chargeable") setTimeout(source, 700);
    });
  }
  if (query.get("source")) source();
  else if (query.get("payment_intent_client_secret")) {
    stripe.retrievePaymentIntent(query.get("payment_intent_client_secret")).then(function (r) { say(r.error ? r.error.code : r.paymentIntent.status); });
  } else { title.textContent = "There is no payment here."; }
})();
