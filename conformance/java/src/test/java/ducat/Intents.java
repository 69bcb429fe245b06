package ducat;

import static ducat.World.RETURN_URL;
import static ducat.World.all;
import static ducat.World.ids;
import static ducat.World.refused;
import static ducat.World.visit;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.stripe.exception.CardException;
import com.stripe.exception.StripeException;
import com.stripe.model.Charge;
import com.stripe.model.Customer;
import com.stripe.model.PaymentIntent;
import com.stripe.model.PaymentMethod;
import com.stripe.model.Refund;
import com.stripe.model.SetupIntent;
import com.stripe.model.StripeSearchResult;
import com.stripe.param.ChargeListParams;
import com.stripe.param.ChargeSearchParams;
import com.stripe.param.ChargeUpdateParams;
import com.stripe.param.CustomerCreateParams;
import com.stripe.param.CustomerPaymentMethodListParams;
import com.stripe.param.CustomerSearchParams;
import com.stripe.param.PaymentIntentCancelParams;
import com.stripe.param.PaymentIntentCaptureParams;
import com.stripe.param.PaymentIntentConfirmParams;
import com.stripe.param.PaymentIntentCreateParams;
import com.stripe.param.PaymentIntentRetrieveParams;
import com.stripe.param.PaymentIntentSearchParams;
import com.stripe.param.PaymentIntentUpdateParams;
import com.stripe.param.PaymentMethodAttachParams;
import com.stripe.param.PaymentMethodCreateParams;
import com.stripe.param.PaymentMethodListParams;
import com.stripe.param.PaymentMethodUpdateParams;
import com.stripe.param.RefundCreateParams;
import com.stripe.param.RefundListParams;
import com.stripe.param.SetupIntentConfirmParams;
import com.stripe.param.SetupIntentCreateParams;
import com.stripe.param.SetupIntentListParams;
import com.stripe.param.SetupIntentRetrieveParams;
import com.stripe.param.SetupIntentUpdateParams;
import ducat.World.Call;
import ducat.World.Refusal;
import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/** PaymentIntents, PaymentMethods, and search. Every method that takes a world is a scenario. */
final class Intents {
  private static final Refusal UNEXPECTED = Refusal.invalid("payment_intent_unexpected_state", null, ".");

  /** The parameters of an intent of 50.99 euro. */
  private static PaymentIntentCreateParams.Builder euros() {
    return PaymentIntentCreateParams.builder().setAmount(5099L).setCurrency("eur");
  }

  /** Those of the guide, which leave the method to the payer. */
  private static PaymentIntentCreateParams.Builder guide() {
    return euros().setAutomaticPaymentMethods(PaymentIntentCreateParams.AutomaticPaymentMethods.builder().setEnabled(true).build());
  }

  private static PaymentIntent create(World w, PaymentIntentCreateParams.Builder params) throws StripeException {
    return w.server.paymentIntents().create(params.build());
  }

  /** What the browser does, with the publishable key and the client secret. */
  private static PaymentIntent confirm(World w, PaymentIntent pi, String secret, String type, String returnUrl) throws StripeException {
    var params = PaymentIntentConfirmParams.builder().putExtraParam("client_secret", secret)
        .putExtraParam("payment_method_data", Map.of("type", type));
    if (returnUrl != null) params.setReturnUrl(returnUrl);
    return w.client.paymentIntents().confirm(pi.getId(), params.build());
  }

  private static PaymentIntent confirm(World w, PaymentIntent pi) throws StripeException {
    return confirm(w, pi, pi.getClientSecret(), "alma", RETURN_URL);
  }

  /** Creates and confirms an intent with a test card. */
  private static PaymentIntent card(World w, String method, Consumer<PaymentIntentCreateParams.Builder> change) throws StripeException {
    var params = PaymentIntentCreateParams.builder().setAmount(1099L).setCurrency("usd")
        .addPaymentMethodType("card").setPaymentMethod(method).setConfirm(true);
    change.accept(params);
    return create(w, params);
  }

  private static PaymentIntent retrieve(World w, PaymentIntent pi, String... paths) throws StripeException {
    return w.server.paymentIntents().retrieve(pi.getId(), PaymentIntentRetrieveParams.builder().addAllExpand(List.of(paths)).build());
  }

  private static String page(PaymentIntent pi) {
    var action = pi.getNextAction();
    if (action.getType().equals("alipay_handle_redirect")) {
      assertEquals(RETURN_URL, action.getAlipayHandleRedirect().getReturnUrl());
      return action.getAlipayHandleRedirect().getUrl();
    }
    assertEquals(RETURN_URL, action.getRedirectToUrl().getReturnUrl());
    return action.getRedirectToUrl().getUrl();
  }

  /** Posts a decision to the page of an intent, and returns the query the payer comes back with. */
  private static List<String> approve(PaymentIntent pi, String decision) throws Exception {
    assertEquals("requires_action", pi.getStatus());
    var res = World.decide(page(pi), decision);
    assertEquals(303, res.statusCode(), res::body);
    String location = res.headers().firstValue("Location").orElseThrow();
    assertTrue(location.startsWith(RETURN_URL + "&"), location);
    List<String> query = List.of(URI.create(location).getRawQuery().split("&"));
    for (String want : List.of("payment_intent=" + pi.getId(), "payment_intent_client_secret=" + pi.getClientSecret(),
        "redirect_status=" + (decision.equals("authorize") ? "succeeded" : "failed"))) {
      assertTrue(query.contains(want), () -> want + " in " + location);
    }
    return query;
  }

  static void intentAlma(World w) throws Exception {
    PaymentIntent pi = create(w, guide().putMetadata("order", "6735").setDescription("Two chairs"));
    assertTrue(pi.getId().startsWith("pi_") && pi.getClientSecret().startsWith(pi.getId() + "_secret_"), pi.getClientSecret());
    assertEquals(List.of("payment_intent", "requires_payment_method", 5099L, "eur"),
        List.of(pi.getObject(), pi.getStatus(), pi.getAmount(), pi.getCurrency()));
    assertNull(pi.getNextAction());
    assertNull(pi.getLatestCharge());
    assertTrue(pi.getPaymentMethodTypes().contains("alma"), () -> pi.getPaymentMethodTypes().toString());
    w.hooks.await("payment_intent.created", pi.getId());

    PaymentIntent open = confirm(w, pi);
    assertEquals("redirect_to_url", open.getNextAction().getType());
    assertNull(open.getMetadata());
    w.hooks.await("payment_intent.requires_action", pi.getId());
    String page = visit(page(open)).body();
    for (String text : List.of("50.99", "Alma", "Authorize Test Payment", "Fail Test Payment")) {
      assertTrue(page.contains(text), () -> "the page does not say " + text);
    }
    assertTrue(approve(open, "authorize").contains("redirect_pm_type=alma"));

    PaymentIntent told = (PaymentIntent) w.hooks.await("payment_intent.succeeded", pi.getId()).object();
    assertEquals(List.of("succeeded", 5099L, Map.of("order", "6735")), List.of(told.getStatus(), told.getAmountReceived(), told.getMetadata()));
    PaymentIntent done = retrieve(w, pi, "latest_charge.balance_transaction", "payment_method");
    Charge ch = done.getLatestChargeObject();
    assertEquals(List.of("succeeded", "alma", "succeeded", pi.getId(), "Two chairs", "alma"),
        List.of(done.getStatus(), done.getPaymentMethodObject().getType(), ch.getStatus(), ch.getPaymentIntent(), ch.getDescription(),
            ch.getPaymentMethodDetails().getType()));
    w.hooks.await("charge.succeeded", ch.getId());
    var txn = ch.getBalanceTransactionObject();
    assertEquals(List.of(5099L, "eur", txn.getNet()), List.of(txn.getAmount(), txn.getCurrency(), w.balance("eur")));
    PaymentIntent seen = w.client.paymentIntents().retrieve(pi.getId(), secret(pi));
    assertEquals("succeeded", seen.getStatus());
    assertNull(seen.getMetadata());
    assertNull(seen.getLatestCharge());
  }

  private static PaymentIntentRetrieveParams secret(PaymentIntent pi) {
    return PaymentIntentRetrieveParams.builder().setClientSecret(pi.getClientSecret()).build();
  }

  static void intentDecline(World w) throws Exception {
    PaymentIntent pi = create(w, guide());
    approve(confirm(w, pi), "decline");
    failed(w, pi, "payment_intent_authentication_failure");
    // The page is good for an hour.
    confirm(w, pi);
    w.advance(59 * 60);
    assertEquals("requires_action", retrieve(w, pi).getStatus());
    w.advance(61);
    failed(w, pi, "payment_intent_payment_attempt_expired");
    assertEquals(0, w.balance("eur"));
    // The same intent and secret are good for another try.
    approve(confirm(w, pi), "authorize");
    PaymentIntent done = retrieve(w, pi);
    assertEquals("succeeded", done.getStatus());
    assertNull(done.getLastPaymentError());
    assertEquals(List.of(done.getLatestCharge()), ids(charges(w, pi)));
  }

  private static void failed(World w, PaymentIntent pi, String code) throws Exception {
    PaymentIntent got = retrieve(w, pi);
    assertEquals(List.of("requires_payment_method", code), List.of(got.getStatus(), got.getLastPaymentError().getCode()));
    assertNull(got.getPaymentMethod());
    assertNull(got.getNextAction());
    w.hooks.await("payment_intent.payment_failed", pi.getId(),
        told -> told.getAsJsonObject("last_payment_error").get("code").getAsString().equals(code));
  }

  private static List<Charge> charges(World w, PaymentIntent pi) throws StripeException {
    return all(w.server.charges().list(ChargeListParams.builder().setPaymentIntent(pi.getId()).build()));
  }

  static void intentCards(World w) throws Exception {
    PaymentIntent paid = card(w, "pm_card_visa", p -> p.addExpand("latest_charge"));
    Charge ch = paid.getLatestChargeObject();
    assertTrue(ch.getId().startsWith("ch_"), ch.getId());
    assertEquals(List.of("succeeded", "succeeded", "4242"),
        List.of(paid.getStatus(), ch.getStatus(), ch.getPaymentMethodDetails().getCard().getLast4()));
    record Decline(String method, String code, String decline, String param) {}
    for (Decline bad : List.of(
        new Decline("pm_card_visa_chargeDeclined", "card_declined", "generic_decline", null),
        new Decline("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds", null),
        new Decline("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card", "exp_month"))) {
      var err = refused(bad.method(), declined(bad.code(), bad.param()), () -> card(w, bad.method(), p -> {})).getStripeError();
      assertEquals(List.of(bad.decline(), "requires_payment_method"), List.of(err.getDeclineCode(), err.getPaymentIntent().getStatus()));
      assertEquals(bad.code(), w.server.charges().retrieve(err.getCharge()).getFailureCode());
    }
    PaymentIntent pi = card(w, "pm_card_threeDSecure2Required", p -> p.setReturnUrl(RETURN_URL));
    assertTrue(approve(pi, "authorize").contains("redirect_pm_type=card"));
    assertEquals("succeeded", retrieve(w, pi).getStatus());
    PaymentIntent refusing = card(w, "pm_card_threeDSecure2Required", p -> p.setReturnUrl(RETURN_URL));
    approve(refusing, "decline");
    PaymentIntent got = retrieve(w, refusing);
    assertEquals(List.of("requires_payment_method", "payment_intent_authentication_failure"),
        List.of(got.getStatus(), got.getLastPaymentError().getCode()));
    refused("off session", declined("authentication_required", null),
        () -> card(w, "pm_card_authenticationRequired", p -> p.setOffSession(true)));
  }

  private static Refusal declined(String code, String param) {
    return new Refusal(402, CardException.class, "card_error", code, param, ".");
  }

  static void intentCapture(World w) throws Exception {
    PaymentIntent first = held(w);
    w.hooks.await("payment_intent.amount_capturable_updated", first.getId());
    assertEquals(0, w.balance("eur"));
    refused("too much", Refusal.invalid("amount_too_large", "amount_to_capture", "."), () -> capture(w, first, 5100L));
    PaymentIntent done = capture(w, first, 3000L);
    assertEquals(List.of("succeeded", 3000L, 0L, 3000L),
        List.of(done.getStatus(), done.getAmountReceived(), done.getAmountCapturable(), done.getLatestChargeObject().getAmountCaptured()));
    long net = done.getLatestChargeObject().getBalanceTransactionObject().getNet();
    assertEquals(net, w.balance("eur"));
    refused("capturing again", UNEXPECTED, () -> capture(w, first, null));

    PaymentIntent second = held(w);
    PaymentIntent canceled = w.server.paymentIntents().cancel(second.getId(), PaymentIntentCancelParams.builder()
        .setCancellationReason(PaymentIntentCancelParams.CancellationReason.REQUESTED_BY_CUSTOMER).build());
    assertEquals(List.of("canceled", "requested_by_customer", 0L),
        List.of(canceled.getStatus(), canceled.getCancellationReason(), canceled.getAmountCapturable()));
    w.hooks.await("payment_intent.canceled", second.getId());
    refused("capturing what was canceled", UNEXPECTED, () -> capture(w, second, null));
    assertEquals(net, w.balance("eur"));
  }

  private static PaymentIntent held(World w) throws Exception {
    PaymentIntent pi = create(w, guide().setCaptureMethod(PaymentIntentCreateParams.CaptureMethod.MANUAL));
    approve(confirm(w, pi), "authorize");
    PaymentIntent got = retrieve(w, pi);
    assertEquals(List.of("requires_capture", 5099L, 0L), List.of(got.getStatus(), got.getAmountCapturable(), got.getAmountReceived()));
    return got;
  }

  private static PaymentIntent capture(World w, PaymentIntent pi, Long amount) throws StripeException {
    return w.server.paymentIntents().capture(pi.getId(), PaymentIntentCaptureParams.builder()
        .setAmountToCapture(amount).addExpand("latest_charge.balance_transaction").build());
  }

  static void intentErrors(World w) throws Exception {
    // The four of the guide.
    refused("dollars", Refusal.invalid("payment_intent_invalid_currency", "currency", "."),
        () -> create(w, euros().setCurrency("usd").addPaymentMethodType("alma")));
    refused("no type", Refusal.invalid("missing_required_parameter", "payment_method_data[type]", "^Missing required param: payment_method_data\\[type\\]\\.$"),
        () -> create(w, euros().putExtraParam("payment_method_data", Map.of("billing_details", Map.of("name", "x")))));
    PaymentIntent pi = create(w, guide());
    refused("no return_url", Refusal.invalid("payment_intent_redirect_confirmation_without_return_url", "return_url", "."),
        () -> confirm(w, pi, pi.getClientSecret(), "alma", null));
    World.decide(page(confirm(w, pi)), "authorize&scenario=wallet_error");
    PaymentIntent got = retrieve(w, pi, "latest_charge");
    assertEquals(List.of("requires_payment_method", "payment_intent_payment_attempt_failed", "failed"),
        List.of(got.getStatus(), got.getLastPaymentError().getCode(), got.getLatestChargeObject().getStatus()));

    PaymentIntent other = create(w, guide());
    Refusal wrong = Refusal.invalid("payment_intent_invalid_parameter", "client_secret", ".");
    refused("confirming with another's secret", wrong, () -> confirm(w, pi, other.getClientSecret(), "alma", RETURN_URL));
    refused("retrieving with another's secret", wrong, () -> w.client.paymentIntents().retrieve(pi.getId(), secret(other)));
    w.server.paymentIntents().cancel(other.getId());
    refused("confirming what was canceled", Refusal.invalid(UNEXPECTED.code(), "payment_method", "."), () -> confirm(w, other));
    refused("updating what was canceled", Refusal.invalid(UNEXPECTED.code(), "amount", "."),
        () -> w.server.paymentIntents().update(other.getId(), PaymentIntentUpdateParams.builder().setAmount(6000L).build()));
    refused("an unknown intent", Refusal.missing("intent", "^No such payment_intent: "),
        () -> w.server.paymentIntents().retrieve("pi_000000000000000000000000"));
    refused("too little for Alma", Refusal.invalid("amount_too_small", "amount", "."),
        () -> create(w, euros().setAmount(4999L).addPaymentMethodType("alma")));
    refused("too much for Alma", Refusal.invalid("amount_too_large", "amount", "."),
        () -> create(w, euros().setAmount(500001L).addPaymentMethodType("alma")));
    assertEquals(0, w.balance("eur"));
  }

  static void intentRefund(World w) throws Exception {
    PaymentIntent pi = create(w, euros().addPaymentMethodType("alipay"));
    PaymentIntent open = confirm(w, pi, pi.getClientSecret(), "alipay", RETURN_URL);
    assertEquals("alipay_handle_redirect", open.getNextAction().getType());
    approve(open, "authorize");
    w.advance(2);
    w.hooks.await("payment_intent.succeeded", pi.getId());
    Refund done = refundOf(w, pi, 1000L);
    assertEquals(List.of(1000L, pi.getId(), "requested_by_customer"), List.of(done.getAmount(), done.getPaymentIntent(), done.getReason()));
    w.advance(600);
    assertEquals("succeeded", w.server.refunds().retrieve(done.getId()).getStatus());
    assertEquals(List.of(done.getId()), ids(all(w.server.refunds().list(RefundListParams.builder().setPaymentIntent(pi.getId()).build()))));
    assertEquals(List.of(List.of(done.getCharge(), 1000L, false)),
        charges(w, pi).stream().map(ch -> List.of(ch.getId(), ch.getAmountRefunded(), ch.getRefunded())).toList());
    refused("too much", Refusal.invalid(null, "amount", "40\\.99"), () -> refundOf(w, pi, 4100L));
    PaymentIntent unpaid = create(w, guide());
    refused("nothing to refund", Refusal.invalid(null, "payment_intent", "does not have a successful charge to refund"),
        () -> refundOf(w, unpaid, 1L));
  }

  private static Refund refundOf(World w, PaymentIntent pi, long amount) throws StripeException {
    return w.server.refunds().create(RefundCreateParams.builder().setPaymentIntent(pi.getId()).setAmount(amount)
        .setReason(RefundCreateParams.Reason.REQUESTED_BY_CUSTOMER).build());
  }

  /** A test card as a payer types it in. */
  static PaymentMethodCreateParams visa() {
    return PaymentMethodCreateParams.builder().setType(PaymentMethodCreateParams.Type.CARD)
        .setCard(PaymentMethodCreateParams.CardDetails.builder()
            .setNumber("4242424242424242").setExpMonth(12L).setExpYear(2034L).setCvc("123").build()).build();
  }

  static void paymentMethods(World w) throws Exception {
    var methods = w.server.paymentMethods();
    String cus = w.server.customers().create(CustomerCreateParams.builder().setEmail("li@example.com").build()).getId();
    var to = PaymentMethodAttachParams.builder().setCustomer(cus).build();
    PaymentMethod saved = methods.attach("pm_card_visa", to);
    assertTrue(saved.getId().startsWith("pm_") && !saved.getId().equals("pm_card_visa"), saved.getId());
    assertEquals(List.of("payment_method", "card", "visa", "4242", cus),
        List.of(saved.getObject(), saved.getType(), saved.getCard().getBrand(), saved.getCard().getLast4(), saved.getCustomer()));
    w.hooks.await("payment_method.attached", saved.getId());
    PaymentMethod updated = methods.update(saved.getId(), PaymentMethodUpdateParams.builder().putMetadata("a", "b")
        .setBillingDetails(PaymentMethodUpdateParams.BillingDetails.builder().setName("Li Wei").build()).build());
    assertEquals(List.of(Map.of("a", "b"), "Li Wei"), List.of(updated.getMetadata(), updated.getBillingDetails().getName()));
    PaymentMethod wallet = methods.create(PaymentMethodCreateParams.builder().setType(PaymentMethodCreateParams.Type.ALIPAY).build());
    methods.attach(wallet.getId(), to);
    assertEquals(List.of(wallet.getId(), saved.getId()),
        ids(all(methods.list(PaymentMethodListParams.builder().setCustomer(cus).setLimit(1L).build()))));
    assertEquals(List.of(saved.getId()), ids(all(w.server.customers().paymentMethods().list(cus,
        CustomerPaymentMethodListParams.builder().setType(CustomerPaymentMethodListParams.Type.CARD).build()))));

    // A saved card pays for its customer without them, and for nobody else.
    PaymentIntent pi = card(w, saved.getId(), p -> p.setCustomer(cus).setOffSession(true));
    assertEquals(List.of("succeeded", saved.getId(), cus), List.of(pi.getStatus(), pi.getPaymentMethod(), pi.getCustomer()));
    refused("without its customer", Refusal.invalid(null, "payment_method", "."), () -> card(w, saved.getId(), p -> {}));
    assertNull(methods.detach(saved.getId()).getCustomer());
    w.hooks.await("payment_method.detached", saved.getId());
    refused("an unknown method", Refusal.missing("payment_method", "^No such PaymentMethod: "),
        () -> methods.retrieve("pm_000000000000000000000000"));
    // Only test cards are cards, and only a browser may send one.
    assertEquals("4242", w.client.paymentMethods().create(visa()).getCard().getLast4());
    refused("a card from a server", new Refusal(402, CardException.class, "invalid_request_error", null, null, "."), () -> methods.create(visa()));
  }

  static void setupIntent(World w) throws Exception {
    String cus = w.server.customers().create(CustomerCreateParams.builder().setEmail("li@example.com").build()).getId();
    var params = SetupIntentCreateParams.builder().setCustomer(cus).addPaymentMethodType("alipay")
        .setUsage(SetupIntentCreateParams.Usage.OFF_SESSION).build();
    SetupIntent si = w.server.setupIntents().create(params);
    assertTrue(si.getId().startsWith("seti_"), si.getId());
    assertEquals(List.of("setup_intent", "requires_payment_method", "off_session"), List.of(si.getObject(), si.getStatus(), si.getUsage()));
    SetupIntent declined = agree(w, si, "decline");
    assertEquals(List.of("requires_payment_method", "setup_intent_authentication_failure"),
        List.of(declined.getStatus(), declined.getLastSetupError().getCode()));
    w.hooks.await("setup_intent.setup_failed", si.getId());
    SetupIntent done = agree(w, si, "authorize");
    var mandate = done.getMandateObject();
    assertEquals(List.of("succeeded", cus, "active", "multi_use"),
        List.of(done.getStatus(), done.getPaymentMethodObject().getCustomer(), mandate.getStatus(), mandate.getType()));
    w.hooks.await("setup_intent.succeeded", si.getId());
    assertEquals(List.of(si.getId()), ids(all(w.server.setupIntents().list(SetupIntentListParams.builder().setCustomer(cus).build()))));

    // Debited while the payer is away, until they withdraw.
    Call debit = () -> create(w, PaymentIntentCreateParams.builder().setAmount(1099L).setCurrency("usd").setCustomer(cus)
        .setPaymentMethod(done.getPaymentMethodObject().getId()).addPaymentMethodType("alipay").setOffSession(true).setConfirm(true));
    assertEquals("succeeded", ((PaymentIntent) debit.run()).getStatus());
    w.control("decide", Map.of("id", mandate.getId(), "decision", "withdraw"));
    assertEquals("inactive", w.server.mandates().retrieve(mandate.getId()).getStatus());
    w.hooks.await("mandate.updated", mandate.getId(), told -> told.get("status").getAsString().equals("inactive"));
    refused("debiting after that", Refusal.invalid("payment_intent_mandate_invalid", "payment_method", "."), debit);

    String other = w.server.setupIntents().create(params).getId();
    assertEquals("canceled", w.server.setupIntents().cancel(other).getStatus());
    refused("updating what was canceled", Refusal.invalid("setup_intent_unexpected_state", null, "."),
        () -> w.server.setupIntents().update(other, SetupIntentUpdateParams.builder().setDescription("x").build()));
  }

  /** Confirms as the browser does, and has the payer decide. */
  private static SetupIntent agree(World w, SetupIntent si, String decision) throws Exception {
    SetupIntent open = w.client.setupIntents().confirm(si.getId(), SetupIntentConfirmParams.builder()
        .putExtraParam("client_secret", si.getClientSecret()).putExtraParam("payment_method_data", Map.of("type", "alipay"))
        .putExtraParam("mandate_data", Map.of("customer_acceptance", Map.of("type", "online", "online", Map.of("infer_from_client", true))))
        .setReturnUrl(RETURN_URL).build());
    assertEquals(List.of("requires_action", "redirect_to_url"), List.of(open.getStatus(), open.getNextAction().getType()));
    var res = World.decide(open.getNextAction().getRedirectToUrl().getUrl(), decision);
    assertEquals(303, res.statusCode(), res::body);
    List<String> query = List.of(URI.create(res.headers().firstValue("Location").orElseThrow()).getRawQuery().split("&"));
    assertTrue(query.contains("setup_intent=" + si.getId()) && query.contains("setup_intent_client_secret=" + si.getClientSecret()),
        query::toString);
    return w.server.setupIntents().retrieve(si.getId(),
        SetupIntentRetrieveParams.builder().addExpand("mandate").addExpand("payment_method").build());
  }

  static void search(World w) throws Exception {
    List<String> made = new ArrayList<>();
    for (String colour : List.of("red", "red", "blue")) {
      String id = w.charged().getId();
      w.server.charges().update(id, ChargeUpdateParams.builder().putMetadata("colour", colour).build());
      made.add(id);
    }
    w.server.customers().create(CustomerCreateParams.builder().setEmail("li@example.com").setName("Li Wei").build());
    PaymentIntent pi = card(w, "pm_card_visa", p -> p.putMetadata("colour", "red"));

    var found = charges(w, "metadata['colour']:'red' AND amount>1000 AND status:'succeeded'");
    assertEquals(List.of("search_result", true, "/v1/charges/search", 1),
        List.of(found.getObject(), found.getHasMore(), found.getUrl(), found.getData().size()));
    assertNotNull(found.getNextPage());
    List<String> reds = new ArrayList<>();
    charges(w, "metadata['colour']:'red'").autoPagingIterable().forEach(ch -> reds.add(ch.getId()));
    reds.retainAll(made);
    assertEquals(List.of(made.get(1), made.get(0)), reds);
    assertEquals(List.of(pi.getId()), ids(w.server.paymentIntents().search(
        PaymentIntentSearchParams.builder().setQuery("metadata['colour']:'red'").build()).getData()));
    assertEquals(List.of("Li Wei"), w.server.customers().search(
        CustomerSearchParams.builder().setQuery("email:'LI@example.com'").build()).getData().stream().map(Customer::getName).toList());
    for (String query : List.of("colour is red", "flavour:'sweet'")) {
      refused(query, Refusal.invalid(null, "query", "."), () -> charges(w, query));
    }
  }

  private static StripeSearchResult<Charge> charges(World w, String query) throws StripeException {
    return w.server.charges().search(ChargeSearchParams.builder().setQuery(query).setLimit(1L).build());
  }
}
