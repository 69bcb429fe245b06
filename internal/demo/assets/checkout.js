(function () {
  "use strict";
  var form = document.getElementById("payment-form");
  var stripe = Stripe(form.dataset.key);
  var dark = matchMedia("(prefers-color-scheme: dark)").matches;
  var elements = stripe.elements({ clientSecret: form.dataset.secret, appearance: { theme: dark ? "night" : "stripe" } });
  elements.create("payment", { layout: "accordion" }).mount("#payment-element");
  form.addEventListener("submit", function (event) {
    event.preventDefault();
    var button = document.getElementById("submit");
    button.disabled = true;
    stripe.confirmPayment({ elements: elements, confirmParams: { return_url: form.dataset.return } }).then(function (result) {
      document.getElementById("message").textContent = result.error.message;
      button.disabled = false;
    });
  });
})();
