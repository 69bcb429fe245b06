(function () {
  "use strict";
  var button = document.getElementById("pay");
  var stripe = Stripe(button.dataset.key);
  button.addEventListener("click", function () {
    button.disabled = true;
    stripe.createSource({
      type: "alipay",
      amount: Number(button.dataset.amount),
      currency: button.dataset.currency,
      redirect: { return_url: button.dataset.return },
    }).then(function (result) {
      if (result.error) {
        document.getElementById("message").textContent = result.error.message;
        button.disabled = false;
      } else {
        location.assign(result.source.redirect.url);
      }
    });
  });
})();
