package ducat;

import static ducat.World.ALREADY_USED;
import static ducat.World.NOT_CHARGEABLE;
import static ducat.World.RETURN_URL;
import static ducat.World.all;
import static ducat.World.atOnce;
import static ducat.World.chargeOf;
import static ducat.World.header;
import static ducat.World.ids;
import static ducat.World.keyed;
import static ducat.World.order;
import static ducat.World.pay;
import static ducat.World.random;
import static ducat.World.redirect;
import static ducat.World.refusal;
import static ducat.World.refused;
import static ducat.World.scenario;
import static ducat.World.visit;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.stripe.Stripe;
import com.stripe.exception.ApiException;
import com.stripe.exception.CardException;
import com.stripe.exception.StripeException;
import com.stripe.model.Charge;
import com.stripe.model.Source;
import com.stripe.param.ChargeRetrieveParams;
import com.stripe.param.RefundCreateParams;
import com.stripe.param.SourceCreateParams;
import com.stripe.param.SourceRetrieveParams;
import ducat.Receiver.Delivery;
import ducat.World.Refusal;
import java.net.URI;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/** From a source to a charge. Every method that takes a world is a scenario. */
final class Payment {
  static void walk(World w) throws Exception {
    Source src = w.source(order().putMetadata("order", "A-10045")
        .setOwner(SourceCreateParams.Owner.builder().setName("Li Wei").setEmail("li@example.com").build()));
    assertTrue(src.getId().matches("src_[0-9A-Za-z]{24}"), src.getId());
    assertTrue(src.getClientSecret().matches("src_client_secret_[0-9A-Za-z]{24}"), src.getClientSecret());
    assertEquals(List.of("alipay", "redirect", "single_use", 1099L, "usd"),
        List.of(src.getType(), src.getFlow(), src.getUsage(), src.getAmount(), src.getCurrency()));
    assertEquals(List.of("pending", RETURN_URL), List.of(src.getRedirect().getStatus(), src.getRedirect().getReturnUrl()));
    assertTrue(src.getCreated() >= w.dawn && src.getCreated() < w.dawn + 300, () -> "created at " + src.getCreated());

    var page = visit(src.getRedirect().getUrl());
    assertEquals(200, page.statusCode());
    assertTrue(page.headers().firstValue("Content-Type").orElse("").startsWith("text/html"));
    for (String text : List.of("10.99", "Alipay", "Authorize Test Payment", "Fail Test Payment", src.getId())) {
      assertTrue(page.body().contains(text), () -> "the page does not say " + text);
    }

    // The merchant charges inside the handler, before acknowledging.
    var charging = w.hooks.handle("source.chargeable", event -> w.charge(
        (Source) event.getDataObjectDeserializer().getObject().orElseThrow(),
        params -> params.setDescription("Order A-10045").putMetadata("order", "A-10045")));
    String location = pay(src, "authorize");
    assertTrue(location.startsWith(RETURN_URL + "&"), location);
    Delivery delivery = w.hooks.await("source.chargeable", src.getId());
    Charge ch = charging.get(Ducat.PATIENCE, TimeUnit.SECONDS);
    Source chargeable = (Source) delivery.object();
    assertEquals(List.of("chargeable", "succeeded"), List.of(chargeable.getStatus(), chargeable.getRedirect().getStatus()));
    assertEquals(src.getClientSecret(), chargeable.getClientSecret());
    assertEquals(Map.of("order", "A-10045"), chargeable.getMetadata());
    assertNull(delivery.event().getRequest().getId());
    assertEquals(Stripe.API_VERSION, delivery.event().getApiVersion());

    assertTrue(ch.getId().matches("py_[0-9A-Za-z]{24}"), ch.getId());
    assertEquals(List.of("succeeded", true, true, 1099L, 1099L, 0L, false, false),
        List.of(ch.getStatus(), ch.getPaid(), ch.getCaptured(), ch.getAmount(), ch.getAmountCaptured(),
            ch.getAmountRefunded(), ch.getRefunded(), ch.getDisputed()));
    assertEquals(List.of(src.getId(), "consumed"), List.of(ch.getSource().getId(), ((Source) ch.getSource()).getStatus()));
    assertEquals(List.of("usd", "Order A-10045", "Li Wei"),
        List.of(ch.getCurrency(), ch.getDescription(), ch.getBillingDetails().getName()));
    assertEquals("alipay", ch.getPaymentMethodDetails().getType());
    assertFalse(ch.getPaymentMethodDetails().getAlipay().getTransactionId().isEmpty());

    Delivery succeeded = w.hooks.await("charge.succeeded", ch.getId());
    Charge told = (Charge) succeeded.object();
    assertEquals(Map.of("order", "A-10045"), told.getMetadata());
    assertEquals(Map.of("order", "A-10045"), ((Source) told.getSource()).getMetadata());
    assertEquals(ch.getLastResponse().requestId(), succeeded.event().getRequest().getId());
    assertFalse(succeeded.event().getRequest().getIdempotencyKey().isEmpty());
    assertEquals("consumed", w.server.sources().retrieve(src.getId()).getStatus());

    // Whoever comes back to the page is sent on.
    var back = visit(src.getRedirect().getUrl());
    assertEquals(302, back.statusCode());
    assertTrue(back.headers().firstValue("Location").orElse("").startsWith(RETURN_URL));

    var expanded = w.server.charges().retrieve(ch.getId(), ChargeRetrieveParams.builder().addExpand("balance_transaction").build());
    var txn = expanded.getBalanceTransactionObject();
    assertTrue(txn.getFee() > 0);
    assertEquals(List.of("balance_transaction", 1099L, 1099 - txn.getFee(), "payment", "charge", ch.getId()),
        List.of(txn.getObject(), txn.getAmount(), txn.getNet(), txn.getType(), txn.getReportingCategory(), txn.getSource()));
    Charge plain = w.server.charges().retrieve(ch.getId());
    assertEquals(txn.getId(), plain.getBalanceTransaction());
    assertNull(plain.getBalanceTransactionObject());
    assertEquals(txn.getNet(), w.balance());
  }

  static void decline(World w) throws Exception {
    refuse(w, "decline", "declined");
  }

  static void cancel(World w) throws Exception {
    refuse(w, "cancel", "user_abort");
  }

  private static void refuse(World w, String decision, String reason) throws Exception {
    Source src = w.source(order());
    pay(src, decision);
    Source told = (Source) w.hooks.await("source.failed", src.getId()).object();
    for (Source got : List.of(told, w.server.sources().retrieve(src.getId()))) {
      assertEquals(List.of("failed", "failed", reason),
          List.of(got.getStatus(), got.getRedirect().getStatus(), got.getRedirect().getFailureReason()));
    }
    refused("charging what failed", NOT_CHARGEABLE, () -> w.charge(src));
    w.untouched();
  }

  static void chargePending(World w) throws Exception {
    Source src = w.source(order());
    refused("charging what is pending", NOT_CHARGEABLE, () -> w.charge(src));
    pay(src, "authorize");
    w.hooks.await("source.chargeable", src.getId());
    assertEquals("succeeded", w.charge(src).getStatus());
  }

  static void chargeOnce(World w) throws Exception {
    Charge ch = w.charged();
    refused("charging again", ALREADY_USED, () -> w.charge((Source) ch.getSource()));
    assertEquals(List.of(ch.getId()), ids(all(w.server.charges().list())));
  }

  static void chargeMismatch(World w) throws Exception {
    Source src = w.authorized(order());
    refused("more", Refusal.invalid(null, "amount", "1200.*does not match.*1099"), () -> w.charge(src, p -> p.setAmount(1200L)));
    refused("less", Refusal.invalid(null, "amount", "1000.*does not match.*1099"), () -> w.charge(src, p -> p.setAmount(1000L)));
    refused("another currency", Refusal.invalid(null, "currency", "\\(eur\\) does not match the currency on the source \\(usd\\)"),
        () -> w.charge(src, p -> p.setCurrency("eur")));
    refused("no capture", Refusal.invalid(null, "capture", "."), () -> w.charge(src, p -> p.setCapture(false)));
    assertEquals("chargeable", w.server.sources().retrieve(src.getId()).getStatus());
    w.untouched();
    assertEquals("succeeded", w.charge(src).getStatus());
  }

  static void sandboxOutcomes(World w) throws Exception {
    refused("payment_method_not_available", Refusal.invalid("payment_method_not_available", "type", "."),
        () -> w.server.sources().create(scenario("payment_method_not_available").build()));
    refused("creation_processing_error", new Refusal(500, ApiException.class, "api_error", "processing_error", null, "."),
        () -> w.server.sources().create(scenario("creation_processing_error").build()));
    for (String code : List.of("insufficient_funds", "invalid_amount")) {
      String param = code.equals("invalid_amount") ? "amount" : null;
      Source src = w.authorized(scenario(code));
      CardException err = (CardException) refused(code, Refusal.declined(code, param), () -> w.charge(src));
      assertEquals(Arrays.asList(code, code, param), Arrays.asList(err.getCode(), err.getDeclineCode(), err.getParam()));
      assertTrue(err.getCharge().startsWith("py_"), err.getCharge());
      Charge told = (Charge) w.hooks.await("charge.failed", err.getCharge()).object();
      assertEquals(List.of("failed", false, code), List.of(told.getStatus(), told.getPaid(), told.getFailureCode()));
      assertNull(told.getBalanceTransaction());
      assertEquals("failed", w.server.charges().retrieve(err.getCharge()).getStatus());
      assertEquals("consumed", w.server.sources().retrieve(src.getId()).getStatus());
      refused("refunding what failed", Refusal.invalid("charge_not_refundable", "charge", "."),
          () -> w.server.refunds().create(RefundCreateParams.builder().setCharge(err.getCharge()).build()));
    }
    w.untouched();
    // The customer can try again at once with a new source.
    w.charged();
  }

  static void publishableKey(World w) throws Exception {
    Source src = w.client.sources().create(order().putMetadata("order", "B-1").build());
    assertNull(src.getMetadata());
    assertNotNull(src.getClientSecret());
    assertEquals(Map.of("order", "B-1"), w.server.sources().retrieve(src.getId()).getMetadata());
    Source seen = w.client.sources().retrieve(src.getId(), secret(src.getClientSecret()));
    assertEquals(src.getId(), seen.getId());
    assertNull(seen.getMetadata());

    refused("without the secret", Refusal.invalid("parameter_missing", "client_secret", "."), () -> w.client.sources().retrieve(src.getId()));
    List<String> told = new ArrayList<>();
    for (String id : List.of(src.getId(), "src_" + random(24))) {
      told.add(refused("with a wrong secret", Refusal.missing("source", "^No such source: "),
          () -> w.client.sources().retrieve(id, secret("src_client_secret_" + random(24)))).getStripeError().getMessage().replace(id, ""));
    }
    assertEquals(told.get(0), told.get(1), "a wrong secret and an unknown id can be told apart");

    pay(src, "authorize");
    assertEquals(Map.of("order", "B-1"), ((Source) w.hooks.await("source.chargeable", src.getId()).object()).getMetadata());
    assertEquals("succeeded", w.charge(src).getStatus());
  }

  private static SourceRetrieveParams secret(String secret) {
    return SourceRetrieveParams.builder().setClientSecret(secret).build();
  }

  static void returnUrl(World w) throws Exception {
    for (var url : Map.of(
        "https://shop.example/return", "https://shop.example/return?",
        "https://shop.example/return?cart=7%2F7&b=a+b", "https://shop.example/return?cart=7%2F7&b=a+b&",
        "http://localhost:3000/x?source=evil&cart=1&source=e2", "http://localhost:3000/x?cart=1&",
        "https://shop.example/return?livemode=true#part", "https://shop.example/return?").entrySet()) {
      Source src = w.source(order().setRedirect(redirect(url.getKey())));
      assertEquals(url.getKey(), src.getRedirect().getReturnUrl());
      String location = pay(src, "authorize");
      assertTrue(location.startsWith(url.getValue()), () -> url.getKey() + " leads to " + location);
      assertEquals(URI.create(url.getKey()).getFragment(), URI.create(location).getFragment());
    }
  }

  static void appScheme(World w) throws Exception {
    Source src = w.source(order().setRedirect(redirect("myapp://pay")));
    URI location = URI.create(pay(src, "authorize"));
    assertEquals(List.of("myapp", "pay"), List.of(location.getScheme(), location.getHost()));
    w.hooks.await("source.chargeable", src.getId());
  }

  static void customerStays(World w) throws Exception {
    Source src = w.source(order());
    var res = World.decide(src.getRedirect().getUrl(), "authorize_no_return");
    assertEquals(200, res.statusCode());
    assertTrue(res.headers().firstValue("Location").isEmpty());
    w.hooks.await("source.chargeable", src.getId());
    assertEquals("succeeded", w.charge(src).getStatus());
  }

  static void lateConfirmation(World w) throws Exception {
    Source src = w.source(scenario("chargeable_delay=600"));
    pay(src, "authorize");
    assertEquals("pending", w.server.sources().retrieve(src.getId()).getStatus());
    refused("charging before the confirmation", NOT_CHARGEABLE, () -> w.charge(src));
    w.advance(600);
    w.hooks.await("source.chargeable", src.getId());
    assertEquals("succeeded", w.charge(src).getStatus());
  }

  static void chargeRace(World w) throws Exception {
    Source first = w.authorized(order());
    var race = atOnce(8, () -> w.charge(first));
    assertEquals(1, race.done().size());
    for (StripeException err : race.errors()) World.refusal("charging at the same time", ALREADY_USED, err);

    Source second = w.authorized(order());
    String key = random(20);
    race = atOnce(8, () -> w.server.charges().create(chargeOf(second).build(), keyed(key)));
    assertEquals(1, Set.copyOf(ids(race.done())).size(), "one key made more than one charge");
    assertEquals(1, race.done().stream().map(Charge::getLastResponse)
        .filter(res -> res.requestId().equals(header(res, "Original-Request"))).count(), "answers that claim to be the first execution");
    for (StripeException err : race.errors()) {
      World.refusal("the same request at the same time",
          new Refusal(409, ApiException.class, "invalid_request_error", "idempotency_key_in_use", null, "."), err);
    }
    assertEquals(2, all(w.server.charges().list()).size());
  }
}
