"""Drives a running ducat with the official Python library, as a merchant's
program would. The list of scenarios, shared with the other languages, is in
../SCENARIOS.md."""
import queue
import unittest

import stripe

from server import PATIENCE, Ducat
from world import API_VERSION, RETURN_URL, Receiver, World, dial, everything, ids, order, rand, visit

HOUR = 3600
OLD_VERSION = "2019-09-09"  # from before refunds left the charge

INVALID = stripe.InvalidRequestError
NOT_CHARGEABLE = {
    "status": 400, "error": INVALID, "code": "invalid_source_usage", "param": "source", "says": "not in a chargeable state",
}
ALREADY_USED = {**NOT_CHARGEABLE, "says": "already been used"}

ducat = None


def setUpModule():
    global ducat
    ducat = Ducat()


def tearDownModule():
    print(ducat.stop())


class Scenarios(unittest.TestCase):
    def setUp(self):
        self.w = World(self, ducat.url)

    def test_walk(self):
        w = self.w
        src = w.source(metadata={"order": "A-10045"}, owner={"name": "Li Wei", "email": "li@example.com"})
        self.assertRegex(src.id, r"^src_[0-9A-Za-z]{24}$")
        self.assertRegex(src.client_secret, r"^src_client_secret_[0-9A-Za-z]{24}$")
        self.assertEqual((src.type, src.flow, src.usage, src.amount, src.currency), ("alipay", "redirect", "single_use", 1099, "usd"))
        self.assertEqual((src.redirect.status, src.redirect.return_url), ("pending", RETURN_URL))
        self.assertTrue(w.dawn <= src.created < w.dawn + 300, src.created)

        page = visit(src.redirect.url)
        self.assertEqual(page.status, 200)
        self.assertRegex(page.headers["content-type"], "^text/html")
        for text in ("10.99", "Alipay", "Authorize Test Payment", "Fail Test Payment", src.id):
            self.assertIn(text, page.body)

        # The merchant charges inside the handler, before acknowledging.
        charges = queue.Queue()
        w.hooks.handlers["source.chargeable"] = lambda ev: charges.put(
            w.charge(ev.data.object, description="Order A-10045", metadata={"order": "A-10045"}))
        location = w.pay(src, "authorize")
        self.assertTrue(location.startswith(RETURN_URL + "&"), location)
        ev, body, signature = w.hooks.delivery("source.chargeable", src.id)
        ch = charges.get(timeout=PATIENCE)
        self.assertEqual((ev.data.object.status, ev.data.object.redirect.status), ("chargeable", "succeeded"))
        self.assertEqual(ev.data.object.client_secret, src.client_secret)
        self.assertEqual(ev.data.object.metadata.to_dict(), {"order": "A-10045"})
        self.assertEqual(ev.request.to_dict(), {"id": None, "idempotency_key": None})
        self.assertEqual(ev.api_version, API_VERSION)

        # What was accepted is refused with another secret or another body.
        for what, args in {
            "secret": (body, signature, "whsec_" + rand(32)),
            "body": (body.replace(b"1099", b"1098"), signature, w.hooks.secret),
        }.items():
            with self.subTest(what), self.assertRaises(stripe.SignatureVerificationError):
                stripe.Webhook.construct_event(*args)

        self.assertRegex(ch.id, r"^py_[0-9A-Za-z]{24}$")
        self.assertEqual(
            (ch.status, ch.paid, ch.captured, ch.amount, ch.amount_captured, ch.amount_refunded, ch.refunded, ch.disputed),
            ("succeeded", True, True, 1099, 1099, 0, False, False))
        self.assertEqual((ch.source.id, ch.source.status), (src.id, "consumed"))
        self.assertEqual((ch.currency, ch.description, ch.billing_details.name), ("usd", "Order A-10045", "Li Wei"))
        self.assertEqual(ch.payment_method_details.type, "alipay")
        self.assertTrue(ch.payment_method_details.alipay.transaction_id)

        ev = w.hooks.wait("charge.succeeded", ch.id)
        self.assertEqual(ev.data.object.metadata.to_dict(), {"order": "A-10045"})
        self.assertEqual(ev.data.object.source.metadata.to_dict(), {"order": "A-10045"})
        self.assertEqual(ev.request.id, ch.last_response.request_id)
        self.assertTrue(ev.request.idempotency_key)
        self.assertEqual(w.server.sources.retrieve(src.id).status, "consumed")

        # Whoever comes back to the page is sent on.
        back = visit(src.redirect.url)
        self.assertEqual(back.status, 302)
        self.assertTrue(back.headers["location"].startswith(RETURN_URL), back.headers["location"])

        txn = w.server.charges.retrieve(ch.id, {"expand": ["balance_transaction"]}).balance_transaction
        self.assertGreater(txn.fee, 0)
        self.assertEqual(
            (txn.object, txn.amount, txn.net, txn.type, txn.reporting_category, txn.source),
            ("balance_transaction", 1099, 1099 - txn.fee, "payment", "charge", ch.id))
        self.assertEqual(w.server.charges.retrieve(ch.id).balance_transaction, txn.id)
        self.assertEqual(w.balance(), txn.net)

    def test_decline(self):
        self.refuse("decline", "declined")

    def test_cancel(self):
        self.refuse("cancel", "user_abort")

    def refuse(self, decision, reason):
        w = self.w
        src = w.source()
        w.pay(src, decision)
        ev = w.hooks.wait("source.failed", src.id)
        for got in (ev.data.object, w.server.sources.retrieve(src.id)):
            self.assertEqual((got.status, got.redirect.status, got.redirect.failure_reason), ("failed", "failed", reason))
        w.refused(lambda: w.charge(src), **NOT_CHARGEABLE)
        w.untouched()

    def test_charge_pending(self):
        w = self.w
        src = w.source()
        w.refused(lambda: w.charge(src), **NOT_CHARGEABLE)
        w.pay(src, "authorize")
        w.hooks.wait("source.chargeable", src.id)
        self.assertEqual(w.charge(src).status, "succeeded")

    def test_charge_once(self):
        w = self.w
        ch = w.charged()
        w.refused(lambda: w.server.charges.create({"amount": 1099, "currency": "usd", "source": ch.source.id}), **ALREADY_USED)
        self.assertEqual(ids(everything(w.server.charges.list())), [ch.id])

    def test_charge_mismatch(self):
        w = self.w
        src = w.authorized()
        for change, param, says in (
            ({"amount": 1200}, "amount", "1200.*does not match.*1099"),
            ({"amount": 1000}, "amount", "1000.*does not match.*1099"),
            ({"currency": "eur"}, "currency", r"\(eur\) does not match the currency on the source \(usd\)"),
            ({"capture": False}, "capture", "."),
        ):
            with self.subTest(**change):
                w.refused(lambda: w.charge(src, **change), 400, INVALID, param=param, says=says)
        self.assertEqual(w.server.sources.retrieve(src.id).status, "chargeable")
        w.untouched()
        self.assertEqual(w.charge(src).status, "succeeded")

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

    def test_sandbox_outcomes(self):
        w = self.w

        def scenario(name):
            return {"metadata": {"ducat_scenario": name}}

        w.refused(lambda: w.server.sources.create(order(**scenario("payment_method_not_available"))),
                  400, INVALID, code="payment_method_not_available", param="type")
        w.refused(lambda: w.server.sources.create(order(**scenario("creation_processing_error"))),
                  500, stripe.APIError, type="api_error", code="processing_error")
        for code, param in (("insufficient_funds", None), ("invalid_amount", "amount")):
            with self.subTest(code):
                src = w.authorized(**scenario(code))
                err = w.refused(lambda: w.charge(src), 402, stripe.CardError, type="card_error", code=code, param=param, says="Alipay")
                self.assertEqual((err.code, err.param, err.error.decline_code), (code, param, code))
                self.assertRegex(err.error.charge, "^py_")
                got = w.hooks.wait("charge.failed", err.error.charge).data.object
                self.assertEqual((got.status, got.paid, got.failure_code, got.balance_transaction), ("failed", False, code, None))
                self.assertEqual(w.server.charges.retrieve(err.error.charge).status, "failed")
                self.assertEqual(w.server.sources.retrieve(src.id).status, "consumed")
        w.untouched()
        # The customer can try again at once with a new source.
        w.charged()

    def test_parameter_errors(self):
        w = self.w
        for what, change, code, param, says in (
            ("no type", {"type": None}, "parameter_missing", "type", r"^Missing required param: type\.$"),
            ("no amount", {"amount": None}, "parameter_missing", "amount", r"^Missing required param: amount\.$"),
            ("amount 0", {"amount": 0}, "parameter_invalid_integer", "amount", "."),
            ("amount 10.99", {"amount": "10.99"}, "parameter_invalid_integer", "amount", r"^Invalid integer: 10\.99$"),
            ("amount 49", {"amount": 49}, "amount_too_small", "amount", "."),
            ("amount 100000000", {"amount": 100000000}, "amount_too_large", "amount", "."),
            ("no currency", {"currency": None}, "parameter_missing", "currency", "."),
            ("no redirect", {"redirect": None}, "parameter_missing", "redirect", r"^Missing required param: redirect\.$"),
            ("no scheme", {"redirect": {"return_url": "shop.example/return"}}, "url_invalid", "redirect[return_url]", "."),
            ("usage reusable", {"usage": "reusable"}, None, "usage", "."),
            ("unknown param", {"colour": "red"}, "parameter_unknown", "colour", "^Received unknown parameter: colour$"),
        ):
            with self.subTest(what):
                w.refused(lambda: w.server.sources.create(order(**change)), 400, INVALID, code=code, param=param, says=says)

        src = w.authorized()
        for what, change, code, param in (
            ("charge without amount", {"amount": None}, "parameter_missing", "amount"),
            ("charge without source", {"source": None}, "parameter_missing", None),
            ("charge with an unknown source", {"source": "src_000000000000000000000000"}, "resource_missing", "source"),
            ("charge with an unknown parameter", {"colour": "red"}, "parameter_unknown", "colour"),
        ):
            with self.subTest(what):
                w.refused(lambda: w.charge(src, **change), 400, INVALID, code=code, param=param)
        unknown = rand(24)
        w.refused(lambda: w.server.sources.retrieve(f"src_{unknown}"), 404, INVALID,
                  code="resource_missing", param="source", says=f"^No such source: 'src_{unknown}'$")
        w.refused(lambda: w.server.charges.retrieve(f"py_{unknown}"), 404, INVALID,
                  code="resource_missing", param="id", says=f"^No such charge: 'py_{unknown}'$")
        self.assertEqual(w.server.sources.retrieve(src.id).status, "chargeable")

    def test_key_errors(self):
        w = self.w
        unauthorized = {"status": 401, "error": stripe.AuthenticationError}
        w.refused(lambda: dial(w.base, "sk_test_x").v1.charges.retrieve("py_1"), **unauthorized, says="^Invalid API Key provided: sk_test_")
        w.refused(lambda: dial(w.base, f"sk_live_{rand(24)}").v1.charges.retrieve("py_1"), **unauthorized, says="^Invalid API Key provided: sk_live_")
        src = w.authorized()
        w.refused(lambda: w.client.charges.create({"amount": 1099, "currency": "usd", "source": src.id}),
                  **unauthorized, code="secret_key_required", says="publishable API key")
        answer = visit(f"{w.base}/v1/charges")
        self.assertEqual(answer.status, 401)
        self.assertRegex(answer.headers["www-authenticate"], "^Basic")

    def test_idempotency(self):
        w = self.w
        key = f"order-{rand(12)}"

        def keyed(key, on=w, **change):
            return on.server.sources.create(order(**change), {"idempotency_key": key})

        first, second = keyed(key), keyed(key)
        self.assertEqual(second.to_dict(), first.to_dict())
        h1, h2 = first.last_response.headers, second.last_response.headers
        self.assertEqual((h1.get("idempotent-replayed"), h2.get("idempotent-replayed")), (None, "true"))
        self.assertEqual((h1["original-request"], h2["original-request"]), (h1["request-id"], h1["request-id"]))
        self.assertNotEqual(h2["request-id"], h1["request-id"])
        self.assertEqual(h2["idempotency-key"], key)

        mismatch = {"status": 400, "error": stripe.IdempotencyError, "type": "idempotency_error"}
        w.refused(lambda: keyed(key, amount=1100), **mismatch, says=f"same parameters.*'{key}'")
        w.refused(lambda: w.server.refunds.create({"charge": "py_000000000000000000000000"}, {"idempotency_key": key}),
                  **mismatch, says="same endpoint.*'/v1/sources' vs '/v1/refunds'")

        # A refusal of parameters leaves the key free.
        key = f"order-{rand(12)}"
        w.refused(lambda: keyed(key, amount=None), 400, INVALID, code="parameter_missing", param="amount")
        keyed(key)

        # A decline is the answer for good.
        src = w.authorized(metadata={"ducat_scenario": "insufficient_funds"})
        declined = [
            w.refused(lambda: w.charge(src, options={"idempotency_key": f"charge-{key}"}),
                      402, stripe.CardError, type="card_error", code="insufficient_funds").error.charge
            for _ in range(2)
        ]
        self.assertEqual(declined[0], declined[1])

        # The same key in another world is another key.
        theirs = keyed(key, on=World(self, ducat.url))
        self.assertNotIn("idempotent-replayed", theirs.last_response.headers)

    def test_pages(self):
        w = self.w
        want = [w.charged().id for _ in range(5)][::-1]  # newest first

        def page(**params):
            return w.server.charges.list({"limit": 2, **params})

        first = page()
        self.assertEqual((first.object, first.has_more, first.url, ids(first.data)), ("list", True, "/v1/charges", want[:2]))
        self.assertEqual(ids(everything(page())), want)
        last = page(starting_after=want[3])
        self.assertEqual((last.has_more, ids(last.data)), (False, want[4:]))
        back = page(ending_before=want[3])
        self.assertEqual((back.has_more, ids(back.data)), (True, want[1:3]))
        self.assertEqual(ids(everything(page(ending_before=want[4]))), want[3::-1])
        self.assertEqual(ids(everything(page(created={"gte": w.dawn}))), want)
        self.assertEqual(everything(page(created={"gt": w.dawn + 86400})), [])
        w.refused(lambda: page(starting_after="py_000000000000000000000000"), 400, INVALID,
                  code="resource_missing", param="starting_after", says="^No such charge: ")

    def test_versions(self):
        w = self.w
        old = Receiver(self)
        endpoint = w.register(old, ["charge.succeeded"], api_version=OLD_VERSION)
        self.assertEqual(endpoint.api_version, OLD_VERSION)

        ch = w.charged()
        self.assertEqual(ch.last_response.headers["stripe-version"], API_VERSION)
        self.assertNotIn("refunds", ch)
        pinned = w.server.charges.retrieve(ch.id, None, {"stripe_version": OLD_VERSION})
        self.assertEqual(pinned.last_response.headers["stripe-version"], OLD_VERSION)
        self.assertEqual((pinned.refunds.object, pinned.refunds.data, pinned.refunds.url), ("list", [], f"/v1/charges/{ch.id}/refunds"))
        # The account keeps the version of its first request.
        plain = w.get(w.sk, f"/v1/charges/{ch.id}")
        self.assertEqual(plain.headers["stripe-version"], API_VERSION)
        self.assertNotIn('"refunds"', plain.body)

        then, now = old.wait("charge.succeeded", ch.id), w.hooks.wait("charge.succeeded", ch.id)
        self.assertEqual(then.id, now.id)
        self.assertEqual((then.api_version, now.api_version), (OLD_VERSION, API_VERSION))
        self.assertIn("refunds", then.data.object)
        self.assertNotIn("refunds", now.data.object)
        w.refused(lambda: w.server.charges.retrieve(ch.id, None, {"stripe_version": "2099-01-01"}), 400, INVALID,
                  says="^Invalid Stripe API version: 2099-01-01")

    def test_dispute(self):
        w = self.w
        ch = w.charged()
        before = w.balance()
        opened = w.control("disputes", id=ch.id, reason="product_not_received")
        ev = w.hooks.wait("charge.dispute.created", opened["id"])
        got = ev.data.object
        self.assertEqual((got.object, got.charge, got.amount, got.currency, got.reason), ("dispute", ch.id, 1099, "usd", "product_not_received"))
        self.assertEqual(got.status, "needs_response")
        self.assertEqual(w.server.disputes.retrieve(got.id).status, "needs_response")
        self.assertEqual(ids(everything(w.server.disputes.list({"charge": ch.id}))), [got.id])
        self.assertTrue(w.server.charges.retrieve(ch.id).disputed)
        txn = w.transactions()[0]
        self.assertEqual((txn.type, txn.reporting_category, txn.amount, txn.source), ("adjustment", "dispute", -1099, got.id))
        self.assertEqual(w.balance(), before + txn.net)
        w.refused(lambda: w.server.refunds.create({"charge": ch.id}), 400, INVALID, code="charge_disputed", param="charge")

        w.server.disputes.update(got.id, {"evidence": {"uncategorized_text": "winning_evidence"}})
        closed = w.hooks.wait("charge.dispute.closed", got.id).data.object
        self.assertEqual(closed.status, "won")
        w.hooks.wait("charge.dispute.funds_reinstated", got.id)
        self.assertEqual(sum(txn.amount for txn in w.transactions()), 1099)


if __name__ == "__main__":
    unittest.main()
