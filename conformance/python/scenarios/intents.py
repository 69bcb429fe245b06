"""PaymentIntents and PaymentMethods."""
import urllib.parse

import stripe

from scenarios import INVALID, Scenario
from web import visit
from world import API_VERSION, RETURN_URL, everything, ids

UNEXPECTED = {"status": 400, "error": INVALID, "code": "payment_intent_unexpected_state"}


class Intents(Scenario):
    def intent(self, **change):
        """Creates one of 50.99 euro, as the guide does."""
        params = {"amount": 5099, "currency": "eur", "automatic_payment_methods": {"enabled": True}, **change}
        return self.w.server.payment_intents.create({name: value for name, value in params.items() if value is not None})

    def confirm(self, pi, type="alma"):
        """What the browser does, with the publishable key and the client secret."""
        return self.w.client.payment_intents.confirm(
            pi.id, {"client_secret": pi.client_secret, "payment_method_data": {"type": type}, "return_url": RETURN_URL})

    def card(self, method, **change):
        """Creates and confirms an intent with a test card."""
        return self.w.server.payment_intents.create({
            "amount": 1099, "currency": "usd", "allowed_payment_method_types": ["card"], "payment_method": method,
            "confirm": True, "return_url": RETURN_URL, **change})

    def approve(self, pi, decision="authorize"):
        """Posts a decision to the page of an intent, and returns the query the
        payer comes back with."""
        self.assertEqual(pi.status, "requires_action")
        action = pi.next_action[pi.next_action.type]
        self.assertEqual(action.return_url, RETURN_URL)
        location = self.w.decide(action.url, decision)
        self.assertTrue(location.startswith(RETURN_URL + "&"), location)
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(location).query))
        self.assertEqual((query["payment_intent"], query["payment_intent_client_secret"]), (pi.id, pi.client_secret))
        self.assertEqual(query["redirect_status"], "succeeded" if decision == "authorize" else "failed")
        return query

    def retrieve(self, pi, *paths):
        return self.w.server.payment_intents.retrieve(pi.id, {"expand": list(paths)} if paths else {})

    def test_intent_alma(self):
        w = self.w
        pi = self.intent(metadata={"order": "6735"}, description="Two chairs")
        self.assertRegex(pi.id, "^pi_")
        self.assertTrue(pi.client_secret.startswith(f"{pi.id}_secret_"), pi.client_secret)
        self.assertEqual((pi.object, pi.status, pi.amount, pi.currency, pi.next_action, pi.latest_charge),
                         ("payment_intent", "requires_payment_method", 5099, "eur", None, None))
        self.assertIn("alma", pi.payment_method_types)
        w.hooks.wait("payment_intent.created", pi.id)

        opened = self.confirm(pi)
        self.assertEqual(opened.next_action.type, "redirect_to_url")
        self.assertNotIn("metadata", opened)
        w.hooks.wait("payment_intent.requires_action", pi.id)
        page = visit(opened.next_action.redirect_to_url.url)
        for text in ("50.99", "Alma", "Authorize Test Payment", "Fail Test Payment"):
            self.assertIn(text, page.body)
        self.assertEqual(self.approve(opened)["redirect_pm_type"], "alma")

        told = w.hooks.wait("payment_intent.succeeded", pi.id).data.object
        self.assertEqual((told.status, told.amount_received, told.metadata.to_dict()), ("succeeded", 5099, {"order": "6735"}))
        done = self.retrieve(pi, "latest_charge.balance_transaction", "payment_method")
        ch = done.latest_charge
        self.assertEqual((done.status, done.payment_method.type, ch.status, ch.payment_intent, ch.description),
                         ("succeeded", "alma", "succeeded", pi.id, "Two chairs"))
        self.assertEqual(ch.payment_method_details.type, "alma")
        w.hooks.wait("charge.succeeded", ch.id)
        self.assertEqual((ch.balance_transaction.amount, ch.balance_transaction.currency), (5099, "eur"))
        self.assertEqual(w.balance("eur"), ch.balance_transaction.net)
        seen = w.client.payment_intents.retrieve(pi.id, {"client_secret": pi.client_secret})
        self.assertEqual((seen.status, "metadata" in seen, "latest_charge" in seen), ("succeeded", False, False))

    def test_intent_decline(self):
        w = self.w
        pi = self.intent()

        def failed(code):
            got = self.retrieve(pi)
            self.assertEqual((got.status, got.payment_method, got.next_action, got.last_payment_error.code),
                             ("requires_payment_method", None, None, code))
            w.hooks.wait("payment_intent.payment_failed", pi.id, lambda told: told.last_payment_error.code == code)

        self.approve(self.confirm(pi), "decline")
        failed("payment_intent_authentication_failure")
        # The page is good for an hour.
        self.confirm(pi)
        w.advance(59 * 60)
        self.assertEqual(self.retrieve(pi).status, "requires_action")
        w.advance(61)
        failed("payment_intent_payment_attempt_expired")
        self.assertEqual(w.balance("eur"), 0)
        # The same intent and secret are good for another try.
        self.approve(self.confirm(pi))
        done = self.retrieve(pi)
        self.assertEqual((done.status, done.last_payment_error), ("succeeded", None))
        self.assertEqual(ids(everything(w.server.charges.list({"payment_intent": pi.id}))), [done.latest_charge])

    def test_intent_cards(self):
        w = self.w
        paid = self.card("pm_card_visa", expand=["latest_charge"])
        ch = paid.latest_charge
        self.assertRegex(ch.id, "^ch_")
        self.assertEqual((paid.status, ch.status, ch.payment_method_details.card.last4), ("succeeded", "succeeded", "4242"))
        for method, code, decline, param in (
            ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline", None),
            ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds", None),
            ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card", "exp_month"),
        ):
            with self.subTest(method):
                err = w.refused(lambda: self.card(method), 402, stripe.CardError, type="card_error", code=code, param=param)
                self.assertEqual((err.error.decline_code, err.error.payment_intent.status), (decline, "requires_payment_method"))
                self.assertEqual(w.server.charges.retrieve(err.error.charge).failure_code, code)
        pi = self.card("pm_card_threeDSecure2Required")
        self.assertEqual(self.approve(pi)["redirect_pm_type"], "card")
        self.assertEqual(self.retrieve(pi).status, "succeeded")
        pi = self.card("pm_card_threeDSecure2Required")
        self.approve(pi, "decline")
        pi = self.retrieve(pi)
        self.assertEqual((pi.status, pi.last_payment_error.code), ("requires_payment_method", "payment_intent_authentication_failure"))
        w.refused(lambda: self.card("pm_card_authenticationRequired", off_session=True), 402, stripe.CardError,
                  type="card_error", code="authentication_required")

    def test_intent_capture(self):
        w = self.w

        def held():
            pi = self.intent(capture_method="manual")
            self.approve(self.confirm(pi))
            got = self.retrieve(pi)
            self.assertEqual((got.status, got.amount_capturable, got.amount_received), ("requires_capture", 5099, 0))
            return got

        def capture(pi, **params):
            return w.server.payment_intents.capture(pi.id, params)

        first = held()
        w.hooks.wait("payment_intent.amount_capturable_updated", first.id)
        self.assertEqual(w.balance("eur"), 0)
        w.refused(lambda: capture(first, amount_to_capture=5100), 400, INVALID, code="amount_too_large", param="amount_to_capture")
        done = capture(first, amount_to_capture=3000, expand=["latest_charge.balance_transaction"])
        self.assertEqual((done.status, done.amount_received, done.amount_capturable, done.latest_charge.amount_captured),
                         ("succeeded", 3000, 0, 3000))
        net = done.latest_charge.balance_transaction.net
        self.assertEqual(w.balance("eur"), net)
        w.refused(lambda: capture(first), **UNEXPECTED)

        second = held()
        canceled = w.server.payment_intents.cancel(second.id, {"cancellation_reason": "requested_by_customer"})
        self.assertEqual((canceled.status, canceled.cancellation_reason, canceled.amount_capturable), ("canceled", "requested_by_customer", 0))
        w.hooks.wait("payment_intent.canceled", second.id)
        w.refused(lambda: capture(second), **UNEXPECTED)
        self.assertEqual(w.balance("eur"), net)

    def test_intent_errors(self):
        w = self.w

        # The guide is older than this library's version, which has no payment_method_types.
        def create(version="2026-03-25.dahlia", **change):
            return w.server.payment_intents.create({"amount": 5099, "currency": "eur", **change}, {"stripe_version": version})

        # The four of the guide.
        w.refused(lambda: create(currency="usd", payment_method_types=["alma"]), 400, INVALID,
                  code="payment_intent_invalid_currency", param="currency")
        w.refused(lambda: create(payment_method_data={"billing_details": {"name": "x"}}), 400, INVALID,
                  code="missing_required_parameter", param="payment_method_data[type]",
                  says=r"^Missing required param: payment_method_data\[type\]\.$")
        pi = self.intent()
        w.refused(lambda: w.client.payment_intents.confirm(pi.id, {"client_secret": pi.client_secret, "payment_method_data": {"type": "alma"}}),
                  400, INVALID, code="payment_intent_redirect_confirmation_without_return_url", param="return_url")
        w.decide(self.confirm(pi).next_action.redirect_to_url.url, "authorize", scenario="wallet_error")
        failed = self.retrieve(pi, "latest_charge")
        self.assertEqual((failed.status, failed.last_payment_error.code, failed.latest_charge.status),
                         ("requires_payment_method", "payment_intent_payment_attempt_failed", "failed"))

        other = self.intent()
        secret = {"client_secret": other.client_secret}
        wrong = {"status": 400, "error": INVALID, "code": "payment_intent_invalid_parameter", "param": "client_secret"}
        w.refused(lambda: w.client.payment_intents.confirm(
            pi.id, {**secret, "payment_method_data": {"type": "alma"}, "return_url": RETURN_URL}), **wrong)
        w.refused(lambda: w.client.payment_intents.retrieve(pi.id, secret), **wrong)
        w.server.payment_intents.cancel(other.id)
        w.refused(lambda: self.confirm(other), **UNEXPECTED, param="payment_method")
        w.refused(lambda: w.server.payment_intents.update(other.id, {"amount": 6000}), **UNEXPECTED, param="amount")
        w.refused(lambda: w.server.payment_intents.retrieve("pi_000000000000000000000000"), 404, INVALID,
                  code="resource_missing", param="intent", says="^No such payment_intent: ")
        w.refused(lambda: create(amount=4999, payment_method_types=["alma"]), 400, INVALID, code="amount_too_small", param="amount")
        w.refused(lambda: create(API_VERSION, payment_method_types=["alma"]), 400, INVALID, code="parameter_unknown", param="payment_method_types")
        w.refused(lambda: create(amount=500001, payment_method_types=["alma"]), 400, INVALID, code="amount_too_large", param="amount")
        self.assertEqual(w.balance("eur"), 0)

    def test_intent_refund(self):
        w = self.w
        pi = self.intent(allowed_payment_method_types=["alipay"], automatic_payment_methods=None)
        opened = self.confirm(pi, "alipay")
        self.assertEqual(opened.next_action.type, "alipay_handle_redirect")
        self.approve(opened)
        w.advance(2)
        w.hooks.wait("payment_intent.succeeded", pi.id)

        def refund(pi, amount):
            return w.server.refunds.create({"payment_intent": pi.id, "amount": amount, "reason": "requested_by_customer"})

        done = refund(pi, 1000)
        self.assertEqual((done.amount, done.payment_intent, done.reason), (1000, pi.id, "requested_by_customer"))
        w.advance(600)
        self.assertEqual(w.server.refunds.retrieve(done.id).status, "succeeded")
        self.assertEqual(ids(everything(w.server.refunds.list({"payment_intent": pi.id}))), [done.id])
        [ch] = everything(w.server.charges.list({"payment_intent": pi.id}))
        self.assertEqual((ch.id, ch.amount_refunded, ch.refunded), (done.charge, 1000, False))
        w.refused(lambda: refund(pi, 4100), 400, INVALID, param="amount", says=r"40\.99")
        unpaid = self.intent()
        w.refused(lambda: refund(unpaid, 1), 400, INVALID, param="payment_intent", says="does not have a successful charge to refund")

    def test_payment_methods(self):
        w = self.w
        cus = w.server.customers.create({"email": "li@example.com"})
        saved = w.server.payment_methods.attach("pm_card_visa", {"customer": cus.id})
        self.assertRegex(saved.id, "^pm_")
        self.assertNotEqual(saved.id, "pm_card_visa")
        self.assertEqual((saved.object, saved.type, saved.card.brand, saved.card.last4, saved.customer),
                         ("payment_method", "card", "visa", "4242", cus.id))
        w.hooks.wait("payment_method.attached", saved.id)
        updated = w.server.payment_methods.update(saved.id, {"metadata": {"a": "b"}, "billing_details": {"name": "Li Wei"}})
        self.assertEqual((updated.metadata.to_dict(), updated.billing_details.name), ({"a": "b"}, "Li Wei"))
        wallet = w.server.payment_methods.create({"type": "alipay"})
        w.server.payment_methods.attach(wallet.id, {"customer": cus.id})
        self.assertEqual(ids(everything(w.server.payment_methods.list({"customer": cus.id, "limit": 1}))), [wallet.id, saved.id])
        self.assertEqual(ids(everything(w.server.customers.payment_methods.list(cus.id, {"type": "card"}))), [saved.id])

        # A saved card pays for its customer without them, and for nobody else.
        pi = self.card(saved.id, customer=cus.id, off_session=True)
        self.assertEqual((pi.status, pi.payment_method, pi.customer), ("succeeded", saved.id, cus.id))
        w.refused(lambda: self.card(saved.id), 400, INVALID, param="payment_method")
        self.assertIsNone(w.server.payment_methods.detach(saved.id).customer)
        w.hooks.wait("payment_method.detached", saved.id)
        w.refused(lambda: w.server.payment_methods.retrieve("pm_000000000000000000000000"), 404, INVALID,
                  code="resource_missing", param="payment_method", says="^No such PaymentMethod: ")
        # Only test cards are cards, and only a browser may send one.
        visa = {"type": "card", "card": {"number": "4242424242424242", "exp_month": 12, "exp_year": 2034, "cvc": "123"}}
        self.assertEqual(w.client.payment_methods.create(visa).card.last4, "4242")
        w.refused(lambda: w.server.payment_methods.create(visa), 402, stripe.CardError)

    def test_search(self):
        w = self.w
        colours = ["red", "red", "blue"]
        made = [w.charged().id for _ in colours]
        for id, colour in zip(made, colours):
            w.server.charges.update(id, {"metadata": {"colour": colour}})
        w.server.customers.create({"email": "li@example.com", "name": "Li Wei"})
        pi = self.card("pm_card_visa", metadata={"colour": "red"})

        found = w.server.charges.search({"query": "metadata['colour']:'red' AND amount>1000 AND status:'succeeded'", "limit": 1})
        self.assertEqual((found.object, found.has_more, found.url, len(found.data)), ("search_result", True, "/v1/charges/search", 1))
        self.assertTrue(found.next_page)
        reds = ids(everything(w.server.charges.search({"query": "metadata['colour']:'red'", "limit": 1})))
        self.assertEqual([id for id in reds if id in made], [made[1], made[0]])
        self.assertEqual(ids(everything(w.server.payment_intents.search({"query": "metadata['colour']:'red'"}))), [pi.id])
        [li] = w.server.customers.search({"query": "email:'LI@example.com'", "expand": ["total_count"]}).data
        self.assertEqual(li.name, "Li Wei")
        w.refused(lambda: w.server.charges.search({"query": "colour is red"}), 400, INVALID, param="query")
        w.refused(lambda: w.server.charges.search({"query": "flavour:'sweet'"}), 400, INVALID, param="query")

    def test_setup_intent(self):
        w = self.w
        cus = w.server.customers.create({"email": "li@example.com"})
        online = {"customer_acceptance": {"type": "online", "online": {"infer_from_client": True}}}

        def create():
            return w.server.setup_intents.create({"customer": cus.id, "allowed_payment_method_types": ["alipay"], "usage": "off_session"})

        def agree(si, decision):
            opened = w.client.setup_intents.confirm(si.id, {
                "client_secret": si.client_secret, "payment_method_data": {"type": "alipay"}, "return_url": RETURN_URL, "mandate_data": online})
            self.assertEqual((opened.status, opened.next_action.type), ("requires_action", "redirect_to_url"))
            location = w.decide(opened.next_action.redirect_to_url.url, decision)
            query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(location).query))
            self.assertEqual((query["setup_intent"], query["setup_intent_client_secret"]), (si.id, si.client_secret))
            return w.server.setup_intents.retrieve(si.id, {"expand": ["mandate", "payment_method"]})

        si = create()
        self.assertRegex(si.id, "^seti_")
        self.assertEqual((si.object, si.status, si.usage), ("setup_intent", "requires_payment_method", "off_session"))
        declined = agree(si, "decline")
        self.assertEqual((declined.status, declined.last_setup_error.code), ("requires_payment_method", "setup_intent_authentication_failure"))
        w.hooks.wait("setup_intent.setup_failed", si.id)
        done = agree(si, "authorize")
        self.assertEqual((done.status, done.payment_method.customer, done.mandate.status, done.mandate.type),
                         ("succeeded", cus.id, "active", "multi_use"))
        w.hooks.wait("setup_intent.succeeded", si.id)
        self.assertEqual(ids(everything(w.server.setup_intents.list({"customer": cus.id}))), [si.id])

        # Debited while the payer is away, until they withdraw.
        def debit():
            return w.server.payment_intents.create({
                "amount": 1099, "currency": "usd", "customer": cus.id, "payment_method": done.payment_method.id,
                "allowed_payment_method_types": ["alipay"], "off_session": True, "confirm": True})

        self.assertEqual(debit().status, "succeeded")
        w.control("decide", id=done.mandate.id, decision="withdraw")
        self.assertEqual(w.server.mandates.retrieve(done.mandate.id).status, "inactive")
        w.hooks.wait("mandate.updated", done.mandate.id, lambda told: told.status == "inactive")
        w.refused(debit, 400, INVALID, code="payment_intent_mandate_invalid", param="payment_method")

        other = create()
        self.assertEqual(w.server.setup_intents.cancel(other.id).status, "canceled")
        w.refused(lambda: w.server.setup_intents.update(other.id, {"description": "x"}), 400, INVALID, code="setup_intent_unexpected_state")
