package ducat;

import static ducat.World.DAY;
import static ducat.World.HOUR;
import static ducat.World.NOT_CHARGEABLE;
import static ducat.World.RETURN_URL;
import static ducat.World.all;
import static ducat.World.ids;
import static ducat.World.order;
import static ducat.World.refund;
import static ducat.World.refused;
import static ducat.World.scenario;
import static ducat.World.visit;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.stripe.exception.StripeException;
import com.stripe.model.BalanceTransaction;
import com.stripe.model.Charge;
import com.stripe.model.Customer;
import com.stripe.model.Dispute;
import com.stripe.model.Refund;
import com.stripe.model.Source;
import com.stripe.model.reporting.ReportRun;
import com.stripe.param.BalanceTransactionListParams;
import com.stripe.param.ChargeListParams;
import com.stripe.param.ChargeRetrieveParams;
import com.stripe.param.CustomerCreateParams;
import com.stripe.param.DisputeListParams;
import com.stripe.param.DisputeUpdateParams;
import com.stripe.param.PaymentIntentCreateParams;
import com.stripe.param.PaymentMethodCreateParams;
import com.stripe.param.RefundCreateParams;
import com.stripe.param.RefundListParams;
import com.stripe.param.reporting.ReportRunCreateParams;
import ducat.Receiver.Delivery;
import ducat.World.Refusal;
import java.net.URI;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/** Refunds, disputes, reports, and what time does to money. Every method that takes a world is a scenario. */
final class Money {
  static void refunds(World w) throws Exception {
    Charge ch = w.charged();
    long fee = w.transactions().get(0).getFee();

    Refund first = refund(w, ch, 549L);
    assertTrue(first.getId().startsWith("pyr_"), first.getId());
    assertEquals(List.of("refund", 549L, "usd", ch.getId()),
        List.of(first.getObject(), first.getAmount(), first.getCurrency(), first.getCharge()));
    assertTrue(List.of("pending", "succeeded").contains(first.getStatus()), first.getStatus());
    Delivery told = w.hooks.await("charge.refunded", ch.getId(), got -> got.get("amount_refunded").getAsLong() == 549);
    assertFalse(((Charge) told.object()).getRefunded());
    w.hooks.await("refund.created", first.getId());
    assertEquals(1099 - fee - 549, w.balance());

    refused("too much", Refusal.invalid(null, "amount", "5\\.51.*greater than.*5\\.50"), () -> refund(w, ch, 551L));
    Refund rest = refund(w, ch, null);
    assertEquals(550, rest.getAmount());
    told = w.hooks.await("charge.refunded", ch.getId(), got -> got.get("amount_refunded").getAsLong() == 1099);
    assertTrue(((Charge) told.object()).getRefunded());
    for (Long amount : Arrays.asList(null, 1L)) {
      refused("once too often", Refusal.invalid("charge_already_refunded", null, ch.getId() + " has already been refunded"),
          () -> refund(w, ch, amount));
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

  static void pendingExpiry(World w) throws Exception {
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

  static void chargeableExpiry(World w) throws Exception {
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

  static void refundWindow(World w) throws Exception {
    Charge ch = w.charged();
    long end = ch.getCreated() + 90 * DAY;
    w.advanceTo(end - 60);
    refund(w, ch, 100L);
    w.advanceTo(end + 60);
    long before = w.balance();
    refused("a minute after the window ended", Refusal.invalid("charge_not_refundable", "charge", "too old to be refunded"),
        () -> refund(w, ch, 100L));
    assertEquals(before, w.balance());
  }

  private static final Refusal CHARGE_DISPUTED = Refusal.invalid("charge_disputed", "charge", ".");

  static void disputeWon(World w) throws Exception {
    Dispute d = w.disputed();
    assertTrue(d.getId().startsWith("dp_"), d.getId());
    assertEquals(List.of("dispute", 1099L, "usd", "product_not_received", "needs_response", 1),
        List.of(d.getObject(), d.getAmount(), d.getCurrency(), d.getReason(), d.getStatus(), d.getBalanceTransactions().size()));
    Charge ch = w.server.charges().retrieve(d.getCharge(), ChargeRetrieveParams.builder().addExpand("balance_transaction").build());
    long fee = ch.getBalanceTransactionObject().getFee();
    assertEquals(List.of(true, false, 0L), List.of(ch.getDisputed(), ch.getRefunded(), ch.getAmountRefunded()));
    assertEquals(-fee, w.balance());
    refused("refunding what is disputed", CHARGE_DISPUTED, () -> refund(w, ch, null));

    Dispute staged = w.server.disputes().update(d.getId(), DisputeUpdateParams.builder().setSubmit(false)
        .setEvidence(DisputeUpdateParams.Evidence.builder().setProductDescription("tea").build()).build());
    assertEquals(List.of("needs_response", "tea", true),
        List.of(staged.getStatus(), staged.getEvidence().getProductDescription(), staged.getEvidenceDetails().getHasEvidence()));
    Dispute submitted = w.server.disputes().update(d.getId(), DisputeUpdateParams.builder().setSubmit(true)
        .setEvidence(DisputeUpdateParams.Evidence.builder().setUncategorizedText("It was delivered.").build()).build());
    assertEquals(List.of("under_review", 1L), List.of(submitted.getStatus(), submitted.getEvidenceDetails().getSubmissionCount()));
    w.control("disputes/close", Map.of("id", d.getId(), "outcome", "won"));
    Dispute closed = (Dispute) w.hooks.await("charge.dispute.closed", d.getId()).object();
    assertEquals(List.of("won", 2), List.of(closed.getStatus(), closed.getBalanceTransactions().size()));
    w.hooks.await("charge.dispute.funds_reinstated", d.getId());
    assertEquals(1099 - fee, w.balance());
    assertEquals(1099 - fee, net(w.transactions()));
  }

  static void disputeLost(World w) throws Exception {
    Dispute d = w.disputed();
    long after = w.balance();
    assertEquals("lost", w.server.disputes().close(d.getId()).getStatus());
    w.hooks.await("charge.dispute.closed", d.getId());
    assertEquals(after, w.balance());
    var listed = all(w.server.disputes().list(DisputeListParams.builder().setCharge(d.getCharge()).build()));
    assertEquals(List.of(List.of(d.getId(), "lost")), listed.stream().map(got -> List.of(got.getId(), got.getStatus())).toList());
    refused("closing it again", Refusal.invalid(null, null, "."), () -> w.server.disputes().close(d.getId()));
    refused("refunding after the loss", CHARGE_DISPUTED,
        () -> w.server.refunds().create(RefundCreateParams.builder().setCharge(d.getCharge()).build()));
  }

  /** Takes $20 with a card whose bank asks about it, and returns the inquiry, which moves no money. */
  private static Dispute asked(World w, String method) throws Exception {
    long before = w.balance();
    Charge ch = w.server.paymentIntents().create(PaymentIntentCreateParams.builder().setAmount(2000L).setCurrency("usd")
        .addPaymentMethodType("card").setPaymentMethod(method).setConfirm(true).setReturnUrl(RETURN_URL)
        .addExpand("latest_charge.balance_transaction").build()).getLatestChargeObject();
    w.advance(2);
    var listed = all(w.server.disputes().list(DisputeListParams.builder().setCharge(ch.getId()).build()));
    assertEquals(1, listed.size());
    Dispute told = (Dispute) w.hooks.await("charge.dispute.created", listed.get(0).getId()).object();
    for (Dispute d : List.of(listed.get(0), told)) {
      assertEquals(List.of("warning_needs_response", 2000L, "fraudulent", true, List.of(), "inquiry"),
          List.of(d.getStatus(), d.getAmount(), d.getReason(), d.getIsChargeRefundable(), d.getBalanceTransactions(), caseType(d)));
    }
    Charge now = w.server.charges().retrieve(ch.getId());
    assertEquals(List.of(true, 0L), List.of(now.getDisputed(), now.getAmountRefunded()));
    assertEquals(before + ch.getBalanceTransactionObject().getNet(), w.balance());
    return told;
  }

  private static String caseType(Dispute d) {
    return d.getPaymentMethodDetails().getCard().getCaseType();
  }

  /** Submits evidence of which the text says what becomes of the case. */
  private static Dispute answer(World w, Dispute d, String text) throws StripeException {
    return w.server.disputes().update(d.getId(), DisputeUpdateParams.builder().setSubmit(true)
        .setEvidence(DisputeUpdateParams.Evidence.builder().setUncategorizedText(text).build()).build());
  }

  private static void inquiryClosed(World w, Dispute d) throws Exception {
    Dispute got = (Dispute) w.hooks.await("charge.dispute.closed", d.getId()).object();
    assertEquals(List.of("warning_closed", List.of()), List.of(got.getStatus(), got.getBalanceTransactions()));
    refused("closing it again", Refusal.invalid(null, null, "already closed"), () -> w.server.disputes().close(d.getId()));
  }

  private static long net(List<BalanceTransaction> txns) {
    return txns.stream().mapToLong(BalanceTransaction::getNet).sum();
  }

  static void inquiry(World w) throws Exception {
    w.control("account", Map.of("dispute_fee", 1500));
    Dispute waiting = asked(w, "pm_card_createDisputeInquiry");
    Dispute answered = answer(w, waiting, "It was delivered.");
    assertEquals(List.of("warning_under_review", 1L), List.of(answered.getStatus(), answered.getEvidenceDetails().getSubmissionCount()));
    Dispute decided = asked(w, "pm_card_createDisputeInquiry");
    assertEquals("warning_closed", answer(w, decided, "winning_evidence").getStatus());
    inquiryClosed(w, decided);

    var token = PaymentMethodCreateParams.builder().setType(PaymentMethodCreateParams.Type.CARD)
        .setCard(PaymentMethodCreateParams.Token.builder().setToken("tok_createDisputeInquiry").build()).build();
    Dispute escalated = asked(w, w.server.paymentMethods().create(token).getId());
    long before = w.balance();
    Dispute d = answer(w, escalated, "escalate_inquiry_evidence");
    assertEquals(List.of("needs_response", false, "chargeback"), List.of(d.getStatus(), d.getIsChargeRefundable(), caseType(d)));
    assertEquals(List.of(List.of(-2000L, 1500L, -3500L)),
        d.getBalanceTransactions().stream().map(txn -> List.of(txn.getAmount(), txn.getFee(), txn.getNet())).toList());
    w.hooks.await("charge.dispute.funds_withdrawn", d.getId());
    assertEquals(before - 3500, w.balance());
    refused("refunding after the escalation", CHARGE_DISPUTED,
        () -> w.server.refunds().create(RefundCreateParams.builder().setCharge(d.getCharge()).build()));
    assertEquals("won", answer(w, d, "winning_evidence").getStatus());
    w.hooks.await("charge.dispute.funds_reinstated", d.getId());

    assertEquals("warning_under_review", w.server.disputes().retrieve(waiting.getId()).getStatus());
    w.advance(120 * DAY);
    inquiryClosed(w, waiting);
    assertEquals(before, w.balance());
    assertEquals(before, net(w.transactions()));
  }

  private static final String ITEMIZED = "balance_change_from_activity.itemized.3";

  private static ReportRun report(World w, long start, long end, List<String> columns) throws StripeException {
    return w.server.reporting().reportRuns().create(ReportRunCreateParams.builder().setReportType(ITEMIZED)
        .setParameters(ReportRunCreateParams.Parameters.builder()
            .setIntervalStart(start).setIntervalEnd(end).addAllColumn(columns).build()).build());
  }

  static void report(World w) throws Exception {
    long start = w.dawn + DAY;
    long end = start + DAY;
    List<String> columns = List.of("balance_transaction_id", "net");
    w.charged(); // too early to be in it
    w.advanceTo(start);
    refund(w, w.charged(), 300L);
    w.disputed();
    refused("before the period is over", Refusal.invalid(null, "parameters[interval_end]", "data_available_end"),
        () -> report(w, start, end, columns));
    w.advanceTo(end);
    w.charged(); // too late
    assertTrue(w.server.reporting().reportTypes().retrieve(ITEMIZED).getDataAvailableEnd() >= end);
    refused("an unknown column", Refusal.invalid(null, "parameters[columns][1]", "."),
        () -> report(w, start, end, List.of("balance_transaction_id", "nett")));

    ReportRun run = report(w, start, end, columns);
    assertTrue(run.getId().startsWith("frr_"), run.getId());
    assertEquals(List.of("reporting.report_run", "pending"), List.of(run.getObject(), run.getStatus()));
    assertNull(run.getResult());
    for (int tries = 0; run.getStatus().equals("pending") && tries < 10; tries++) {
      w.advance(1);
      run = w.server.reporting().reportRuns().retrieve(run.getId());
    }
    assertEquals("succeeded", run.getStatus(), run.getError());
    assertEquals(List.of("finance_report_run", "csv"), List.of(run.getResult().getPurpose(), run.getResult().getType()));
    w.hooks.await("reporting.report_run.succeeded", run.getId());
    var file = w.get(URI.create(run.getResult().getUrl()).getPath());
    assertEquals(200, file.statusCode(), file::body);
    List<List<String>> lines = file.body().lines() // each value is quoted
        .map(line -> List.of(line.substring(1, line.length() - 1).split("\",\""))).toList();
    assertEquals(columns, lines.get(0));
    Map<String, Long> got = lines.stream().skip(1)
        .collect(Collectors.toMap(line -> line.get(0), line -> Long.valueOf(line.get(1).replace(".", "")))); // dollars and cents
    List<BalanceTransaction> txns = all(w.server.balanceTransactions().list(BalanceTransactionListParams.builder()
        .setCreated(BalanceTransactionListParams.Created.builder().setGte(start).setLt(end).build()).build()));
    assertEquals(4, got.size(), "two charges, a refund, a dispute");
    assertEquals(txns.stream().collect(Collectors.toMap(BalanceTransaction::getId, BalanceTransaction::getNet)), got);
    assertEquals(net(txns), got.values().stream().mapToLong(net -> net).sum());
  }

  static void customer(World w) throws Exception {
    Customer cus = w.server.customers().create(CustomerCreateParams.builder().setEmail("li@example.com").putMetadata("shop", "7").build());
    assertTrue(cus.getId().startsWith("cus_"), cus.getId());
    assertEquals(List.of("customer", "li@example.com", Map.of("shop", "7")), List.of(cus.getObject(), cus.getEmail(), cus.getMetadata()));
    // A logged-in checkout names the customer and the unattached source.
    Charge ch = w.charge(w.authorized(order()), p -> p.setCustomer(cus.getId()));
    assertEquals(List.of("succeeded", cus.getId()), List.of(ch.getStatus(), ch.getCustomer()));
    w.charged();
    assertEquals(List.of(ch.getId()), ids(all(w.server.charges().list(ChargeListParams.builder().setCustomer(cus.getId()).build()))));
    assertTrue(w.server.customers().delete(cus.getId()).getDeleted());
    assertTrue(w.server.customers().retrieve(cus.getId()).getDeleted());
    refused("an unknown customer", Refusal.missing("id", "^No such customer: 'cus_00000000000000'$"),
        () -> w.server.customers().retrieve("cus_00000000000000"));
  }

  static void settlementCutoff(World w) throws Exception {
    long evening = w.dawn + 13 * HOUR; // 22:00 in China
    w.advanceTo(evening);
    Source src = w.authorized(order());
    w.advanceTo(evening + 104 * 60);
    assertEquals("chargeable", w.server.sources().retrieve(src.getId()).getStatus());
    w.advanceTo(evening + 105 * 60);
    long late = w.hooks.await("source.canceled", src.getId()).event().getCreated() - evening - 105 * 60;
    assertTrue(late >= 0 && late <= 60, () -> "canceled " + late + " seconds after 23:45 in China");
    refused("charging after the cut-off", NOT_CHARGEABLE, () -> w.charge(src));
    w.untouched();
  }

  static void currencies(World w) throws Exception {
    for (String currency : List.of("aud", "cad", "eur", "gbp", "hkd", "jpy", "nzd", "sgd", "usd", "EUR")) {
      assertEquals(currency.toLowerCase(Locale.ROOT), w.source(order().setCurrency(currency)).getCurrency());
    }
    Charge ch = w.charged(order().setCurrency("jpy"));
    var txn = w.server.charges().retrieve(ch.getId(), ChargeRetrieveParams.builder().addExpand("balance_transaction").build())
        .getBalanceTransactionObject();
    assertEquals(List.of("jpy", 1099L), List.of(txn.getCurrency(), txn.getAmount()));
    assertNull(txn.getExchangeRate());
    assertEquals(List.of(txn.getNet(), 0L), List.of(w.balance("jpy"), w.balance("usd")));
    String page = visit(w.source(order().setCurrency("jpy")).getRedirect().getUrl()).body();
    assertTrue(page.contains("1,099") && !page.contains("10.99"), "the page does not show 1,099 yen");
    refused("mxn", Refusal.invalid("invalid_currency", null, "^Invalid currency: mxn\\. The payment method `alipay` does not support this currency"),
        () -> w.server.sources().create(order().setCurrency("mxn").build()));
    refused("xyz", Refusal.invalid(null, "currency", "^Invalid currency: xyz"),
        () -> w.server.sources().create(order().setCurrency("xyz").build()));
  }
}
