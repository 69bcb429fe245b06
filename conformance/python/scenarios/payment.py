"""From a source to a charge."""
import queue
import urllib.parse

import stripe

from scenarios import ALREADY_USED, INVALID, NOT_CHARGEABLE, Scenario, scripted
from server import PATIENCE
from web import rand, visit
from world import API_VERSION, RETURN_URL, at_once, everything, ids, order


class Payment(Scenario):
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
        ev = w.hooks.wait("source.chargeable", src.id)
        ch = charges.get(timeout=PATIENCE)
        self.assertEqual((ev.data.object.status, ev.data.object.redirect.status), ("chargeable", "succeeded"))
        self.assertEqual(ev.data.object.client_secret, src.client_secret)
        self.assertEqual(ev.data.object.metadata.to_dict(), {"order": "A-10045"})
        self.assertEqual(ev.request.to_dict(), {"id": None, "idempotency_key": None})
        self.assertEqual(ev.api_version, API_VERSION)

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

    def test_sandbox_outcomes(self):
        w = self.w
        w.refused(lambda: w.server.sources.create(order(**scripted("payment_method_not_available"))),
                  400, INVALID, code="payment_method_not_available", param="type")
        w.refused(lambda: w.server.sources.create(order(**scripted("creation_processing_error"))),
                  500, stripe.APIError, type="api_error", code="processing_error")
        for code, param in (("insufficient_funds", None), ("invalid_amount", "amount")):
            with self.subTest(code):
                src = w.authorized(**scripted(code))
                err = w.refused(lambda: w.charge(src), 402, stripe.CardError, type="card_error", code=code, param=param, says="Alipay")
                self.assertEqual((err.code, err.param, err.error.decline_code), (code, param, code))
                self.assertRegex(err.error.charge, "^py_")
                got = w.hooks.wait("charge.failed", err.error.charge).data.object
                self.assertEqual((got.status, got.paid, got.failure_code, got.balance_transaction), ("failed", False, code, None))
                self.assertEqual(w.server.charges.retrieve(err.error.charge).status, "failed")
                self.assertEqual(w.server.sources.retrieve(src.id).status, "consumed")
                w.refused(lambda: w.server.refunds.create({"charge": err.error.charge}), 400, INVALID, code="charge_not_refundable", param="charge")
        w.untouched()
        # The customer can try again at once with a new source.
        w.charged()

    def test_publishable_key(self):
        w = self.w
        src = w.client.sources.create(order(metadata={"order": "B-1"}))
        self.assertNotIn("metadata", src)
        self.assertTrue(src.client_secret)
        self.assertEqual(w.server.sources.retrieve(src.id).metadata.to_dict(), {"order": "B-1"})
        seen = w.client.sources.retrieve(src.id, {"client_secret": src.client_secret})
        self.assertEqual(seen.id, src.id)
        self.assertNotIn("metadata", seen)

        w.refused(lambda: w.client.sources.retrieve(src.id), 400, INVALID, code="parameter_missing", param="client_secret")
        wrong = {"client_secret": f"src_client_secret_{rand(24)}"}
        unknown = f"src_{rand(24)}"
        told = [
            w.refused(lambda: w.client.sources.retrieve(id, wrong), 404, INVALID,
                      code="resource_missing", param="source", says="^No such source: ").user_message.replace(id, "")
            for id in (src.id, unknown)
        ]
        self.assertEqual(told[0], told[1], "a wrong secret and an unknown id can be told apart")

        w.pay(src, "authorize")
        ev = w.hooks.wait("source.chargeable", src.id)
        self.assertEqual(ev.data.object.metadata.to_dict(), {"order": "B-1"})
        self.assertEqual(w.charge(src).status, "succeeded")

    def test_return_url(self):
        w = self.w
        for given, want in {
            "https://shop.example/return": "https://shop.example/return?",
            "https://shop.example/return?cart=7%2F7&b=a+b": "https://shop.example/return?cart=7%2F7&b=a+b&",
            "http://localhost:3000/x?source=evil&cart=1&source=e2": "http://localhost:3000/x?cart=1&",
            "https://shop.example/return?livemode=true#part": "https://shop.example/return?",
        }.items():
            src = w.source(redirect={"return_url": given})
            self.assertEqual(src.redirect.return_url, given)
            location = w.pay(src, "authorize")
            self.assertTrue(location.startswith(want), f"{given} leads to {location}")
            self.assertEqual(urllib.parse.urlsplit(location).fragment, urllib.parse.urlsplit(given).fragment)

    def test_app_scheme(self):
        w = self.w
        src = w.source(redirect={"return_url": "myapp://pay"})
        location = urllib.parse.urlsplit(w.pay(src, "authorize"))
        self.assertEqual((location.scheme, location.netloc), ("myapp", "pay"))
        w.hooks.wait("source.chargeable", src.id)

    def test_customer_stays(self):
        w = self.w
        src = w.source()
        answer = visit(src.redirect.url, urllib.parse.urlencode({"decision": "authorize_no_return"}).encode())
        self.assertEqual((answer.status, answer.headers.get("location")), (200, None))
        w.hooks.wait("source.chargeable", src.id)
        self.assertEqual(w.charge(src).status, "succeeded")

    def test_late_confirmation(self):
        w = self.w
        src = w.source(**scripted("chargeable_delay=600"))
        w.pay(src, "authorize")
        self.assertEqual(w.server.sources.retrieve(src.id).status, "pending")
        w.refused(lambda: w.charge(src), **NOT_CHARGEABLE)
        w.advance(600)
        w.hooks.wait("source.chargeable", src.id)
        self.assertEqual(w.charge(src).status, "succeeded")

    def test_charge_race(self):
        w = self.w
        src = w.authorized()
        done, errors = at_once(8, lambda: w.charge(src))
        self.assertEqual(len(done), 1)
        for err in errors:
            w.refusal(err, **ALREADY_USED)

        src, key = w.authorized(), rand(20)
        done, errors = at_once(8, lambda: w.charge(src, {"idempotency_key": key}))
        self.assertEqual(len(set(ids(done))), 1, "one key made more than one charge")
        first = [ch for ch in done if ch.last_response.headers["original-request"] == ch.last_response.headers["request-id"]]
        self.assertEqual(len(first), 1, "answers that claim to be the first execution")
        for err in errors:
            w.refusal(err, 409, stripe.APIError, code="idempotency_key_in_use")
        self.assertEqual(len(everything(w.server.charges.list())), 2)
