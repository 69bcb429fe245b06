package ducat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.Gson;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.stripe.Stripe;
import com.stripe.StripeClient;
import com.stripe.exception.AuthenticationException;
import com.stripe.exception.CardException;
import com.stripe.exception.IdempotencyException;
import com.stripe.exception.InvalidRequestException;
import com.stripe.exception.PermissionException;
import com.stripe.exception.StripeException;
import com.stripe.model.BalanceTransaction;
import com.stripe.model.Charge;
import com.stripe.model.Dispute;
import com.stripe.model.HasId;
import com.stripe.model.Refund;
import com.stripe.model.Source;
import com.stripe.model.StripeCollection;
import com.stripe.model.WebhookEndpoint;
import com.stripe.net.RequestOptions;
import com.stripe.net.StripeResponse;
import com.stripe.param.ChargeCreateParams;
import com.stripe.param.RefundCreateParams;
import com.stripe.param.SourceCreateParams;
import com.stripe.param.WebhookEndpointCreateParams;
import com.stripe.param.WebhookEndpointCreateParams.ApiVersion;
import com.stripe.param.WebhookEndpointCreateParams.EnabledEvent;
import com.stripe.service.V1Services;
import java.net.URI;
import java.net.URLDecoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.function.Consumer;
import java.util.regex.Pattern;

/**
 * One merchant's sandbox and the programs around it: the merchant's server, a browser with the
 * publishable key, a webhook receiver, a payer.
 */
final class World implements AutoCloseable {
  /** Where payers are sent. Nothing listens there: the payer below does not follow redirects. */
  static final String RETURN_URL = "https://shop.example/checkout/return?cart=77";

  static final long HOUR = 3600;
  static final long DAY = 24 * HOUR;
  static final String OLD_VERSION = "2019-09-09"; // from before refunds left the charge

  private static final String BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  private static final SecureRandom DICE = new SecureRandom();
  private static final HttpClient BROWSER = HttpClient.newBuilder()
      .followRedirects(HttpClient.Redirect.NEVER).version(HttpClient.Version.HTTP_1_1).build();

  final String base;
  final String sk;
  private final String pk;
  final V1Services server;
  final V1Services client;
  final long dawn;
  final Receiver hooks;
  final WebhookEndpoint endpoint;
  private final List<Receiver> receivers = new ArrayList<>();

  World(String base) throws Exception {
    this.base = base;
    String suffix = random(24);
    sk = "sk_test_" + suffix;
    pk = "pk_test_" + suffix;
    server = dial(base, sk);
    client = dial(base, pk);
    // Nine in the morning in China, tomorrow.
    dawn = LocalDate.now(ZoneOffset.UTC).plusDays(1).toEpochSecond(LocalTime.of(1, 0), ZoneOffset.UTC);
    advanceTo(dawn);
    hooks = receiver();
    // The library reads the objects of events in its own version only.
    endpoint = register(hooks, EnabledEvent.ALL, Stripe.API_VERSION);
  }

  private World(World same, String base) {
    this.base = base;
    sk = same.sk;
    pk = same.pk;
    server = dial(base, sk);
    client = dial(base, pk);
    dawn = same.dawn;
    hooks = same.hooks;
    endpoint = same.endpoint;
  }

  /** The same world when its server has moved. */
  World at(String base) {
    return new World(this, base);
  }

  static V1Services dial(String base, String key) {
    return dial(base, key, client -> {});
  }

  static V1Services dial(String base, String key, Consumer<StripeClient.StripeClientBuilder> change) {
    // A failure that goes away is a failure, so nothing is retried.
    var client = StripeClient.builder().setApiKey(key).setApiBase(base).setFilesBase(base).setMaxNetworkRetries(0);
    change.accept(client);
    return client.build().v1();
  }

  static String random(int n) {
    StringBuilder s = new StringBuilder();
    for (int i = 0; i < n; i++) s.append(BASE62.charAt(DICE.nextInt(BASE62.length())));
    return s.toString();
  }

  Receiver receiver() throws Exception {
    Receiver r = new Receiver();
    receivers.add(r);
    return r;
  }

  /** Subscribes a receiver through the API. */
  WebhookEndpoint register(Receiver receiver, EnabledEvent type, String version) throws StripeException {
    ApiVersion pin = Arrays.stream(ApiVersion.values()).filter(v -> v.getValue().equals(version)).findAny().orElseThrow();
    WebhookEndpoint endpoint = server.webhookEndpoints().create(WebhookEndpointCreateParams.builder()
        .setUrl(receiver.url).addEnabledEvent(type).setApiVersion(pin).build());
    receiver.secret = endpoint.getSecret();
    return endpoint;
  }

  /** Calls the control API. */
  JsonObject control(String path, Map<String, ?> body) throws Exception {
    HttpResponse<String> res = send(HttpRequest.newBuilder(URI.create(base + "/_ducat/v1/" + path))
        .header("Authorization", "Bearer " + sk).header("Content-Type", "application/json")
        .POST(BodyPublishers.ofString(new Gson().toJson(body))));
    assertEquals(200, res.statusCode(), () -> "POST " + path + " " + body + ": " + res.body());
    return JsonParser.parseString(res.body()).getAsJsonObject();
  }

  void advance(long seconds) throws Exception {
    control("clock/advance", Map.of("seconds", seconds));
  }

  void advanceTo(long unix) throws Exception {
    control("clock/advance", Map.of("to", Instant.ofEpochSecond(unix).toString()));
  }

  /** The parameters of an ordinary source. */
  static SourceCreateParams.Builder order() {
    return SourceCreateParams.builder().setType("alipay").setAmount(1099L).setCurrency("usd").setRedirect(redirect(RETURN_URL));
  }

  static SourceCreateParams.Redirect redirect(String to) {
    return SourceCreateParams.Redirect.builder().setReturnUrl(to).build();
  }

  static SourceCreateParams.Builder scenario(String name) {
    return order().putMetadata("ducat_scenario", name);
  }

  /** Creates a source that must be accepted. */
  Source source(SourceCreateParams.Builder params) throws StripeException {
    Source src = server.sources().create(params.build());
    assertEquals("pending", src.getStatus());
    return src;
  }

  /**
   * Creates a source, authorizes it and waits for the webhook, moving the clock rather than waiting
   * for the wallet to confirm.
   */
  Source authorized(SourceCreateParams.Builder params) throws Exception {
    Source src = source(params);
    pay(src, "authorize");
    advance(2);
    hooks.await("source.chargeable", src.getId());
    return server.sources().retrieve(src.getId());
  }

  static ChargeCreateParams.Builder chargeOf(Source src) {
    return ChargeCreateParams.builder().setAmount(src.getAmount()).setCurrency(src.getCurrency()).setSource(src.getId());
  }

  Charge charge(Source src) throws StripeException {
    return charge(src, params -> {});
  }

  Charge charge(Source src, Consumer<ChargeCreateParams.Builder> change) throws StripeException {
    ChargeCreateParams.Builder params = chargeOf(src);
    change.accept(params);
    return server.charges().create(params.build());
  }

  /** Goes all the way. */
  Charge charged() throws Exception {
    return charged(order());
  }

  Charge charged(SourceCreateParams.Builder params) throws Exception {
    Charge ch = charge(authorized(params));
    assertEquals("succeeded", ch.getStatus());
    assertTrue(ch.getPaid());
    return ch;
  }

  /** Charges a source and has its payer complain. */
  Dispute disputed() throws Exception {
    Charge ch = charged();
    String id = control("disputes", Map.of("id", ch.getId(), "reason", "product_not_received")).get("id").getAsString();
    Dispute told = (Dispute) hooks.await("charge.dispute.created", id).object();
    hooks.await("charge.dispute.funds_withdrawn", id);
    return told;
  }

  static Refund refund(World w, Charge ch, Long amount) throws StripeException {
    return w.server.refunds().create(RefundCreateParams.builder().setCharge(ch.getId()).setAmount(amount).build());
  }

  /** What the merchant has in US dollars, pending and available. */
  long balance() throws StripeException {
    return balance("usd");
  }

  long balance(String currency) throws StripeException {
    var b = server.balance().retrieve();
    return b.getPending().stream().filter(p -> p.getCurrency().equals(currency)).mapToLong(p -> p.getAmount()).sum()
        + b.getAvailable().stream().filter(p -> p.getCurrency().equals(currency)).mapToLong(p -> p.getAmount()).sum();
  }

  /** All balance transactions, newest first. */
  List<BalanceTransaction> transactions() throws StripeException {
    return all(server.balanceTransactions().list());
  }

  /** Asserts that no money came in or went out. */
  void untouched() throws StripeException {
    assertEquals(0, balance());
    assertEquals(List.of(), transactions());
    assertEquals(List.of(), all(server.refunds().list()));
  }

  static <T extends HasId> List<T> all(StripeCollection<T> list) {
    List<T> items = new ArrayList<>();
    list.autoPagingIterable().forEach(items::add);
    return items;
  }

  static List<String> ids(List<? extends HasId> items) {
    return items.stream().map(HasId::getId).toList();
  }

  /** What calls at the same time gave, and what they threw. */
  record Outcomes<T>(List<T> done, List<StripeException> errors) {}

  interface Answer<T> {
    T get() throws StripeException;
  }

  static <T> Outcomes<T> atOnce(int n, Answer<T> call) throws Exception {
    var outcomes = new Outcomes<T>(new ArrayList<>(), new ArrayList<>());
    var start = new CountDownLatch(1);
    List<Thread> threads = new ArrayList<>();
    for (int i = 0; i < n; i++) {
      Thread thread = new Thread(() -> {
        try {
          start.await();
          T answer = call.get();
          synchronized (outcomes) {
            outcomes.done().add(answer);
          }
        } catch (StripeException e) {
          synchronized (outcomes) {
            outcomes.errors().add(e);
          }
        } catch (InterruptedException e) {
          Thread.currentThread().interrupt();
        }
      });
      thread.start();
      threads.add(thread);
    }
    start.countDown();
    for (Thread thread : threads) thread.join();
    assertEquals(n, outcomes.done().size() + outcomes.errors().size());
    return outcomes;
  }

  static RequestOptions keyed(String key) {
    return RequestOptions.builder().setIdempotencyKey(key).build();
  }

  static RequestOptions version(String version) {
    return RequestOptions.RequestOptionsBuilder.unsafeSetStripeVersionOverride(RequestOptions.builder(), version).build();
  }

  static String header(StripeResponse res, String name) {
    return res.headers().firstValue(name).orElse(null);
  }

  private static HttpResponse<String> send(HttpRequest.Builder request) throws Exception {
    return BROWSER.send(request.timeout(Duration.ofSeconds(Ducat.PATIENCE)).build(), BodyHandlers.ofString());
  }

  /** Makes a request and does not follow where it leads. */
  static HttpResponse<String> visit(String url) throws Exception {
    return send(HttpRequest.newBuilder(URI.create(url)));
  }

  /** Makes a request without the library, for what it does not show. */
  HttpResponse<String> get(String path) throws Exception {
    return send(HttpRequest.newBuilder(URI.create(base + path)).header("Authorization", "Bearer " + sk));
  }

  /**
   * Opens the page as a browser without JavaScript would, posts a decision to it, and returns the
   * Location of the answer after checking what must always be true of it.
   */
  static String pay(Source src, String decision) throws Exception {
    HttpResponse<String> page = visit(src.getRedirect().getUrl());
    assertEquals(200, page.statusCode(), () -> "the page of " + src.getId() + ": " + page.body());
    HttpResponse<String> res = decide(src.getRedirect().getUrl(), decision);
    assertEquals(303, res.statusCode(), () -> "posting " + decision + ": " + res.body());
    String location = res.headers().firstValue("Location").orElseThrow();
    List<String> query = Arrays.stream(URI.create(location).getRawQuery().split("&"))
        .map(pair -> URLDecoder.decode(pair, StandardCharsets.UTF_8)).toList();
    Map.of("source", src.getId(), "livemode", "false", "client_secret", src.getClientSecret()).forEach((name, want) ->
        assertEquals(List.of(name + "=" + want), query.stream().filter(pair -> pair.startsWith(name + "=")).toList(), location));
    return location;
  }

  /** Posts a decision to the page. */
  static HttpResponse<String> decide(String page, String decision) throws Exception {
    return send(HttpRequest.newBuilder(URI.create(page))
        .header("Content-Type", "application/x-www-form-urlencoded").POST(BodyPublishers.ofString("decision=" + decision)));
  }

  interface Call {
    Object run() throws Exception;
  }

  /** How a call is refused. Nulls must be absent from the answer. */
  record Refusal(int status, Class<? extends StripeException> error, String type, String code, String param, String says) {
    static Refusal invalid(String code, String param, String says) {
      return new Refusal(400, InvalidRequestException.class, "invalid_request_error", code, param, says);
    }

    static Refusal missing(String param, String says) {
      return new Refusal(404, InvalidRequestException.class, "invalid_request_error", "resource_missing", param, says);
    }

    static Refusal declined(String code, String param) {
      return new Refusal(402, CardException.class, "card_error", code, param, "Alipay");
    }

    static Refusal unauthorized(String code, String says) {
      return new Refusal(401, AuthenticationException.class, "invalid_request_error", code, null, says);
    }

    static Refusal forbidden(String code, String says) {
      return new Refusal(403, PermissionException.class, "invalid_request_error", code, null, says);
    }

    static Refusal mismatch(String says) {
      return new Refusal(400, IdempotencyException.class, "idempotency_error", null, null, says);
    }
  }

  static final Refusal NOT_CHARGEABLE = Refusal.invalid("invalid_source_usage", "source", "not in a chargeable state");
  static final Refusal ALREADY_USED = Refusal.invalid("invalid_source_usage", "source", "already been used");

  /** Makes a call that must fail in exactly this way, and returns the error. */
  static StripeException refused(String what, Refusal want, Call call) {
    return refusal(what, want, assertThrows(StripeException.class, call::run, what));
  }

  static StripeException refusal(String what, Refusal want, StripeException err) {
    assertSame(want.error(), err.getClass(), () -> what + ": " + err);
    var got = err.getStripeError();
    assertNotNull(got, () -> what + ": " + err);
    assertEquals(
        Arrays.asList(want.status(), want.type(), want.code(), want.param()),
        Arrays.asList(err.getStatusCode(), got.getType(), got.getCode(), got.getParam()), () -> what + ": " + err);
    assertTrue(Pattern.compile(want.says()).matcher(got.getMessage()).find(), () -> what + ": " + got.getMessage());
    assertTrue(err.getRequestId().startsWith("req_"), () -> what + ": " + err.getRequestId());
    return err;
  }

  @Override
  public void close() {
    receivers.forEach(Receiver::close);
  }
}
