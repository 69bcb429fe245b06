package ducat;

import static ducat.World.OLD_VERSION;
import static ducat.World.all;
import static ducat.World.chargeOf;
import static ducat.World.dial;
import static ducat.World.header;
import static ducat.World.ids;
import static ducat.World.keyed;
import static ducat.World.order;
import static ducat.World.pay;
import static ducat.World.random;
import static ducat.World.redirect;
import static ducat.World.refund;
import static ducat.World.refusal;
import static ducat.World.refused;
import static ducat.World.scenario;
import static ducat.World.version;
import static ducat.World.visit;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonParser;
import com.stripe.Stripe;
import com.stripe.exception.CardException;
import com.stripe.exception.InvalidRequestException;
import com.stripe.exception.StripeException;
import com.stripe.model.Charge;
import com.stripe.model.Refund;
import com.stripe.model.Source;
import com.stripe.model.WebhookEndpoint;
import com.stripe.net.StripeResponse;
import com.stripe.param.ChargeCreateParams;
import com.stripe.param.ChargeListParams;
import com.stripe.param.ChargeUpdateParams;
import com.stripe.param.EventListParams;
import com.stripe.param.RefundCreateParams;
import com.stripe.param.RefundUpdateParams;
import com.stripe.param.SourceCreateParams;
import com.stripe.param.SourceRetrieveParams;
import com.stripe.param.SourceUpdateParams;
import com.stripe.param.WebhookEndpointCreateParams;
import com.stripe.param.WebhookEndpointCreateParams.EnabledEvent;
import com.stripe.param.WebhookEndpointUpdateParams;
import ducat.Receiver.Delivery;
import ducat.World.Refusal;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/** How the API behaves around payments. Every method that takes a world is a scenario. */
final class Api {
  static void parameterErrors(World w) throws Exception {
    record Bad(String what, Consumer<SourceCreateParams.Builder> change, String code, String param, String says) {}
    for (Bad bad : List.of(
        new Bad("no type", p -> p.setType(null), "parameter_missing", "type", "^Missing required param: type\\.$"),
        new Bad("unknown type", p -> p.setType("barter"), null, "type", "."),
        new Bad("no amount", p -> p.setAmount(null), "parameter_missing", "amount", "^Missing required param: amount\\.$"),
        new Bad("amount 0", p -> p.setAmount(0L), "parameter_invalid_integer", "amount", "."),
        new Bad("amount −1", p -> p.setAmount(-1L), "parameter_invalid_integer", "amount", "."),
        new Bad("amount 10.99", p -> p.setAmount(null).putExtraParam("amount", "10.99"), "parameter_invalid_integer", "amount", "^Invalid integer: 10\\.99$"),
        new Bad("amount 49", p -> p.setAmount(49L), "amount_too_small", "amount", "."),
        new Bad("amount 100000000", p -> p.setAmount(100000000L), "amount_too_large", "amount", "."),
        new Bad("no currency", p -> p.setCurrency(null), "parameter_missing", "currency", "."),
        new Bad("no redirect", p -> p.setRedirect(null), "parameter_missing", "redirect", "^Missing required param: redirect\\.$"),
        new Bad("no scheme", p -> p.setRedirect(redirect("shop.example/return")), "url_invalid", "redirect[return_url]", "."),
        new Bad("a script", p -> p.setRedirect(redirect("javascript:alert(1)")), "url_invalid", "redirect[return_url]", "."),
        new Bad("flow none", p -> p.setFlow(SourceCreateParams.Flow.NONE), null, "flow", "."),
        new Bad("usage twice", p -> p.putExtraParam("usage", "twice"), null, "usage", "^Invalid usage: must be one of reusable or single_use"),
        new Bad("usage reusable", p -> p.setUsage(SourceCreateParams.Usage.REUSABLE), null, "usage", "."),
        new Bad("unknown param", p -> p.putExtraParam("colour", "red"), "parameter_unknown", "colour", "^Received unknown parameter: colour$"))) {
      SourceCreateParams.Builder params = order();
      bad.change().accept(params);
      refused(bad.what(), Refusal.invalid(bad.code(), bad.param(), bad.says()), () -> w.server.sources().create(params.build()));
    }

    Source src = w.authorized(order());
    record BadCharge(String what, Consumer<ChargeCreateParams.Builder> change, String code, String param, String says) {}
    for (BadCharge bad : List.of(
        new BadCharge("charge without amount", p -> p.setAmount(null), "parameter_missing", "amount", "."),
        new BadCharge("charge without currency", p -> p.setCurrency(null), "parameter_missing", "currency", "."),
        new BadCharge("charge without source", p -> p.setSource(null), "parameter_missing", null, "^Must provide source or customer\\.$"),
        new BadCharge("charge with an unknown source", p -> p.setSource("src_000000000000000000000000"), "resource_missing", "source", "No such (source|token)"),
        new BadCharge("charge with an unknown parameter", p -> p.putExtraParam("colour", "red"), "parameter_unknown", "colour", "."),
        new BadCharge("charge with amount 0", p -> p.setAmount(0L), "parameter_invalid_integer", "amount", "."))) {
      refused(bad.what(), Refusal.invalid(bad.code(), bad.param(), bad.says()), () -> w.charge(src, bad.change()));
    }
    String unknown = random(24);
    refused("unknown source", Refusal.missing("source", "^No such source: 'src_" + unknown + "'$"),
        () -> w.server.sources().retrieve("src_" + unknown));
    refused("unknown charge", Refusal.missing("id", "^No such charge: 'py_" + unknown + "'$"),
        () -> w.server.charges().retrieve("py_" + unknown));
    refused("refund of an unknown charge", Refusal.invalid("resource_missing", "charge", "^No such charge: 'py_" + unknown + "'$"),
        () -> w.server.refunds().create(RefundCreateParams.builder().setCharge("py_" + unknown).build()));
    refused("refund of nothing", Refusal.invalid("parameter_missing", null, "."),
        () -> w.server.refunds().create(RefundCreateParams.builder().build()));
    assertEquals("chargeable", w.server.sources().retrieve(src.getId()).getStatus());
  }

  static void keyErrors(World w) throws Exception {
    refused("a short key", Refusal.unauthorized(null, "^Invalid API Key provided: sk_test_"),
        () -> dial(w.base, "sk_test_x").charges().retrieve("py_1"));
    refused("a live key", Refusal.unauthorized(null, "^Invalid API Key provided: sk_live_"),
        () -> dial(w.base, "sk_live_" + random(24)).charges().retrieve("py_1"));
    Source src = w.authorized(order());
    refused("a publishable key", Refusal.unauthorized("secret_key_required", "publishable API key"),
        () -> w.client.charges().create(World.chargeOf(src).build()));
    var unrouted = w.get("/v1/sources");
    assertEquals(404, unrouted.statusCode());
    assertTrue(unrouted.body().contains("Unrecognized request URL (GET: /v1/sources)"), unrouted::body);
    var res = visit(w.base + "/v1/charges");
    assertEquals(401, res.statusCode());
    assertTrue(res.headers().firstValue("WWW-Authenticate").orElse("").startsWith("Basic"));
  }

  static void idempotency(World w) throws Exception {
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

  static void pages(World w) throws Exception {
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
    // This library walks forward only; backward, the caller asks for each page.
    List<String> backward = new ArrayList<>();
    for (String before = want.get(4); before != null; ) {
      var page = w.server.charges().list(two().setEndingBefore(before).build());
      backward.addAll(0, ids(page.getData()));
      before = page.getHasMore() ? page.getData().get(0).getId() : null;
    }
    assertEquals(want.subList(0, 4), backward);
    refused("both cursors", Refusal.invalid(null, null, "^Received both starting_after and ending_before parameters\\. Please pass in only one\\.$"),
        () -> w.server.charges().list(two().setStartingAfter(want.get(0)).setEndingBefore(want.get(4)).build()));
    refused("an unknown cursor", Refusal.invalid("resource_missing", "starting_after", "^No such charge: "),
        () -> w.server.charges().list(two().setStartingAfter("py_000000000000000000000000").build()));
  }

  private static ChargeListParams.Builder two() {
    return ChargeListParams.builder().setLimit(2L);
  }

  static void versions(World w) throws Exception {
    Receiver old = w.receiver();
    assertEquals(OLD_VERSION, w.register(old, EnabledEvent.CHARGE__SUCCEEDED, OLD_VERSION).getApiVersion());

    Charge ch = w.charged();
    assertEquals(Stripe.API_VERSION, header(ch.getLastResponse(), "Stripe-Version"));
    assertNull(ch.getRefunds());
    Charge pinned = w.server.charges().retrieve(ch.getId(), version(OLD_VERSION));
    assertEquals(OLD_VERSION, header(pinned.getLastResponse(), "Stripe-Version"));
    assertEquals(List.of("list", List.of(), "/v1/charges/" + ch.getId() + "/refunds"),
        List.of(pinned.getRefunds().getObject(), pinned.getRefunds().getData(), pinned.getRefunds().getUrl()));
    // A client of this library cannot be pinned: it is made for one version.
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

  static void update(World w) throws Exception {
    Source src = w.source(order().putMetadata("a", "1").putMetadata("b", "2")
        .setOwner(SourceCreateParams.Owner.builder().setName("Li Wei").setEmail("li@example.com").build()));
    src = w.server.sources().update(src.getId(), SourceUpdateParams.builder().putMetadata("b", "").putMetadata("c", "3")
        .setOwner(SourceUpdateParams.Owner.builder().setPhone("+8613800138000").build()).build());
    assertEquals(Map.of("a", "1", "c", "3"), src.getMetadata());
    assertEquals(List.of("Li Wei", "+8613800138000"), List.of(src.getOwner().getName(), src.getOwner().getPhone()));
    String unchanged = src.getId();
    refused("another amount", Refusal.invalid(null, "amount", "."),
        () -> w.server.sources().update(unchanged, SourceUpdateParams.builder().setAmount(1L).build()));

    String id = w.charged().getId();
    Charge ch = w.server.charges().update(id, ChargeUpdateParams.builder().setDescription("tea").putMetadata("k", "v").build());
    assertEquals(List.of("tea", Map.of("k", "v")), List.of(ch.getDescription(), ch.getMetadata()));
    w.hooks.await("charge.updated", id);
    Refund re = refund(w, ch, 100L);
    assertEquals(Map.of("k", "v"),
        w.server.refunds().update(re.getId(), RefundUpdateParams.builder().putMetadata("k", "v").build()).getMetadata());
  }

  static void events(World w) throws Exception {
    Charge ch = w.charged();
    var delivered = w.hooks.await("charge.succeeded", ch.getId()).event();
    assertEquals(List.of("charge.succeeded", "source.chargeable"), types(w, p -> {}));
    assertEquals(List.of("source.chargeable"), types(w, p -> p.setType("source.chargeable")));
    assertEquals(List.of("charge.succeeded"), types(w, p -> p.setType("charge.*")));
    assertEquals(List.of("charge.succeeded", "source.chargeable"), types(w, p -> p.addType("source.chargeable").addType("charge.succeeded")));
    assertEquals(List.of(), types(w, p -> p.setType("source.failed")));
    var ev = w.server.events().retrieve(delivered.getId());
    assertTrue(ev.getId().startsWith("evt_"), ev.getId());
    assertEquals(List.of("event", delivered.getType(), delivered.getCreated()), List.of(ev.getObject(), ev.getType(), ev.getCreated()));
    assertEquals(ch.getId(), ((Charge) ev.getDataObjectDeserializer().getObject().orElseThrow()).getId());
    refused("an unknown event", Refusal.missing("id", "^No such event: "), () -> w.server.events().retrieve("evt_000000000000000000000000"));
  }

  private static List<String> types(World w, Consumer<EventListParams.Builder> change) throws StripeException {
    EventListParams.Builder params = EventListParams.builder();
    change.accept(params);
    return all(w.server.events().list(params.build())).stream().map(ev -> ev.getType()).toList();
  }

  static void webhookEndpoints(World w) throws Exception {
    Receiver r = w.receiver();
    WebhookEndpoint ep = w.register(r, EnabledEvent.SOURCE__FAILED, Stripe.API_VERSION);
    assertTrue(ep.getId().startsWith("we_") && ep.getSecret().startsWith("whsec_"), ep.getId());
    assertEquals(List.of("webhook_endpoint", "enabled", r.url, false), List.of(ep.getObject(), ep.getStatus(), ep.getUrl(), ep.getLivemode()));
    WebhookEndpoint got = w.server.webhookEndpoints().retrieve(ep.getId());
    assertNull(got.getSecret());
    assertEquals(List.of("source.failed"), got.getEnabledEvents());
    assertEquals(List.of(ep.getId(), w.endpoint.getId()), ids(all(w.server.webhookEndpoints().list())));

    w.authorized(order());
    fail(w, r);
    assertEquals(List.of("source.failed"), r.types());
    got = w.server.webhookEndpoints().update(ep.getId(), WebhookEndpointUpdateParams.builder().setDisabled(true).build());
    assertEquals("disabled", got.getStatus());
    fail(w, w.hooks);
    got = w.server.webhookEndpoints().update(ep.getId(), WebhookEndpointUpdateParams.builder().setDisabled(false)
        .addEnabledEvent(WebhookEndpointUpdateParams.EnabledEvent.SOURCE__CANCELED)
        .addEnabledEvent(WebhookEndpointUpdateParams.EnabledEvent.SOURCE__FAILED).build());
    assertEquals(List.of("enabled", List.of("source.canceled", "source.failed")), List.of(got.getStatus(), got.getEnabledEvents()));
    fail(w, r);
    assertEquals(List.of("source.failed", "source.failed"), r.types());

    assertTrue(w.server.webhookEndpoints().delete(ep.getId()).getDeleted());
    refused("a deleted endpoint", Refusal.missing("webhook_endpoint", "^No such webhook endpoint: "),
        () -> w.server.webhookEndpoints().retrieve(ep.getId()));
    refused("an endpoint by ftp", Refusal.invalid("url_invalid", "url", "."), () -> w.server.webhookEndpoints().create(
        WebhookEndpointCreateParams.builder().setUrl("ftp://shop.example/hook").addEnabledEvent(EnabledEvent.ALL).build()));
  }

  private static void fail(World w, Receiver told) throws Exception {
    Source src = w.source(order());
    pay(src, "decline");
    told.await("source.failed", src.getId());
  }

  static void webhookRetry(World w) throws Exception {
    Source src = w.source(order());
    var failed = w.hooks.outage();
    pay(src, "decline");
    failed.get(Ducat.PATIENCE, TimeUnit.SECONDS);
    w.advance(600);
    Delivery delivery = w.hooks.await("source.failed", src.getId());
    assertEquals(List.of(delivery.event().getId()), ids(all(w.server.events().list())));
    assertEquals(List.of("source.failed"), w.hooks.types());
  }

  static void worldsApart(World w) throws Exception {
    Charge ch = w.charged();
    Source src = (Source) ch.getSource();
    try (World other = new World(w.base)) {
      refused("another's source", Refusal.missing("source", "^No such source: '" + src.getId() + "'$"),
          () -> other.server.sources().retrieve(src.getId()));
      refused("another's charge", Refusal.missing("id", "."), () -> other.server.charges().retrieve(ch.getId()));
      refused("another's refund", Refusal.invalid("resource_missing", "charge", "."), () -> refund(other, ch, null));
      refused("another's source with its secret", Refusal.missing("source", "."), () -> other.client.sources().retrieve(
          src.getId(), SourceRetrieveParams.builder().setClientSecret(src.getClientSecret()).build()));
      assertEquals(List.of(), all(other.server.charges().list()));
      assertEquals(List.of(), all(other.server.events().list()));
      other.untouched();
      assertEquals(List.of(), other.hooks.types());
    }
  }
}
