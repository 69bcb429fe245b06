"""Refunds, disputes, reports, and what time does to money."""
import csv

from scenarios import DAY, HOUR, INVALID, NOT_CHARGEABLE, Scenario
from web import visit
from world import RETURN_URL, everything, ids, order

CHARGE_DISPUTED = {"status": 400, "error": INVALID, "code": "charge_disputed", "param": "charge"}


class Money(Scenario):
    def test_refunds(self):
        w = self.w
        ch = w.charged()
        fee = w.transactions()[0].fee

        def refund(amount=None):
            return w.server.refunds.create({"charge": ch.id, **({"amount": amount} if amount else {})})

        first = refund(549)
        self.assertRegex(first.id, "^pyr_")
        self.assertEqual((first.object, first.amount, first.currency, first.charge), ("refund", 549, "usd", ch.id))
        self.assertIn(first.status, ("pending", "succeeded"))
        ev = w.hooks.wait("charge.refunded", ch.id, lambda got: got.amount_refunded == 549)
        self.assertFalse(ev.data.object.refunded)
        w.hooks.wait("refund.created", first.id)
        self.assertEqual(w.balance(), 1099 - fee - 549)

        w.refused(lambda: refund(551), 400, INVALID, param="amount", says=r"5\.51.*greater than.*5\.50")
        rest = refund()
        self.assertEqual(rest.amount, 550)
        ev = w.hooks.wait("charge.refunded", ch.id, lambda got: got.amount_refunded == 1099)
        self.assertTrue(ev.data.object.refunded)
        for amount in (None, 1):
            w.refused(lambda: refund(amount), 400, INVALID, code="charge_already_refunded", says=f"{ch.id} has already been refunded")

        w.advance(600)
        for re in (first, rest):
            self.assertEqual(w.server.refunds.retrieve(re.id).status, "succeeded")
        self.assertEqual(ids(everything(w.server.refunds.list({"charge": ch.id}))), [rest.id, first.id])
        full = w.server.charges.retrieve(ch.id, {"expand": ["refunds"]})
        self.assertEqual((full.status, full.amount_refunded, full.refunded), ("succeeded", 1099, True))
        self.assertEqual(ids(full.refunds.data), [rest.id, first.id])
        self.assertEqual(
            [(txn.type, txn.amount, txn.fee, txn.net, txn.source) for txn in w.transactions()],
            [("payment_refund", -550, 0, -550, rest.id), ("payment_refund", -549, 0, -549, first.id),
             ("payment", 1099, fee, 1099 - fee, ch.id)])
        self.assertEqual(w.balance(), -fee)

    def test_pending_expiry(self):
        w = self.w
        src = w.source(metadata={"order": "C-1"})
        w.advance(59 * 60)
        self.assertEqual(w.server.sources.retrieve(src.id).status, "pending")
        w.advance(61)
        ev = w.hooks.wait("source.canceled", src.id)
        self.assertEqual((ev.data.object.status, ev.data.object.metadata.to_dict()), ("canceled", {"order": "C-1"}))
        self.assertTrue(HOUR <= ev.created - src.created <= HOUR + 60, ev.created - src.created)
        self.assertEqual(w.server.sources.retrieve(src.id).status, "canceled")
        page = visit(src.redirect.url)
        self.assertLess(page.status, 500)
        self.assertNotIn("Authorize Test Payment", page.body)
        w.refused(lambda: w.charge(src), **NOT_CHARGEABLE)
        w.untouched()

    def test_chargeable_expiry(self):
        w = self.w
        src = w.authorized(metadata={"order": "D-1"})
        w.advance(6 * HOUR - 300)
        self.assertEqual(w.server.sources.retrieve(src.id).status, "chargeable")
        w.advance(301)
        got = w.hooks.wait("source.canceled", src.id).data.object
        self.assertEqual((got.status, got.metadata.to_dict(), got.redirect.status), ("canceled", {"order": "D-1"}, "succeeded"))
        self.assertEqual(w.server.sources.retrieve(src.id).status, "canceled")
        w.refused(lambda: w.charge(src), **NOT_CHARGEABLE)
        w.untouched()
        self.assertEqual(everything(w.server.charges.list()), [])

    def test_refund_window(self):
        w = self.w
        ch = w.charged()
        end = ch.created + 90 * DAY
        w.advance_to(end - 60)
        w.server.refunds.create({"charge": ch.id, "amount": 100})
        w.advance_to(end + 60)
        before = w.balance()
        w.refused(lambda: w.server.refunds.create({"charge": ch.id, "amount": 100}), 400, INVALID,
                  code="charge_not_refundable", param="charge", says="too old to be refunded")
        self.assertEqual(w.balance(), before)

    def test_dispute_won(self):
        w = self.w
        ch, d = w.disputed()
        self.assertRegex(d.id, "^dp_")
        self.assertEqual((d.object, d.charge, d.amount, d.currency, d.reason, d.status, len(d.balance_transactions)),
                         ("dispute", ch.id, 1099, "usd", "product_not_received", "needs_response", 1))
        ch = w.server.charges.retrieve(ch.id, {"expand": ["balance_transaction"]})
        fee = ch.balance_transaction.fee
        self.assertEqual((ch.disputed, ch.refunded, ch.amount_refunded), (True, False, 0))
        self.assertEqual(w.balance(), -fee)
        w.refused(lambda: w.server.refunds.create({"charge": ch.id}), **CHARGE_DISPUTED)

        d = w.server.disputes.update(d.id, {"evidence": {"product_description": "tea"}, "submit": False})
        self.assertEqual((d.status, d.evidence.product_description, d.evidence_details.has_evidence), ("needs_response", "tea", True))
        d = w.server.disputes.update(d.id, {"evidence": {"uncategorized_text": "It was delivered."}, "submit": True})
        self.assertEqual((d.status, d.evidence_details.submission_count), ("under_review", 1))
        w.control("disputes/close", id=d.id, outcome="won")
        got = w.hooks.wait("charge.dispute.closed", d.id).data.object
        self.assertEqual((got.status, len(got.balance_transactions)), ("won", 2))
        w.hooks.wait("charge.dispute.funds_reinstated", d.id)
        self.assertEqual(w.balance(), 1099 - fee)
        self.assertEqual(sum(txn.net for txn in w.transactions()), 1099 - fee)

    def test_dispute_lost(self):
        w = self.w
        ch, d = w.disputed()
        after = w.balance()
        self.assertEqual(w.server.disputes.close(d.id).status, "lost")
        w.hooks.wait("charge.dispute.closed", d.id)
        self.assertEqual(w.balance(), after)
        listed = everything(w.server.disputes.list({"charge": ch.id}))
        self.assertEqual([(got.id, got.status) for got in listed], [(d.id, "lost")])
        w.refused(lambda: w.server.disputes.close(d.id), 400, INVALID)
        w.refused(lambda: w.server.refunds.create({"charge": ch.id}), **CHARGE_DISPUTED)

    def asked(self, method):
        """Takes $20 with a card whose bank asks about it, and returns the
        inquiry, which moves no money."""
        w = self.w
        before = w.balance()
        pi = w.server.payment_intents.create({
            "amount": 2000, "currency": "usd", "allowed_payment_method_types": ["card"], "payment_method": method,
            "confirm": True, "return_url": RETURN_URL, "expand": ["latest_charge.balance_transaction"]})
        w.advance(2)
        d, = everything(w.server.disputes.list({"charge": pi.latest_charge.id}))
        told = w.hooks.wait("charge.dispute.created", d.id).data.object
        for got in (d, told):
            self.assertEqual((got.status, got.amount, got.reason, got.is_charge_refundable, got.balance_transactions),
                             ("warning_needs_response", 2000, "fraudulent", True, []))
            self.assertEqual(got.payment_method_details.card.case_type, "inquiry")
        ch = w.server.charges.retrieve(d.charge)
        self.assertEqual((ch.disputed, ch.amount_refunded), (True, 0))
        self.assertEqual(w.balance(), before + pi.latest_charge.balance_transaction.net)
        return d

    def inquiry_closed(self, d):
        got = self.w.hooks.wait("charge.dispute.closed", d.id).data.object
        self.assertEqual((got.status, got.balance_transactions), ("warning_closed", []))
        self.w.refused(lambda: self.w.server.disputes.close(d.id), 400, INVALID, says="already closed")

    def test_inquiry(self):
        w = self.w
        w.control("account", dispute_fee=1500)

        def answer(d, text):
            return w.server.disputes.update(d.id, {"evidence": {"uncategorized_text": text}, "submit": True})

        waiting = self.asked("pm_card_createDisputeInquiry")
        answered = answer(waiting, "It was delivered.")
        self.assertEqual((answered.status, answered.evidence_details.submission_count), ("warning_under_review", 1))
        decided = self.asked("pm_card_createDisputeInquiry")
        self.assertEqual(answer(decided, "winning_evidence").status, "warning_closed")
        self.inquiry_closed(decided)

        method = w.server.payment_methods.create({"type": "card", "card": {"token": "tok_createDisputeInquiry"}})
        escalated = self.asked(method.id)
        before = w.balance()
        d = answer(escalated, "escalate_inquiry_evidence")
        self.assertEqual((d.status, d.is_charge_refundable, d.payment_method_details.card.case_type), ("needs_response", False, "chargeback"))
        self.assertEqual([(txn.amount, txn.fee, txn.net) for txn in d.balance_transactions], [(-2000, 1500, -3500)])
        w.hooks.wait("charge.dispute.funds_withdrawn", d.id)
        self.assertEqual(w.balance(), before - 3500)
        w.refused(lambda: w.server.refunds.create({"charge": d.charge}), **CHARGE_DISPUTED)
        self.assertEqual(answer(d, "winning_evidence").status, "won")
        w.hooks.wait("charge.dispute.funds_reinstated", d.id)

        self.assertEqual(w.server.disputes.retrieve(waiting.id).status, "warning_under_review")
        w.advance(120 * DAY)
        self.inquiry_closed(waiting)
        self.assertEqual(w.balance(), before)
        self.assertEqual(sum(txn.net for txn in w.transactions()), before)

    def test_report(self):
        w = self.w
        start, end = w.dawn + DAY, w.dawn + 2 * DAY
        name, columns = "balance_change_from_activity.itemized.3", ["balance_transaction_id", "net"]
        w.charged()  # too early to be in it
        w.advance_to(start)
        w.server.refunds.create({"charge": w.charged().id, "amount": 300})
        w.disputed()

        def create(columns):
            return w.server.reporting.report_runs.create({
                "report_type": name, "parameters": {"interval_start": start, "interval_end": end, "columns": columns}})

        w.refused(lambda: create(columns), 400, INVALID, param="parameters[interval_end]", says="data_available_end")
        w.advance_to(end)
        w.charged()  # too late
        self.assertGreaterEqual(w.server.reporting.report_types.retrieve(name).data_available_end, end)
        w.refused(lambda: create(["balance_transaction_id", "nett"]), 400, INVALID, param="parameters[columns][1]")

        run = create(columns)
        self.assertRegex(run.id, "^frr_")
        self.assertEqual((run.object, run.status, run.result), ("reporting.report_run", "pending", None))
        for _ in range(10):
            w.advance(1)
            run = w.server.reporting.report_runs.retrieve(run.id)
            if run.status != "pending":
                break
        self.assertEqual((run.status, run.error, run.result.purpose, run.result.type), ("succeeded", None, "finance_report_run", "csv"))
        w.hooks.wait("reporting.report_run.succeeded", run.id)
        file = visit(run.result.url, headers={"authorization": f"Bearer {w.sk}"})
        self.assertEqual(file.status, 200, file.body)
        head, *lines = csv.reader(file.body.splitlines())
        self.assertEqual(head, columns)
        got = {id: int(net.replace(".", "")) for id, net in lines}  # dollars and cents
        txns = everything(w.server.balance_transactions.list({"created": {"gte": start, "lt": end}}))
        self.assertEqual(len(lines), 4, "two charges, a refund, a dispute")
        self.assertEqual(got, {txn.id: txn.net for txn in txns})
        self.assertEqual(sum(got.values()), sum(txn.net for txn in txns))

    def test_customer(self):
        w = self.w
        cus = w.server.customers.create({"email": "li@example.com", "metadata": {"shop": "7"}})
        self.assertRegex(cus.id, "^cus_")
        self.assertEqual((cus.object, cus.email, cus.metadata.to_dict()), ("customer", "li@example.com", {"shop": "7"}))
        # A logged-in checkout names the customer and the unattached source.
        ch = w.charge(w.authorized(), customer=cus.id)
        self.assertEqual((ch.status, ch.customer), ("succeeded", cus.id))
        w.charged()
        self.assertEqual(ids(everything(w.server.charges.list({"customer": cus.id}))), [ch.id])
        self.assertTrue(w.server.customers.delete(cus.id).deleted)
        self.assertTrue(w.server.customers.retrieve(cus.id).deleted)
        w.refused(lambda: w.server.customers.retrieve("cus_00000000000000"), 404, INVALID,
                  code="resource_missing", param="id", says="^No such customer: 'cus_00000000000000'$")

    def test_settlement_cutoff(self):
        w = self.w

        def at(hour, minute):  # in China
            return w.dawn + (hour - 9) * HOUR + minute * 60

        w.advance_to(at(22, 0))
        src = w.authorized()
        w.advance_to(at(23, 44))
        self.assertEqual(w.server.sources.retrieve(src.id).status, "chargeable")
        w.advance_to(at(23, 45))
        ev = w.hooks.wait("source.canceled", src.id)
        self.assertTrue(at(23, 45) <= ev.created <= at(23, 46), f"canceled at {ev.created}")
        w.refused(lambda: w.charge(src), **NOT_CHARGEABLE)
        w.untouched()

    def test_currencies(self):
        w = self.w
        for currency in ("aud", "cad", "eur", "gbp", "hkd", "jpy", "nzd", "sgd", "usd", "EUR"):
            self.assertEqual(w.source(currency=currency).currency, currency.lower())
        ch = w.charged(currency="jpy")
        txn = w.server.charges.retrieve(ch.id, {"expand": ["balance_transaction"]}).balance_transaction
        self.assertEqual((txn.currency, txn.amount, txn.exchange_rate), ("jpy", 1099, None))
        self.assertEqual((w.balance("jpy"), w.balance("usd")), (txn.net, 0))
        body = visit(w.source(currency="jpy").redirect.url).body
        self.assertIn("1,099", body)
        self.assertNotIn("10.99", body)
        w.refused(lambda: w.server.sources.create(order(currency="mxn")), 400, INVALID, code="invalid_currency",
                  says=r"^Invalid currency: mxn\. The payment method `alipay` does not support this currency")
        w.refused(lambda: w.server.sources.create(order(currency="xyz")), 400, INVALID, param="currency", says="^Invalid currency: xyz")
