package ducat;

import static ducat.World.DAY;
import static ducat.World.HOUR;
import static ducat.World.NOT_CHARGEABLE;
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

import com.stripe.model.Charge;
import com.stripe.model.Customer;
import com.stripe.model.Dispute;
import com.stripe.model.Refund;
import com.stripe.model.Source;
import com.stripe.param.ChargeListParams;
import com.stripe.param.ChargeRetrieveParams;
import com.stripe.param.CustomerCreateParams;
import com.stripe.param.DisputeListParams;
import com.stripe.param.DisputeUpdateParams;
import com.stripe.param.RefundCreateParams;
import com.stripe.param.RefundListParams;
import ducat.Receiver.Delivery;
import ducat.World.Refusal;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Refunds, disputes, and what time does to money. Every method that takes a world is a scenario. */
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
    assertEquals(1099 - fee, w.transactions().stream().mapToLong(txn -> txn.getNet()).sum());
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
