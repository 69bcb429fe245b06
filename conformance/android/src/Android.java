package ducat;

import android.content.Context;
import com.stripe.android.FraudDetectionDataRepository;
import com.stripe.android.cards.CardAccountRangeRepository;
import com.stripe.android.core.ApiVersion;
import com.stripe.android.core.Logger;
import com.stripe.android.core.networking.ApiRequest;
import com.stripe.android.core.networking.ConnectionFactory;
import com.stripe.android.core.networking.DefaultStripeNetworkClient;
import com.stripe.android.model.Address;
import com.stripe.android.model.ConfirmPaymentIntentParams;
import com.stripe.android.model.ConfirmSetupIntentParams;
import com.stripe.android.model.Customer;
import com.stripe.android.model.DeferredIntentParams;
import com.stripe.android.model.ElementsSession;
import com.stripe.android.model.ElementsSessionParams;
import com.stripe.android.model.ListPaymentMethodsParams;
import com.stripe.android.model.PaymentIntent;
import com.stripe.android.model.PaymentMethod;
import com.stripe.android.model.PaymentMethodCreateParams;
import com.stripe.android.model.SetupIntent;
import com.stripe.android.model.ShippingInformation;
import com.stripe.android.model.Source;
import com.stripe.android.model.SourceParams;
import com.stripe.android.model.StripeIntent;
import com.stripe.android.model.parsers.EphemeralKeyJsonParser;
import com.stripe.android.networking.FraudDetectionData;
import com.stripe.android.networking.FraudDetectionDataParamsUtils;
import com.stripe.android.networking.PaymentAnalyticsRequestFactory;
import com.stripe.android.networking.StripeApiRepository;
import com.stripe.android.networking.StripeRepository;
import java.lang.reflect.Method;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import kotlin.ResultKt;
import kotlin.coroutines.Continuation;
import kotlin.coroutines.EmptyCoroutineContext;
import kotlinx.coroutines.BuildersKt;
import kotlinx.coroutines.Dispatchers;
import org.json.JSONObject;

/** Drives a ducat with the official Android library. */
public final class Android {
  private static final String BACK = "stripesdk://payment_return_url/com.example.shop";
  private static Server server;

  private interface Scenario {
    void run(Android app) throws Throwable;
  }

  private static Map<String, Scenario> scenarios() {
    Map<String, Scenario> all = new LinkedHashMap<>();
    all.put("source", Android::source);
    all.put("source-declined", Android::sourceDeclined);
    all.put("alipay", Android::alipay);
    all.put("alma", Android::alma);
    all.put("deferred", Android::deferred);
    all.put("card", Android::card);
    all.put("bank-page", Android::bankPage);
    all.put("customer", Android::customer);
    all.put("errors", Android::errors);
    return all;
  }

  public static void main(String[] chosen) throws Throwable {
    Map<String, Scenario> all = scenarios();
    if (chosen.length > 0) all.keySet().retainAll(Set.of(chosen));
    if (all.isEmpty()) throw new AssertionError("there is no such scenario");
    int failed = 0;
    try (Server running = new Server()) {
      server = running;
      trust(running.authority);
      for (Map.Entry<String, Scenario> one : all.entrySet()) {
        try {
          one.getValue().run(new Android(one.getKey()));
          Files.writeString(Path.of(System.getenv("DUCAT_RAN")), one.getKey() + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        } catch (Throwable e) {
          failed++;
          System.err.println("FAIL " + one.getKey());
          e.printStackTrace();
        }
      }
    }
    System.exit(failed == 0 ? 0 : 1);
  }

  /** Sends the library's requests to the server under test, which is trusted by its authority. */
  private static void trust(Path authority) throws Exception {
    KeyStore known = KeyStore.getInstance(KeyStore.getDefaultType());
    known.load(null);
    try (var in = Files.newInputStream(authority)) {
      known.setCertificateEntry("ducat", CertificateFactory.getInstance("X.509").generateCertificate(in));
    }
    TrustManagerFactory managers = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    managers.init(known);
    SSLContext tls = SSLContext.getInstance("TLS");
    tls.init(null, managers.getTrustManagers(), null);
    ConnectionFactory.Default.INSTANCE.setConnectionOpener((request, prepare) -> {
      try {
        URL asked = new URL(request.getUrl());
        if (!asked.getHost().equals("api.stripe.com")) throw new AssertionError("a request to " + asked);
        var connection = (HttpsURLConnection) new URL(server.secure + asked.getFile()).openConnection();
        connection.setSSLSocketFactory(tls.getSocketFactory());
        prepare.invoke(connection, request);
        return connection;
      } catch (java.io.IOException e) {
        throw new java.io.UncheckedIOException(e);
      }
    });
  }

  // An app and its merchant's server, in a world of their own.

  private final Merchant merchant;
  private final StripeApiRepository library;
  private final ApiRequest.Options key;

  private Android(String name) {
    merchant = new Merchant(server, name);
    String pk = merchant.publishableKey();
    key = options(pk);
    library = new StripeApiRepository(new Context(), () -> pk, null, Logger.Companion.noop(), Dispatchers.getIO(), Set.of("PaymentSheet"),
        new DefaultStripeNetworkClient(), event -> {}, new Device(), new NoRanges(),
        new PaymentAnalyticsRequestFactory(null, null, "com.example.shop", () -> pk, () -> "Wi-Fi", Set.of()), new FraudDetectionDataParamsUtils(), Set.of(),
        new ApiVersion(Set.of("alipay_beta=v1")).getCode(), "AndroidBindings/20.47.3");
  }

  private static ApiRequest.Options options(String key) {
    return new ApiRequest.Options(key, null, null);
  }

  /** What the library says about the device with each payment method. */
  private static final class Device implements FraudDetectionDataRepository {
    public void refresh() {}

    public FraudDetectionData getCached() {
      return new FraudDetectionData("5b0f3d2e-guid", "5b0f3d2e-muid", "5b0f3d2e-sid", 0);
    }

    public Object getLatest(Continuation<? super FraudDetectionData> then) {
      return getCached();
    }

    public void save(FraudDetectionData data) {}
  }

  private static final class NoRanges implements CardAccountRangeRepository.Factory {
    public CardAccountRangeRepository create() {
      return null;
    }

    public CardAccountRangeRepository createWithStripeRepository(StripeRepository repository, String key) {
      return null;
    }
  }

  /** Calls a suspending function of the library, whose compiled names Java cannot spell, and returns its result or throws its failure. */
  @SuppressWarnings("unchecked")
  private <T> T call(String name, Object... arguments) throws Throwable {
    Method found = null;
    for (Method m : StripeApiRepository.class.getMethods()) {
      if (m.getName().startsWith(name + "-") && m.getParameterCount() == arguments.length + 1) found = m;
    }
    if (found == null) throw new AssertionError("the library has no " + name);
    Method function = found;
    Object result = BuildersKt.runBlocking(EmptyCoroutineContext.INSTANCE, (scope, then) -> {
      List<Object> all = new ArrayList<>(java.util.Arrays.asList(arguments));
      all.add(then);
      try {
        return function.invoke(library, all.toArray());
      } catch (java.lang.reflect.InvocationTargetException e) {
        return ResultKt.createFailure(e.getCause());
      } catch (IllegalAccessException e) {
        throw new AssertionError(e);
      }
    });
    if (result instanceof kotlin.Result<?>) result = kotlin.Result.class.getMethod("unbox-impl").invoke(result);
    ResultKt.throwOnFailure(result);
    return (T) result;
  }

  // The scenarios, as ANDROID.md lists them.

  private Source createSource() throws Throwable {
    SourceParams params = SourceParams.Companion.createAlipaySingleUseParams(1099L, "usd", "Jenny Rosen", "jenny@example.com", "mystripeapp://safepay/");
    params.setMetadata(Map.of("ducat_scenario", "chargeable_delay=60")); // so that a slow machine sees it pending
    Source source = call("createSource", params, key);
    same(Source.Status.Pending, source.getStatus());
    same(Source.Flow.Redirect, source.getFlow());
    same(Source.Usage.SingleUse, source.getUsage());
    same("alipay", source.getType());
    same("mystripeapp://safepay/", source.getRedirect().getReturnUrl());
    same("Jenny Rosen", source.getOwner().getName());
    Map<String, Object> alipay = source.getSourceTypeData();
    same("null null", alipay.get("data_string") + " " + alipay.get("native_url"));
    return source;
  }

  private Source poll(Source source) throws Throwable {
    return call("retrieveSource", source.getId(), source.getClientSecret(), key);
  }

  private void source() throws Throwable {
    Source source = createSource();
    String back = merchant.decide(source.getRedirect().getUrl(), "authorize");
    same(true, back.startsWith("mystripeapp://safepay/?client_secret=" + source.getClientSecret() + "&livemode=false&source=" + source.getId()));
    same(Source.Status.Pending, poll(source).getStatus());
    merchant.advance(60);
    Source authorised = poll(source);
    same(Source.Status.Chargeable, authorised.getStatus());
    same(Source.Redirect.Status.Succeeded, authorised.getRedirect().getStatus());
    same("succeeded", merchant.post("/v1/charges", "amount=1099&currency=usd&source=" + source.getId()).getString("status"));
    same(Source.Status.Consumed, poll(source).getStatus());
  }

  private void sourceDeclined() throws Throwable {
    Source source = createSource();
    same(true, merchant.decide(source.getRedirect().getUrl(), "decline").startsWith("mystripeapp://safepay/?"));
    Source declined = poll(source);
    same(Source.Status.Failed, declined.getStatus());
    same(Source.Redirect.Status.Failed, declined.getRedirect().getStatus());
  }

  private PaymentIntent confirm(ConfirmPaymentIntentParams params, boolean help) throws Throwable {
    params.setReturnUrl(BACK);
    return call("confirmPaymentIntent", params.withShouldUseStripeSdk(help), key, List.of("payment_method"));
  }

  private PaymentIntent retrieve(String secret) throws Throwable {
    return call("retrievePaymentIntent", secret, key, List.of("payment_method"));
  }

  private void alipay() throws Throwable {
    String secret = merchant.post("/v1/payment_intents", "amount=1099&currency=usd&payment_method_types[]=alipay").getString("client_secret");
    same(StripeIntent.Status.RequiresPaymentMethod, retrieve(secret).getStatus());
    PaymentIntent waiting = confirm(ConfirmPaymentIntentParams.createAlipay(secret), true);
    same(StripeIntent.Status.RequiresAction, waiting.getStatus());
    same(PaymentMethod.Type.Alipay, waiting.getPaymentMethod().type);
    same(false, waiting.getPaymentMethod().liveMode);
    var action = (StripeIntent.NextActionData.AlipayRedirect) waiting.getNextActionData();
    same(BACK, action.getReturnUrl());
    same(StripeIntent.Status.RequiresAction, this.<PaymentIntent>call("refreshPaymentIntent", secret, key).getStatus());
    String back = merchant.decide(action.getWebViewUrl().toString(), "authorize");
    same(true, back.startsWith(BACK + "?payment_intent=" + waiting.getId()) && back.contains("redirect_status=succeeded"));
    same(StripeIntent.Status.Succeeded, retrieve(secret).getStatus());
  }

  private void alma() throws Throwable {
    String secret = merchant.post("/v1/payment_intents", "amount=5099&currency=eur&automatic_payment_methods[enabled]=true").getString("client_secret");
    ElementsSession session = call("retrieveElementsSession", new ElementsSessionParams.PaymentIntentType(secret, "fr-FR", null, null, List.of()), key);
    same(null, session.getSessionsError());
    same(true, session.getPaymentMethodSpecs().contains("\"alma\""));
    same(List.of("card", "alma", "alipay"), session.getStripeIntent().getPaymentMethodTypes());
    PaymentIntent waiting = confirm(ConfirmPaymentIntentParams.createWithPaymentMethodCreateParams(PaymentMethodCreateParams.Companion.createAlma(null, null), secret), true);
    var action = (StripeIntent.NextActionData.RedirectToUrl) waiting.getNextActionData();
    same(BACK, action.getReturnUrl());
    same(true, merchant.decide(action.getUrl().toString(), "decline").contains("redirect_status=failed"));
    PaymentIntent declined = retrieve(secret);
    same(StripeIntent.Status.RequiresPaymentMethod, declined.getStatus());
    same("payment_intent_authentication_failure", declined.getLastPaymentError().getCode());
    waiting = confirm(ConfirmPaymentIntentParams.createWithPaymentMethodCreateParams(PaymentMethodCreateParams.Companion.createAlma(null, null), secret), false);
    merchant.decide(((StripeIntent.NextActionData.RedirectToUrl) waiting.getNextActionData()).getUrl().toString(), "authorize");
    same(StripeIntent.Status.Succeeded, retrieve(secret).getStatus());
  }

  private void deferred() throws Throwable {
    var mode = new DeferredIntentParams.Mode.Payment(1099, "eur", StripeIntent.Usage.OffSession, PaymentIntent.CaptureMethod.Automatic);
    ElementsSession session = call("retrieveElementsSession",
        new ElementsSessionParams.DeferredIntentType("en-US", new DeferredIntentParams(mode, List.of(), null, null), List.of(), null, null), key);
    same(null, session.getSessionsError());
    same(List.of("card", "alipay"), session.getStripeIntent().getPaymentMethodTypes());
  }

  private static PaymentMethodCreateParams number(String digits) {
    return PaymentMethodCreateParams.Companion.create(new PaymentMethodCreateParams.Card(digits, 12, 2040, "123", null, Set.of("CardInputView"), null), (PaymentMethod.BillingDetails) null);
  }

  private String cardIntent() throws Exception {
    return merchant.post("/v1/payment_intents", "amount=1099&currency=usd&payment_method_types[]=card").getString("client_secret");
  }

  private void card() throws Throwable {
    PaymentMethod made = call("createPaymentMethod", number("4242424242424242"), key);
    same("4242", made.card.last4);
    PaymentIntent paid = confirm(ConfirmPaymentIntentParams.createWithPaymentMethodId(made.id, cardIntent()), true);
    same(StripeIntent.Status.Succeeded, paid.getStatus());
    String secret = merchant.post("/v1/setup_intents", "payment_method_types[]=card").getString("client_secret");
    SetupIntent saved = call("confirmSetupIntent", ConfirmSetupIntentParams.create(number("4242424242424242"), secret), key, List.of("payment_method"));
    same(StripeIntent.Status.Succeeded, saved.getStatus());
    same(StripeIntent.Status.Succeeded, this.<SetupIntent>call("retrieveSetupIntent", secret, key, List.of()).getStatus());
  }

  private void bankPage() throws Throwable {
    String secret = cardIntent();
    PaymentIntent waiting = confirm(ConfirmPaymentIntentParams.createWithPaymentMethodCreateParams(number("4000002760003184"), secret), true);
    var action = (StripeIntent.NextActionData.SdkData.Use3DS1) waiting.getNextActionData();
    String source = android.net.Uri.parse(action.getUrl()).getLastPathSegment();
    PaymentIntent closed = call("cancelPaymentIntentSource", waiting.getId(), source, key);
    same(StripeIntent.Status.RequiresPaymentMethod, closed.getStatus());
    same("payment_intent_authentication_failure", closed.getLastPaymentError().getCode());
    same(StripeIntent.Status.Succeeded, confirm(ConfirmPaymentIntentParams.createWithPaymentMethodCreateParams(number("4242424242424242"), secret), true).getStatus());
  }

  private void customer() throws Throwable {
    String id = merchant.post("/v1/customers", "email=jenny@example.com").getString("id");
    var made = new EphemeralKeyJsonParser().parse(merchant.post("/v1/ephemeral_keys", "customer=" + id, "Stripe-Version", ApiVersion.API_VERSION_CODE));
    ApiRequest.Options own = options(made.getSecret());
    Set<String> usage = Set.of("CustomerSession");
    Customer customer = call("retrieveCustomer", id, usage, own);
    same("jenny@example.com", customer.getEmail());
    PaymentMethod card = call("createPaymentMethod", number("4242424242424242"), key);
    same(id, this.<PaymentMethod>call("attachPaymentMethod", id, usage, card.id, own).customerId);
    List<PaymentMethod> list = call("getPaymentMethods", new ListPaymentMethodsParams(id, PaymentMethod.Type.Card, 10, null, null), usage, own);
    same(List.of(card.id), list.stream().map(m -> m.id).toList());
    call("detachPaymentMethod", usage, card.id, own);
    list = call("getPaymentMethods", new ListPaymentMethodsParams(id, PaymentMethod.Type.Card, 10, null, null), usage, own);
    same(List.of(), list);
    var address = new Address("Paris", "FR", "1 rue de la Paix", null, "75002", null);
    customer = call("setCustomerShippingInfo", id, merchant.publishableKey(), usage, new ShippingInformation(address, "Jenny Rosen", "+33123456789"), own);
    same("Paris", customer.getShippingInformation().getAddress().getCity());
    Source source = createSource();
    call("addCustomerSource", id, merchant.publishableKey(), usage, source.getId(), "alipay", own);
    customer = call("setDefaultCustomerSource", id, merchant.publishableKey(), usage, source.getId(), "alipay", own);
    same(source.getId(), customer.getDefaultSource());
    same(Source.Status.Consumed, this.<Source>call("deleteCustomerSource", id, merchant.publishableKey(), usage, source.getId(), own).getStatus());
    String other = merchant.post("/v1/customers", "").getString("id");
    fails(403, "PermissionException", "more_permissions_required", () -> call("retrieveCustomer", other, usage, own));
  }

  private void errors() throws Throwable {
    String secret = cardIntent();
    fails(400, "InvalidRequestException", "payment_intent_invalid_parameter", () -> retrieve(secret + "x"));
    fails(404, "InvalidRequestException", "resource_missing", () -> retrieve("pi_none_secret_x"));
    fails(402, "CardException", "card_declined", () -> confirm(ConfirmPaymentIntentParams.createWithPaymentMethodCreateParams(number("4000000000000002"), secret), true));
    fails(400, "InvalidRequestException", "payment_intent_incompatible_payment_method", () -> confirm(ConfirmPaymentIntentParams.createAlipay(secret), true));
    fails(400, "InvalidRequestException", "parameter_missing",
        () -> call("createSource", SourceParams.Companion.createAlipayReusableParams("usd", "Jenny Rosen", null, "mystripeapp://safepay/"), key));
    fails(401, "AuthenticationException", null, () -> call("retrievePaymentIntent", secret, options("pk_test_x"), List.of()));
  }

  private interface Act {
    Object run() throws Throwable;
  }

  private static void fails(int status, String exception, String code, Act act) throws Throwable {
    try {
      act.run();
    } catch (com.stripe.android.core.exception.StripeException e) {
      same(exception, e.getClass().getSimpleName());
      same(status, e.getStatusCode());
      same(code, e.getStripeError().getCode());
      return;
    }
    throw new AssertionError("no " + exception);
  }

  private static void same(Object want, Object got) {
    if (!java.util.Objects.equals(want, got)) throw new AssertionError("want " + want + ", got " + got);
  }
}
