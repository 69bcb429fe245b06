package ducat;

import static ducat.World.DAY;
import static ducat.World.HOUR;
import static ducat.World.all;
import static ducat.World.chargeOf;
import static ducat.World.dial;
import static ducat.World.header;
import static ducat.World.ids;
import static ducat.World.keyed;
import static ducat.World.order;
import static ducat.World.pay;
import static ducat.World.random;
import static ducat.World.refused;
import static ducat.World.scenario;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.Gson;
import com.google.gson.JsonParser;
import com.stripe.Stripe;
import com.stripe.exception.ApiConnectionException;
import com.stripe.exception.ApiException;
import com.stripe.exception.RateLimitException;
import com.stripe.exception.SignatureVerificationException;
import com.stripe.exception.StripeException;
import com.stripe.model.Charge;
import com.stripe.model.Customer;
import com.stripe.model.Dispute;
import com.stripe.model.EphemeralKey;
import com.stripe.model.File;
import com.stripe.model.Payout;
import com.stripe.model.Refund;
import com.stripe.model.Source;
import com.stripe.model.testhelpers.TestClock;
import com.stripe.net.RequestOptions;
import com.stripe.net.Webhook;
import com.stripe.param.ChargeListParams;
import com.stripe.param.ChargeRetrieveParams;
import com.stripe.param.CustomerCreateParams;
import com.stripe.param.DisputeUpdateParams;
import com.stripe.param.EphemeralKeyCreateParams;
import com.stripe.param.EventListParams;
import com.stripe.param.FileCreateParams;
import com.stripe.param.FileListParams;
import com.stripe.param.PaymentMethodAttachParams;
import com.stripe.param.PaymentMethodListParams;
import com.stripe.param.PayoutCreateParams;
import com.stripe.param.PayoutListParams;
import com.stripe.param.PayoutRetrieveParams;
import com.stripe.param.RefundCreateParams;
import com.stripe.param.testhelpers.TestClockAdvanceParams;
import com.stripe.param.testhelpers.TestClockCreateParams;
import com.stripe.service.V1Services;
import ducat.Receiver.Delivery;
import ducat.World.Refusal;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What the library relies on beside the resources. Every method that takes a world is a scenario. */
final class Platform {
  private static final String STRANGER = "acct_000000000000aaaa";
  private static final Refusal NO_ACCESS = Refusal.forbidden("account_invalid", "does not have access to account '" + STRANGER + "'");

  static void errorClasses(World w) throws Exception {
    Source src = w.authorized(scenario("insufficient_funds"));
    refused("a decline", Refusal.declined("insufficient_funds", null), () -> w.charge(src));
    refused("a bad parameter", Refusal.invalid("amount_too_small", "amount", "."), () -> w.server.sources().create(order().setAmount(1L).build()));
    refused("an unknown object", Refusal.missing("id", "."), () -> w.server.charges().retrieve("py_x"));
    refused("a malformed key", Refusal.unauthorized(null, "."), () -> dial(w.base, "sk_test_x").balance().retrieve());
    refused("another's account", NO_ACCESS, () -> w.server.balance().retrieve(account(STRANGER)));
    w.server.sources().create(order().build(), keyed("classes"));
    refused("a key used for something else", Refusal.mismatch("."),
        () -> w.server.sources().create(order().setAmount(2000L).build(), keyed("classes")));
    refused("a failure of the server", new Refusal(500, ApiException.class, "api_error", "processing_error", null, "."),
        () -> w.server.sources().create(scenario("creation_processing_error").build()));
    race(w, Map.of("on", "call", "do", "fail", "path", "/v1/balance", "error", Map.of("status", 429, "code", "rate_limit")));
    refused("too many requests", new Refusal(429, RateLimitException.class, "invalid_request_error", "rate_limit", null, "."),
        () -> w.server.balance().retrieve());
    try (Gateway gateway = new Gateway(w)) {
      gateway.lose.set(1000);
      assertThrows(ApiConnectionException.class, () -> dial(gateway.url, w.sk).balance().retrieve());
    }
  }

  private static RequestOptions account(String account) {
    return RequestOptions.builder().setStripeAccount(account).build();
  }

  static void networkRetries(World w) throws Exception {
    Source src = w.authorized(order());
    try (Gateway gateway = new Gateway(w)) {
      var server = dial(gateway.url, w.sk, client -> client.setMaxNetworkRetries(2));
      gateway.lose.set(1);
      Charge ch = server.charges().create(chargeOf(src).build());
      askedTwice(gateway);
      assertEquals("true", header(ch.getLastResponse(), "Idempotent-Replayed"));
      assertEquals(List.of(ch.getId()), ids(all(w.server.charges().list())));

      // A failure that the answer says is worth another try is tried again.
      w.control("script", Map.of("rules", List.of(Map.of("on", "authorize", "do", "error", "times", 1))));
      assertEquals("pending", server.sources().create(order().build()).getStatus());
      askedTwice(gateway);

      // One that is the caller's own fault is not.
      refused("the caller's own fault", Refusal.invalid("amount_too_small", "amount", "."),
          () -> server.sources().create(order().setAmount(1L).build()));
      assertEquals(1, gateway.keys().size(), "requests");
    }
  }

  /** Asserts that there were two requests with one key, since the last time that was asked. */
  private static void askedTwice(Gateway gateway) {
    List<String> keys = gateway.keys();
    assertEquals(2, keys.size(), "requests");
    assertEquals(keys.get(0), keys.get(1), "keys of the requests");
  }

  static void expand(World w) throws Exception {
    Customer cus = w.server.customers().create(CustomerCreateParams.builder().setEmail("li@example.com").build());
    Charge ch = w.charge(w.authorized(order()), p -> p.setCustomer(cus.getId()).addExpand("customer"));
    assertEquals("li@example.com", ch.getCustomerObject().getEmail());
    Refund re = w.server.refunds().create(RefundCreateParams.builder().setCharge(ch.getId()).setAmount(100L)
        .addExpand("charge.customer").addExpand("balance_transaction").build());
    assertEquals(List.of(ch.getId(), cus.getId(), -100L),
        List.of(re.getChargeObject().getId(), re.getChargeObject().getCustomerObject().getId(), re.getBalanceTransactionObject().getAmount()));

    Charge full = retrieve(w, ch, "refunds.data.balance_transaction", "balance_transaction.source");
    assertEquals(List.of(List.of(re.getId(), -100L)), full.getRefunds().getData().stream()
        .map(got -> List.of(got.getId(), got.getBalanceTransactionObject().getNet())).toList());
    assertEquals(ch.getId(), ((Charge) full.getBalanceTransactionObject().getSourceObject()).getId());
    Charge plain = w.server.charges().retrieve(ch.getId());
    assertEquals(List.of(cus.getId(), full.getBalanceTransactionObject().getId()), List.of(plain.getCustomer(), plain.getBalanceTransaction()));
    assertNull(plain.getCustomerObject());
    assertNull(plain.getRefunds());

    w.charged();
    var charges = all(w.server.charges().list(ChargeListParams.builder().setLimit(1L).addExpand("data.balance_transaction").build()));
    assertEquals(2, charges.size());
    assertEquals(ids(charges), charges.stream().map(got -> got.getBalanceTransactionObject().getSource()).toList());
    w.server.customers().delete(cus.getId());
    assertTrue(retrieve(w, ch, "customer").getCustomerObject().getDeleted());

    refused("a plain field", Refusal.invalid(null, null, "^This property cannot be expanded \\(amount\\)"), () -> retrieve(w, ch, "amount"));
    refused("a list without data", Refusal.invalid(null, null, "You may want to try expanding 'data\\.customer' instead"),
        () -> w.server.charges().list(ChargeListParams.builder().addExpand("customer").build()));
    refused("too deep", Refusal.invalid("property_expansion_max_depth", null, "more than 4 levels"),
        () -> retrieve(w, ch, "refunds.data.charge.customer.default_source"));
  }

  private static Charge retrieve(World w, Charge ch, String... paths) throws StripeException {
    return w.server.charges().retrieve(ch.getId(), ChargeRetrieveParams.builder().addAllExpand(List.of(paths)).build());
  }

  static void signatures(World w) throws Exception {
    Delivery d = declined(w);
    String secret = w.hooks.secret;
    // The world's clock is a day ahead, the signature's is not.
    Webhook.constructEvent(d.body(), d.signature(), secret, 60);
    unsigned("No signatures found matching", d.body(), d.signature(), "whsec_" + random(32), Clock.systemUTC());
    unsigned("No signatures found matching", d.body().replace("1099", "1098"), d.signature(), secret, Clock.systemUTC());
    unsigned("No signatures found with expected scheme", d.body(), d.signature().replace("v1=", "v0="), secret, Clock.systemUTC());
    unsigned("Unable to extract timestamp", d.body(), "nonsense", secret, Clock.systemUTC());
    long signed = Long.parseLong(d.signature().replaceAll(".*t=(\\d+).*", "$1"));
    unsigned("outside the tolerance zone", d.body(), d.signature(), secret, at(signed + 301));
    Webhook.constructEvent(d.body(), d.signature(), secret, 300, at(signed + 299));
  }

  private static Delivery declined(World w) throws Exception {
    Source src = w.source(order());
    pay(src, "decline");
    return w.hooks.await("source.failed", src.getId());
  }

  private static Clock at(long unix) {
    return Clock.fixed(Instant.ofEpochSecond(unix), ZoneOffset.UTC);
  }

  private static void unsigned(String says, String body, String signature, String secret, Clock clock) {
    var err = assertThrows(SignatureVerificationException.class, () -> Webhook.constructEvent(body, signature, secret, 300, clock));
    assertTrue(err.getMessage().contains(says), err::getMessage);
  }

  static void secretRolling(World w) throws Exception {
    String first = w.hooks.secret;
    String second = roll(w, 3600);
    assertNotEquals(first, second);
    Delivery both = declined(w); // which the receiver opened with the first
    assertEquals(2, both.signature().split("v1=", -1).length - 1);
    for (String secret : List.of(first, second)) Webhook.constructEvent(both.body(), both.signature(), secret);

    w.hooks.secret = roll(w, 0);
    Delivery one = declined(w);
    assertEquals(1, one.signature().split("v1=", -1).length - 1);
    for (String secret : List.of(first, second)) {
      unsigned("No signatures found matching", one.body(), one.signature(), secret, Clock.systemUTC());
    }
  }

  private static String roll(World w, int keep) throws Exception {
    return w.control("endpoints/roll", Map.of("endpoint", w.endpoint.getId(), "keep_seconds", keep)).get("secret").getAsString();
  }

  static void accountHeader(World w) throws Exception {
    String own = JsonParser.parseString(w.get("/_ducat/v1/account").body()).getAsJsonObject().get("account").getAsString();
    Charge ch = w.charged();
    assertEquals(own, header(w.server.charges().retrieve(ch.getId(), account(own)).getLastResponse(), "Stripe-Account"));
    assertEquals(ch.getId(), dial(w.base, w.sk, client -> client.setStripeAccount(own)).charges().retrieve(ch.getId()).getId());
    refused("retrieve from another account", NO_ACCESS, () -> w.server.charges().retrieve(ch.getId(), account(STRANGER)));
    refused("create in another account", NO_ACCESS,
        () -> dial(w.base, w.sk, client -> client.setStripeAccount(STRANGER)).sources().create(order().build()));
    assertEquals(List.of(ch.getId()), ids(all(w.server.charges().list())));
  }

  private static final String PDF = "%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n";

  static void files(World w) throws Exception {
    var evidence = FileCreateParams.Purpose.DISPUTE_EVIDENCE;
    File file = upload(w, PDF, "receipt.pdf", p -> p.setPurpose(evidence));
    assertTrue(file.getId().startsWith("file_"), file.getId());
    assertEquals(List.of("file", "dispute_evidence", "receipt.pdf", (long) PDF.length(), "pdf"),
        List.of(file.getObject(), file.getPurpose(), file.getFilename(), file.getSize(), file.getType()));
    assertEquals("receipt.pdf", w.server.files().retrieve(file.getId()).getFilename());
    assertEquals(List.of(file.getId()),
        ids(all(w.server.files().list(FileListParams.builder().setPurpose(FileListParams.Purpose.DISPUTE_EVIDENCE).build()))));
    assertEquals(PDF, w.get(URI.create(file.getUrl()).getPath()).body());
    refused("a type that is no evidence", Refusal.invalid(null, "file", "."), () -> upload(w, "plain", "a.txt", p -> p.setPurpose(evidence)));
    refused("an unknown purpose", Refusal.invalid(null, "purpose", "."),
        () -> upload(w, PDF, "receipt.pdf", p -> p.putExtraParam("purpose", "decoration")));

    Dispute d = w.disputed();
    refused("an unknown file", Refusal.invalid("resource_missing", "evidence[receipt]", "^No such file upload"),
        () -> answer(w, d, "file_000000000000000000000000"));
    Dispute answered = answer(w, d, file.getId());
    assertEquals(List.of(file.getId(), "under_review"), List.of(answered.getEvidence().getReceipt(), answered.getStatus()));
  }

  private static File upload(World w, String content, String name, Consumer<FileCreateParams.Builder> purpose) throws Exception {
    Path dir = Files.createTempDirectory("ducat-conformance-");
    try {
      Path path = Files.writeString(dir.resolve(name), content);
      FileCreateParams.Builder params = FileCreateParams.builder().setFile(path.toFile());
      purpose.accept(params);
      return w.server.files().create(params.build());
    } finally {
      Ducat.remove(dir);
    }
  }

  private static Dispute answer(World w, Dispute d, String receipt) throws StripeException {
    return w.server.disputes().update(d.getId(), DisputeUpdateParams.builder().setSubmit(true)
        .setEvidence(DisputeUpdateParams.Evidence.builder().setReceipt(receipt).build()).build());
  }

  static void payouts(World w) throws Exception {
    Charge ch = w.charged();
    long net = ch.getAmount() - w.transactions().get(0).getFee();
    refused("before anything is available", Refusal.invalid("balance_insufficient", null, "."), () -> payout(w, net, Map.of()));
    w.advance(9 * DAY);
    assertEquals(net, available(w));

    Payout first = payout(w, 400, Map.of("week", "7"));
    assertTrue(first.getId().startsWith("po_"), first.getId());
    assertEquals(List.of("payout", "pending", 400L, false, Map.of("week", "7")),
        List.of(first.getObject(), first.getStatus(), first.getAmount(), first.getAutomatic(), first.getMetadata()));
    w.hooks.await("payout.created", first.getId());
    assertEquals(net - 400, available(w));
    w.advance(3 * DAY);
    assertEquals("paid", ((Payout) w.hooks.await("payout.paid", first.getId()).object()).getStatus());
    var txn = w.server.payouts().retrieve(first.getId(), PayoutRetrieveParams.builder().addExpand("balance_transaction").build())
        .getBalanceTransactionObject();
    assertEquals(List.of("payout", -400L, first.getId()), List.of(txn.getType(), txn.getAmount(), txn.getSource()));

    Payout second = payout(w, 100, Map.of());
    assertEquals("canceled", w.server.payouts().cancel(second.getId()).getStatus());
    w.hooks.await("payout.canceled", second.getId());
    Payout third = payout(w, 100, Map.of("ducat_scenario", "payout_failed"));
    w.advance(3 * DAY);
    Payout failed = (Payout) w.hooks.await("payout.failed", third.getId()).object();
    assertEquals("failed", failed.getStatus());
    assertNotNull(failed.getFailureCode());
    assertEquals(net - 400, available(w));
    assertEquals(List.of(third.getId(), second.getId(), first.getId()), ids(all(w.server.payouts().list())));
    assertEquals(List.of(first.getId()), ids(all(w.server.payouts().list(PayoutListParams.builder().setStatus("paid").build()))));
  }

  private static Payout payout(World w, long amount, Map<String, String> metadata) throws StripeException {
    return w.server.payouts().create(PayoutCreateParams.builder().setAmount(amount).setCurrency("usd").putAllMetadata(metadata).build());
  }

  private static long available(World w) throws StripeException {
    return w.server.balance().retrieve().getAvailable().stream()
        .filter(part -> part.getCurrency().equals("usd")).mapToLong(part -> part.getAmount()).sum();
  }

  private static void race(World w, Map<String, ?> rule) throws Exception {
    w.control("race", Map.of("rules", List.of(rule)));
  }

  static void restrictedKey(World w) throws Exception {
    Charge ch = w.charged();
    String key = w.control("keys", Map.of("permissions", List.of("rak_charge_read"))).get("key").getAsString();
    assertTrue(key.startsWith("rk_test_"), key);
    var restricted = dial(w.base, key);
    assertEquals(ch.getId(), restricted.charges().retrieve(ch.getId()).getId());
    var refund = RefundCreateParams.builder().setCharge(ch.getId()).build();
    refused("a refund", Refusal.forbidden("more_permissions_required", "'rak_charge_write' permission would allow"),
        () -> restricted.refunds().create(refund));
    refused("customers", Refusal.forbidden("more_permissions_required", "'rak_customer_read' permission would allow"),
        () -> restricted.customers().list());
    assertEquals(List.of(), all(w.server.refunds().list()));
    w.control("keys", Map.of("key", key, "permissions", List.of("rak_charge_write")));
    assertEquals(1099, restricted.refunds().create(refund).getAmount());
  }

  static void ephemeralKey(World w) throws Exception {
    String version = "2020-08-27"; // of the library in the app
    String cus = w.server.customers().create(CustomerCreateParams.builder().setEmail("li@example.com").build()).getId();
    var to = PaymentMethodAttachParams.builder().setCustomer(cus).build();
    String saved = w.server.paymentMethods().attach("pm_card_visa", to).getId();
    EphemeralKey key = w.server.ephemeralKeys().create(
        EphemeralKeyCreateParams.builder().setCustomer(cus).setStripeVersion(version).build());
    assertTrue(key.getId().startsWith("ephkey_"), key.getId());
    assertTrue(key.getSecret().startsWith("ek_test_"), "the secret");
    assertEquals(List.of("ephemeral_key", HOUR), List.of(key.getObject(), key.getExpires() - key.getCreated()));
    var owner = JsonParser.parseString(key.getRawJson()).getAsJsonObject() // as it is handed on to the app
        .getAsJsonArray("associated_objects").get(0).getAsJsonObject();
    assertEquals(List.of("customer", cus), List.of(owner.get("type").getAsString(), owner.get("id").getAsString()));
    assertEquals(version, header(key.getLastResponse(), "Stripe-Version"));

    V1Services app = dial(w.base, key.getSecret());
    assertEquals(List.of(saved), cards(app, cus));
    String card = w.client.paymentMethods().create(Intents.visa()).getId();
    app.paymentMethods().attach(card, to);
    assertEquals(List.of(card, saved), cards(app, cus));
    app.paymentMethods().detach(saved);
    assertEquals(List.of(card), cards(app, cus));
    String other = w.server.customers().create().getId();
    Refusal forbidden = Refusal.forbidden("more_permissions_required", "ephemeral key");
    refused("another customer's methods", forbidden, () -> cards(app, other));
    refused("the balance", forbidden, () -> app.balance().retrieve());

    EphemeralKey gone = w.server.ephemeralKeys().delete(key.getId());
    assertEquals(key.getId(), gone.getId());
    assertNull(gone.getSecret());
    refused("a deleted key", Refusal.unauthorized("api_key_expired", "^Expired API Key"), () -> cards(app, cus));
    assertEquals(List.of(card), cards(w.server, cus));
  }

  private static List<String> cards(V1Services as, String customer) throws StripeException {
    return ids(all(as.paymentMethods().list(
        PaymentMethodListParams.builder().setCustomer(customer).setType(PaymentMethodListParams.Type.CARD).build())));
  }

  static void raceLab(World w) throws Exception {
    // The webhook is faster than the answer.
    Source first = w.authorized(order());
    race(w, Map.of("on", "webhook", "do", "before_response", "event", "charge.succeeded", "times", 1));
    Charge charged = w.charge(first);
    assertTrue(w.hooks.types().contains("charge.succeeded"), "delivered before the answer");

    // One event, delivered twice.
    race(w, Map.of("on", "webhook", "do", "copies", "event", "source.failed", "times", 1));
    declined(w);
    w.advance(0);
    assertEquals(2, Collections.frequency(w.hooks.types(), "source.failed"));
    assertEquals(1, all(w.server.events().list(EventListParams.builder().setType("source.failed").build())).size());

    // A 500 after everything was done: trying again answers what was done.
    Source second = w.authorized(order());
    race(w, Map.of("on", "call", "do", "fail", "when", "after", "method", "POST", "path", "/v1/charges",
        "error", Map.of("status", 500), "times", 1));
    Charge ch = dial(w.base, w.sk, client -> client.setMaxNetworkRetries(2)).charges().create(chargeOf(second).build());
    assertEquals("true", header(ch.getLastResponse(), "Idempotent-Replayed"));
    assertEquals(List.of(ch.getId(), charged.getId()), ids(all(w.server.charges().list())));
  }

  static void testClock(World w) throws Exception {
    var clocks = w.server.testHelpers().testClocks();
    TestClock clock = clocks.create(TestClockCreateParams.builder().setFrozenTime(w.dawn).setName("two hours later").build());
    assertTrue(clock.getId().startsWith("clock_"), clock.getId());
    assertEquals(List.of("test_helpers.test_clock", "ready", w.dawn, "two hours later"),
        List.of(clock.getObject(), clock.getStatus(), clock.getFrozenTime(), clock.getName()));
    Customer cus = w.server.customers().create(CustomerCreateParams.builder().setTestClock(clock.getId()).build());
    assertEquals(List.of(clock.getId(), w.dawn), List.of(cus.getTestClock(), cus.getCreated()));
    Source src = w.source(order());

    long target = w.dawn + 2 * HOUR;
    TestClock moving = clocks.advance(clock.getId(), to(target));
    assertEquals(List.of("advancing", target), List.of(moving.getStatus(), moving.getStatusDetails().getAdvancing().getTargetFrozenTime()));
    w.hooks.await("test_helpers.test_clock.ready", clock.getId());
    w.hooks.await("source.canceled", src.getId());
    TestClock moved = clocks.retrieve(clock.getId());
    assertEquals(List.of("ready", target), List.of(moved.getStatus(), moved.getFrozenTime()));
    refused("back", Refusal.invalid(null, "frozen_time", "."), () -> clocks.advance(clock.getId(), to(w.dawn)));
    assertEquals(List.of(clock.getId()), ids(all(clocks.list())));

    assertTrue(clocks.delete(clock.getId()).getDeleted());
    assertTrue(w.server.customers().retrieve(cus.getId()).getDeleted());
    refused("a deleted clock", Refusal.missing("test_clock", "^No such test clock: "), () -> clocks.retrieve(clock.getId()));
  }

  private static TestClockAdvanceParams to(long frozenTime) {
    return TestClockAdvanceParams.builder().setFrozenTime(frozenTime).build();
  }

  /** Runs the program that docs/quickstart/java.md prints. */
  static void quickstart(World w) throws Exception {
    var code = Pattern.compile("^```java\n(.*?)^```$", Pattern.DOTALL | Pattern.MULTILINE)
        .matcher(Files.readString(Path.of("../../docs/quickstart/java.md")));
    assertTrue(code.find());
    assertTrue(code.group(1).contains("http://127.0.0.1:12111"));
    String program = code.group(1).replace("http://127.0.0.1:12111", w.base).replace("4246", String.valueOf(freePort()));
    Path dir = Files.createTempDirectory("ducat-conformance-");
    Process shop = null;
    try {
      Path source = Files.writeString(dir.resolve("Shop.java"), program);
      shop = new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "java").toString(),
          "-cp", jar(Stripe.class) + java.io.File.pathSeparator + jar(Gson.class), source.toString())
          .redirectError(ProcessBuilder.Redirect.INHERIT).start();
      var lines = new LinkedBlockingQueue<String>();
      Ducat.read(shop.inputReader(StandardCharsets.UTF_8), lines::add, () -> lines.add("it ended"));
      String page = until(lines, "open (http://\\S+)").group(1);
      assertTrue(page.startsWith(w.base), page);
      assertEquals(303, World.decide(page, "authorize").statusCode());
      until(lines, "charged py_\\w+ succeeded");
      until(lines, "refunded pyr_\\w+ pending");
    } finally {
      if (shop != null) shop.destroyForcibly().waitFor();
      Ducat.remove(dir);
    }
  }

  private static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    }
  }

  private static String jar(Class<?> of) throws Exception {
    return Path.of(of.getProtectionDomain().getCodeSource().getLocation().toURI()).toString();
  }

  private static Matcher until(BlockingQueue<String> lines, String pattern) throws InterruptedException {
    while (true) {
      String line = lines.poll(Ducat.PATIENCE, TimeUnit.SECONDS);
      assertNotNull(line, () -> "it did not say " + pattern);
      assertNotEquals("it ended", line, () -> "without " + pattern);
      Matcher found = Pattern.compile(pattern).matcher(line);
      if (found.matches()) return found;
    }
  }
}
