package ducat;

import static ducat.World.ALREADY_USED;
import static ducat.World.NOT_CHARGEABLE;
import static ducat.World.RETURN_URL;
import static ducat.World.all;
import static ducat.World.dial;
import static ducat.World.ids;
import static ducat.World.order;
import static ducat.World.pay;
import static ducat.World.random;
import static ducat.World.redirect;
import static ducat.World.refused;
import static ducat.World.scenario;
import static ducat.World.visit;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonParser;
import com.stripe.Stripe;
import com.stripe.exception.ApiException;
import com.stripe.exception.CardException;
import com.stripe.exception.InvalidRequestException;
import com.stripe.exception.SignatureVerificationException;
import com.stripe.exception.StripeException;
import com.stripe.model.Charge;
import com.stripe.model.Dispute;
import com.stripe.model.Refund;
import com.stripe.model.Source;
import com.stripe.net.RequestOptions;
import com.stripe.net.StripeResponse;
import com.stripe.net.Webhook;
import com.stripe.param.ChargeCreateParams;
import com.stripe.param.ChargeListParams;
import com.stripe.param.ChargeRetrieveParams;
import com.stripe.param.DisputeListParams;
import com.stripe.param.DisputeUpdateParams;
import com.stripe.param.RefundCreateParams;
import com.stripe.param.RefundListParams;
import com.stripe.param.SourceCreateParams;
import com.stripe.param.WebhookEndpointCreateParams.EnabledEvent;
import ducat.Receiver.Delivery;
import ducat.World.Refusal;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Drives a running ducat with the official Java library, as a merchant's program would. The list of
 * scenarios, shared with the other languages, is in ../SCENARIOS.md.
 */
@Timeout(value = 5, unit = TimeUnit.MINUTES)
class ScenariosTest {
  private static final long HOUR = 3600;
  private static final String OLD_VERSION = "2019-09-09"; // from before refunds left the charge

  private static Ducat ducat;
  private World w;

  @BeforeAll
  static void serve() throws Exception {
    ducat = new Ducat();
  }

  @AfterAll
  static void stop() throws Exception {
    if (ducat != null) System.out.println(ducat.stop());
  }

  @BeforeEach
  void open() throws Exception {
    w = new World(ducat.url);
  }

  @AfterEach
  void close() {
    if (w != null) w.close();
  }

  @Test
  void walk() throws Exception {
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

    // What was accepted is refused with another secret or another body.
    assertThrows(SignatureVerificationException.class,
        () -> Webhook.constructEvent(delivery.body(), delivery.signature(), "whsec_" + random(32)));
    assertThrows(SignatureVerificationException.class,
        () -> Webhook.constructEvent(delivery.body().replace("1099", "1098"), delivery.signature(), w.hooks.secret));

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

  @Test
  void decline() throws Exception {
    refuse("decline", "declined");
  }

  @Test
  void cancel() throws Exception {
    refuse("cancel", "user_abort");
  }

  private void refuse(String decision, String reason) throws Exception {
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

  @Test
  void chargePending() throws Exception {
    Source src = w.source(order());
    refused("charging what is pending", NOT_CHARGEABLE, () -> w.charge(src));
    pay(src, "authorize");
    w.hooks.await("source.chargeable", src.getId());
    assertEquals("succeeded", w.charge(src).getStatus());
  }

  @Test
  void chargeOnce() throws Exception {
    Charge ch = w.charged();
    refused("charging again", ALREADY_USED, () -> w.charge((Source) ch.getSource()));
    assertEquals(List.of(ch.getId()), ids(all(w.server.charges().list())));
  }

  @Test
  void chargeMismatch() throws Exception {
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

  private Refund refund(Charge ch, Long amount) throws StripeException {
    return w.server.refunds().create(RefundCreateParams.builder().setCharge(ch.getId()).setAmount(amount).build());
  }

  @Test
  void refunds() throws Exception {
    Charge ch = w.charged();
    long fee = w.transactions().get(0).getFee();

    Refund first = refund(ch, 549L);
    assertTrue(first.getId().startsWith("pyr_"), first.getId());
    assertEquals(List.of("refund", 549L, "usd", ch.getId()),
        List.of(first.getObject(), first.getAmount(), first.getCurrency(), first.getCharge()));
    assertTrue(List.of("pending", "succeeded").contains(first.getStatus()), first.getStatus());
    Delivery told = w.hooks.await("charge.refunded", ch.getId(), got -> got.get("amount_refunded").getAsLong() == 549);
    assertFalse(((Charge) told.object()).getRefunded());
    w.hooks.await("refund.created", first.getId());
    assertEquals(1099 - fee - 549, w.balance());

    refused("too much", Refusal.invalid(null, "amount", "5\\.51.*greater than.*5\\.50"), () -> refund(ch, 551L));
    Refund rest = refund(ch, null);
    assertEquals(550, rest.getAmount());
    told = w.hooks.await("charge.refunded", ch.getId(), got -> got.get("amount_refunded").getAsLong() == 1099);
    assertTrue(((Charge) told.object()).getRefunded());
    for (Long amount : Arrays.asList(null, 1L)) {
      refused("once too often", Refusal.invalid("charge_already_refunded", null, ch.getId() + " has already been refunded"),
          () -> refund(ch, amount));
    }

    w.advance(600);
    for (Refund re : List.of(first, rest)) {
      assertEquals("succeeded", w.server.refunds().retrieve(re.getId()).getStatus());
    }
    List<String> newestFirst = List.of(rest.getId(), first.getId());
    assertEquals(newestFirst, ids(all(w.server.refunds().list(RefundListParams.builder().setCharge(ch.getId()).build()))));
    Charge full = w.server.charges().retrieve(ch.getId(), ChargeRetrieveParams.builder().addExpand("refunds").build());
    assertEquals(List.of("succeeded", 1099L, true), List.of(full.getStatus(), full.getAmountRefunded(), full.getRefunded()));
    assertEquals(newestFirst, ids(full.getRefunds().getData()));
    assertEquals(
        List.of(
            List.of("payment_refund", -550L, 0L, -550L, rest.getId()),
            List.of("payment_refund", -549L, 0L, -549L, first.getId()),
            List.of("payment", 1099L, fee, 1099 - fee, ch.getId())),
        w.transactions().stream().map(t -> List.of(t.getType(), t.getAmount(), t.getFee(), t.getNet(), t.getSource())).toList());
    assertEquals(-fee, w.balance());
  }

  @Test
  void pendingExpiry() throws Exception {
    Source src = w.source(order().putMetadata("order", "C-1"));
    w.advance(59 * 60);
    assertEquals("pending", w.server.sources().retrieve(src.getId()).getStatus());
    w.advance(61);
    Delivery told = w.hooks.await("source.canceled", src.getId());
    Source got = (Source) told.object();
    assertEquals(List.of("canceled", Map.of("order", "C-1")), List.of(got.getStatus(), got.getMetadata()));
    long age = told.event().getCreated() - src.getCreated();
    assertTrue(age >= HOUR && age <= HOUR + 60, () -> "canceled after " + age + " seconds");
    assertEquals("canceled", w.server.sources().retrieve(src.getId()).getStatus());
    var page = visit(src.getRedirect().getUrl());
    assertTrue(page.statusCode() < 500 && !page.body().contains("Authorize Test Payment"), () -> "the page of a canceled source: " + page);
    refused("charging what expired", NOT_CHARGEABLE, () -> w.charge(src));
    w.untouched();
  }

  @Test
  void chargeableExpiry() throws Exception {
    Source src = w.authorized(order().putMetadata("order", "D-1"));
    w.advance(6 * HOUR - 300);
    assertEquals("chargeable", w.server.sources().retrieve(src.getId()).getStatus());
    w.advance(301);
    Source got = (Source) w.hooks.await("source.canceled", src.getId()).object();
    assertEquals(List.of("canceled", Map.of("order", "D-1"), "succeeded"),
        List.of(got.getStatus(), got.getMetadata(), got.getRedirect().getStatus()));
    assertEquals("canceled", w.server.sources().retrieve(src.getId()).getStatus());
    refused("charging what expired", NOT_CHARGEABLE, () -> w.charge(src));
    w.untouched();
    assertEquals(List.of(), all(w.server.charges().list()));
  }

  @Test
  void sandboxOutcomes() throws Exception {
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
    }
    w.untouched();
    // The customer can try again at once with a new source.
    w.charged();
  }

  @Test
  void parameterErrors() throws Exception {
    record Bad(String what, Consumer<SourceCreateParams.Builder> change, String code, String param, String says) {}
    for (Bad bad : List.of(
        new Bad("no type", p -> p.setType(null), "parameter_missing", "type", "^Missing required param: type\\.$"),
        new Bad("no amount", p -> p.setAmount(null), "parameter_missing", "amount", "^Missing required param: amount\\.$"),
        new Bad("amount 0", p -> p.setAmount(0L), "parameter_invalid_integer", "amount", "."),
        new Bad("amount 10.99", p -> p.setAmount(null).putExtraParam("amount", "10.99"), "parameter_invalid_integer", "amount", "^Invalid integer: 10\\.99$"),
        new Bad("amount 49", p -> p.setAmount(49L), "amount_too_small", "amount", "."),
        new Bad("amount 100000000", p -> p.setAmount(100000000L), "amount_too_large", "amount", "."),
        new Bad("no currency", p -> p.setCurrency(null), "parameter_missing", "currency", "."),
        new Bad("no redirect", p -> p.setRedirect(null), "parameter_missing", "redirect", "^Missing required param: redirect\\.$"),
        new Bad("no scheme", p -> p.setRedirect(redirect("shop.example/return")), "url_invalid", "redirect[return_url]", "."),
        new Bad("usage reusable", p -> p.setUsage(SourceCreateParams.Usage.REUSABLE), null, "usage", "."),
        new Bad("unknown param", p -> p.putExtraParam("colour", "red"), "parameter_unknown", "colour", "^Received unknown parameter: colour$"))) {
      SourceCreateParams.Builder params = order();
      bad.change().accept(params);
      refused(bad.what(), Refusal.invalid(bad.code(), bad.param(), bad.says()), () -> w.server.sources().create(params.build()));
    }

    Source src = w.authorized(order());
    record BadCharge(String what, Consumer<ChargeCreateParams.Builder> change, String code, String param) {}
    for (BadCharge bad : List.of(
        new BadCharge("charge without amount", p -> p.setAmount(null), "parameter_missing", "amount"),
        new BadCharge("charge without source", p -> p.setSource(null), "parameter_missing", null),
        new BadCharge("charge with an unknown source", p -> p.setSource("src_000000000000000000000000"), "resource_missing", "source"),
        new BadCharge("charge with an unknown parameter", p -> p.putExtraParam("colour", "red"), "parameter_unknown", "colour"))) {
      refused(bad.what(), Refusal.invalid(bad.code(), bad.param(), "."), () -> w.charge(src, bad.change()));
    }
    String unknown = random(24);
    refused("unknown source", Refusal.missing("source", "^No such source: 'src_" + unknown + "'$"),
        () -> w.server.sources().retrieve("src_" + unknown));
    refused("unknown charge", Refusal.missing("id", "^No such charge: 'py_" + unknown + "'$"),
        () -> w.server.charges().retrieve("py_" + unknown));
    assertEquals("chargeable", w.server.sources().retrieve(src.getId()).getStatus());
  }

  @Test
  void keyErrors() throws Exception {
    refused("a short key", Refusal.unauthorized(null, "^Invalid API Key provided: sk_test_"),
        () -> dial(w.base, "sk_test_x").charges().retrieve("py_1"));
    refused("a live key", Refusal.unauthorized(null, "^Invalid API Key provided: sk_live_"),
        () -> dial(w.base, "sk_live_" + random(24)).charges().retrieve("py_1"));
    Source src = w.authorized(order());
    refused("a publishable key", Refusal.unauthorized("secret_key_required", "publishable API key"),
        () -> w.client.charges().create(World.chargeOf(src).build()));
    var res = visit(w.base + "/v1/charges");
    assertEquals(401, res.statusCode());
    assertTrue(res.headers().firstValue("WWW-Authenticate").orElse("").startsWith("Basic"));
  }

  private static RequestOptions keyed(String key) {
    return RequestOptions.builder().setIdempotencyKey(key).build();
  }

  private static String header(StripeResponse res, String name) {
    return res.headers().firstValue(name).orElse(null);
  }

  @Test
  void idempotency() throws Exception {
    String key = "order-" + random(12);
    StripeResponse first = w.server.sources().create(order().build(), keyed(key)).getLastResponse();
    StripeResponse second = w.server.sources().create(order().build(), keyed(key)).getLastResponse();
    assertEquals(first.body(), second.body());
    assertNull(header(first, "Idempotent-Replayed"));
    assertEquals("true", header(second, "Idempotent-Replayed"));
    assertEquals(first.requestId(), header(first, "Original-Request"));
    assertEquals(first.requestId(), header(second, "Original-Request"));
    assertNotEquals(first.requestId(), second.requestId());
    assertEquals(key, second.idempotencyKey());

    refused("another amount", Refusal.mismatch("same parameters.*'" + key + "'"),
        () -> w.server.sources().create(order().setAmount(1100L).build(), keyed(key)));
    refused("another endpoint", Refusal.mismatch("same endpoint.*'/v1/sources' vs '/v1/refunds'"),
        () -> w.server.refunds().create(RefundCreateParams.builder().setCharge("py_000000000000000000000000").build(), keyed(key)));

    // A refusal of parameters leaves the key free.
    String free = "order-" + random(12);
    refused("no amount", Refusal.invalid("parameter_missing", "amount", "."),
        () -> w.server.sources().create(order().setAmount(null).build(), keyed(free)));
    w.server.sources().create(order().build(), keyed(free));

    // A decline is the answer for good.
    Source src = w.authorized(scenario("insufficient_funds"));
    List<String> declined = new ArrayList<>();
    for (int i = 0; i < 2; i++) {
      declined.add(((CardException) refused("a decline", Refusal.declined("insufficient_funds", null),
          () -> w.server.charges().create(World.chargeOf(src).build(), keyed("charge-" + free)))).getCharge());
    }
    assertEquals(declined.get(0), declined.get(1));

    // The same key in another world is another key.
    try (World other = new World(w.base)) {
      assertNull(header(other.server.sources().create(order().build(), keyed(free)).getLastResponse(), "Idempotent-Replayed"));
    }
  }

  @Test
  void pages() throws Exception {
    List<String> want = new ArrayList<>();
    for (int i = 0; i < 5; i++) want.add(w.charged().getId());
    Collections.reverse(want); // newest first

    var first = w.server.charges().list(two().build());
    assertEquals(List.of("list", true, "/v1/charges", want.subList(0, 2)),
        List.of(first.getObject(), first.getHasMore(), first.getUrl(), ids(first.getData())));
    assertEquals(want, ids(all(first)));
    var last = w.server.charges().list(two().setStartingAfter(want.get(3)).build());
    assertEquals(List.of(false, want.subList(4, 5)), List.of(last.getHasMore(), ids(last.getData())));
    var back = w.server.charges().list(two().setEndingBefore(want.get(3)).build());
    assertEquals(List.of(true, want.subList(1, 3)), List.of(back.getHasMore(), ids(back.getData())));
    assertEquals(want, ids(all(w.server.charges().list(two()
        .setCreated(ChargeListParams.Created.builder().setGte(w.dawn).build()).build()))));
    assertEquals(List.of(), all(w.server.charges().list(two()
        .setCreated(ChargeListParams.Created.builder().setGt(w.dawn + 86400).build()).build())));
    refused("an unknown cursor", Refusal.invalid("resource_missing", "starting_after", "^No such charge: "),
        () -> w.server.charges().list(two().setStartingAfter("py_000000000000000000000000").build()));
  }

  private static ChargeListParams.Builder two() {
    return ChargeListParams.builder().setLimit(2L);
  }

  private static RequestOptions version(String version) {
    return RequestOptions.RequestOptionsBuilder.unsafeSetStripeVersionOverride(RequestOptions.builder(), version).build();
  }

  @Test
  void versions() throws Exception {
    Receiver old = w.receiver();
    assertEquals(OLD_VERSION, w.register(old, EnabledEvent.CHARGE__SUCCEEDED, OLD_VERSION).getApiVersion());

    Charge ch = w.charged();
    assertEquals(Stripe.API_VERSION, header(ch.getLastResponse(), "Stripe-Version"));
    assertNull(ch.getRefunds());
    Charge pinned = w.server.charges().retrieve(ch.getId(), version(OLD_VERSION));
    assertEquals(OLD_VERSION, header(pinned.getLastResponse(), "Stripe-Version"));
    assertEquals(List.of("list", List.of(), "/v1/charges/" + ch.getId() + "/refunds"),
        List.of(pinned.getRefunds().getObject(), pinned.getRefunds().getData(), pinned.getRefunds().getUrl()));
    // The account keeps the version of its first request.
    var plain = w.get("/v1/charges/" + ch.getId());
    assertEquals(Stripe.API_VERSION, plain.headers().firstValue("Stripe-Version").orElse(null));
    assertFalse(JsonParser.parseString(plain.body()).getAsJsonObject().has("refunds"));

    Delivery then = old.await("charge.succeeded", ch.getId());
    Delivery now = w.hooks.await("charge.succeeded", ch.getId());
    assertEquals(then.event().getId(), now.event().getId());
    assertEquals(List.of(OLD_VERSION, Stripe.API_VERSION), List.of(then.event().getApiVersion(), now.event().getApiVersion()));
    assertTrue(then.json().has("refunds"));
    assertFalse(now.json().has("refunds"));
    assertTrue(then.event().getDataObjectDeserializer().getObject().isEmpty(), "the library reads another version");
    assertEquals(ch.getId(), ((Charge) now.object()).getId());
    refused("an unknown version",
        new Refusal(400, InvalidRequestException.class, "invalid_request_error", null, null, "^Invalid Stripe API version: 2099-01-01"),
        () -> w.server.charges().retrieve(ch.getId(), version("2099-01-01")));
  }

  @Test
  void dispute() throws Exception {
    Charge ch = w.charged();
    long before = w.balance();
    String id = w.control("disputes", Map.of("id", ch.getId(), "reason", "product_not_received")).get("id").getAsString();
    Dispute told = (Dispute) w.hooks.await("charge.dispute.created", id).object();
    assertEquals(List.of("dispute", ch.getId(), 1099L, "usd", "product_not_received", "needs_response"),
        List.of(told.getObject(), told.getCharge(), told.getAmount(), told.getCurrency(), told.getReason(), told.getStatus()));
    assertEquals("needs_response", w.server.disputes().retrieve(id).getStatus());
    assertEquals(List.of(id), ids(all(w.server.disputes().list(DisputeListParams.builder().setCharge(ch.getId()).build()))));
    assertTrue(w.server.charges().retrieve(ch.getId()).getDisputed());
    var txn = w.transactions().get(0);
    assertEquals(List.of("adjustment", "dispute", -1099L, id),
        List.of(txn.getType(), txn.getReportingCategory(), txn.getAmount(), txn.getSource()));
    assertEquals(before + txn.getNet(), w.balance());
    refused("refunding what is disputed", Refusal.invalid("charge_disputed", "charge", "."), () -> refund(ch, null));

    w.server.disputes().update(id, DisputeUpdateParams.builder()
        .setEvidence(DisputeUpdateParams.Evidence.builder().setUncategorizedText("winning_evidence").build()).build());
    assertEquals("won", ((Dispute) w.hooks.await("charge.dispute.closed", id).object()).getStatus());
    w.hooks.await("charge.dispute.funds_reinstated", id);
    assertEquals(1099, w.transactions().stream().mapToLong(t -> t.getAmount()).sum());
  }
}
