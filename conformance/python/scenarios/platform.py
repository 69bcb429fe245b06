"""What the library relies on beside the resources."""
import io
import pathlib
import queue
import re
import subprocess
import sys
import tempfile
import threading
import urllib.parse

import stripe

from scenarios import DAY, HOUR, INVALID, Scenario, scripted
from server import PATIENCE
from web import free_port, rand, visit
from world import Gateway, dial, everything, ids, order

STRANGER = "acct_000000000000aaaa"
NO_ACCESS = {
    "status": 403, "error": stripe.PermissionError, "code": "account_invalid", "says": f"does not have access to account '{STRANGER}'",
}
PDF = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"


class Platform(Scenario):
    def test_error_classes(self):
        w = self.w
        src = w.authorized(**scripted("insufficient_funds"))
        w.refused(lambda: w.charge(src), 402, stripe.CardError, type="card_error", code="insufficient_funds")
        w.refused(lambda: w.server.sources.create(order(amount=1)), 400, INVALID, code="amount_too_small", param="amount")
        w.refused(lambda: w.server.charges.retrieve("py_x"), 404, INVALID, code="resource_missing", param="id")
        w.refused(lambda: dial(w.base, "sk_test_x").v1.balance.retrieve(), 401, stripe.AuthenticationError)
        w.refused(lambda: w.server.balance.retrieve({}, {"stripe_account": STRANGER}), **NO_ACCESS)
        keyed = {"idempotency_key": "classes"}
        w.server.sources.create(order(), keyed)
        w.refused(lambda: w.server.sources.create(order(amount=2000), keyed), 400, stripe.IdempotencyError, type="idempotency_error")
        w.refused(lambda: w.server.sources.create(order(**scripted("creation_processing_error"))),
                  500, stripe.APIError, type="api_error", code="processing_error")
        w.control("race", rules=[{"on": "call", "do": "fail", "path": "/v1/balance", "error": {"status": 429, "code": "rate_limit"}}])
        w.refused(lambda: w.server.balance.retrieve(), 429, stripe.RateLimitError, code="rate_limit")
        gateway = Gateway(self, w)
        gateway.lose = 1000
        with self.assertRaises(stripe.APIConnectionError):
            dial(gateway.url, w.sk).v1.balance.retrieve()

    def test_network_retries(self):
        w = self.w
        src = w.authorized()
        gateway = Gateway(self, w)
        server = dial(gateway.url, w.sk, max_network_retries=2).v1
        gateway.lose = 1
        ch = server.charges.create({"amount": src.amount, "currency": src.currency, "source": src.id})
        self.asked_twice(gateway)
        self.assertEqual(ch.last_response.headers["idempotent-replayed"], "true")
        self.assertEqual(ids(everything(w.server.charges.list())), [ch.id])

        # A failure that the answer says is worth another try is tried again.
        w.control("script", rules=[{"on": "authorize", "do": "error", "times": 1}])
        self.assertEqual(server.sources.create(order()).status, "pending")
        self.asked_twice(gateway)

        # One that is the caller's own fault is not.
        w.refused(lambda: server.sources.create(order(amount=1)), 400, INVALID, code="amount_too_small", param="amount")
        self.assertEqual(len(gateway.keys), 1, "requests")

    def asked_twice(self, gateway):
        """Asserts that there were two requests with one key, and forgets them."""
        self.assertEqual(len(gateway.keys), 2, "requests")
        self.assertEqual(len(set(gateway.keys)), 1, "keys of the requests")
        self.assertTrue(gateway.keys[0])
        gateway.keys.clear()

    def test_expand(self):
        w = self.w
        cus = w.server.customers.create({"email": "li@example.com"})
        ch = w.charge(w.authorized(), customer=cus.id, expand=["customer"])
        self.assertEqual(ch.customer.email, "li@example.com")
        refund = w.server.refunds.create({"charge": ch.id, "amount": 100, "expand": ["charge.customer", "balance_transaction"]})
        self.assertEqual((refund.charge.id, refund.charge.customer.id, refund.balance_transaction.amount), (ch.id, cus.id, -100))

        def retrieve(*paths):
            return w.server.charges.retrieve(ch.id, {"expand": list(paths)})

        full = retrieve("refunds.data.balance_transaction", "balance_transaction.source")
        self.assertEqual([(got.id, got.balance_transaction.net) for got in full.refunds.data], [(refund.id, -100)])
        self.assertEqual((full.balance_transaction.source.object, full.balance_transaction.source.id), ("charge", ch.id))
        plain = w.server.charges.retrieve(ch.id)
        self.assertEqual((plain.customer, plain.balance_transaction), (cus.id, full.balance_transaction.id))
        self.assertNotIn("refunds", plain)

        w.charged()
        charges = everything(w.server.charges.list({"limit": 1, "expand": ["data.balance_transaction"]}))
        self.assertEqual(len(charges), 2)
        self.assertEqual([got.balance_transaction.source for got in charges], ids(charges))
        w.server.customers.delete(cus.id)
        self.assertTrue(retrieve("customer").customer.deleted)

        w.refused(lambda: retrieve("amount"), 400, INVALID, says=r"^This property cannot be expanded \(amount\)")
        w.refused(lambda: w.server.charges.list({"expand": ["customer"]}), 400, INVALID,
                  says=r"You may want to try expanding 'data\.customer' instead")
        w.refused(lambda: retrieve("refunds.data.charge.customer.default_source"), 400, INVALID,
                  code="property_expansion_max_depth", says="more than 4 levels")

    def test_signatures(self):
        w = self.w
        src = w.source()
        w.pay(src, "decline")
        _, body, signature = w.hooks.delivery("source.failed", src.id)
        secret = w.hooks.secret
        # The world's clock is a day ahead, the signature's is not.
        self.assertEqual(stripe.Webhook.construct_event(body, signature, secret, 60).data.object.id, src.id)
        for what, args, says in (
            ("secret", (body, signature, "whsec_" + rand(32)), "No signatures found matching"),
            ("body", (body.replace(b"1099", b"1098"), signature, secret), "No signatures found matching"),
            ("scheme", (body, signature.replace("v1=", "v0="), secret), "No signatures found with expected scheme"),
            ("header", (body, "nonsense", secret), "Unable to extract timestamp"),
            # This library's own clock cannot be moved: an hour from now is too late already.
            ("time", (body, signature, secret, -3600), "outside the tolerance zone"),
            ("time in it", (body, re.sub(r"t=\d+", lambda t: f"t={int(t[0][2:]) + 1}", signature), secret), "No signatures found matching"),
        ):
            with self.subTest(what), self.assertRaisesRegex(stripe.SignatureVerificationError, says):
                stripe.Webhook.construct_event(*args)

    def test_secret_rolling(self):
        w = self.w

        def roll(keep):
            return w.control("endpoints/roll", endpoint=w.endpoint.id, keep_seconds=keep)["secret"]

        def failed():
            src = w.source()
            w.pay(src, "decline")
            _, body, signature = w.hooks.delivery("source.failed", src.id)
            return src, body, signature

        first, second = w.hooks.secret, roll(3600)
        self.assertNotEqual(first, second)
        src, body, signature = failed()  # which the receiver opened with the first
        self.assertEqual(signature.count("v1="), 2)
        for secret in (first, second):
            self.assertEqual(stripe.Webhook.construct_event(body, signature, secret).data.object.id, src.id)

        w.hooks.secret = roll(0)
        _, body, signature = failed()
        self.assertEqual(signature.count("v1="), 1)
        for secret in (first, second):
            with self.assertRaises(stripe.SignatureVerificationError):
                stripe.Webhook.construct_event(body, signature, secret)

    def test_account_header(self):
        w = self.w
        account = re.search(r"acct_\w+", w.get(w.sk, "/_ducat/v1/account").body)[0]
        ch = w.charged()
        got = w.server.charges.retrieve(ch.id, None, {"stripe_account": account})
        self.assertEqual(got.last_response.headers["stripe-account"], account)
        self.assertEqual(dial(w.base, w.sk, stripe_account=account).v1.charges.retrieve(ch.id).id, ch.id)
        w.refused(lambda: w.server.charges.retrieve(ch.id, None, {"stripe_account": STRANGER}), **NO_ACCESS)
        w.refused(lambda: dial(w.base, w.sk, stripe_account=STRANGER).v1.sources.create(order()), **NO_ACCESS)
        self.assertEqual(ids(everything(w.server.charges.list())), [ch.id])

    def test_files(self):
        w = self.w

        def upload(content, name, purpose="dispute_evidence"):
            file = io.BytesIO(content)
            file.name = name
            return w.server.files.create({"purpose": purpose, "file": file})

        file = upload(PDF, "receipt.pdf")
        self.assertRegex(file.id, "^file_")
        self.assertEqual((file.object, file.purpose, file.filename, file.size, file.type),
                         ("file", "dispute_evidence", "receipt.pdf", len(PDF), "pdf"))
        self.assertEqual(w.server.files.retrieve(file.id).filename, "receipt.pdf")
        self.assertEqual(ids(everything(w.server.files.list({"purpose": "dispute_evidence"}))), [file.id])
        self.assertEqual(visit(file.url, headers={"authorization": f"Bearer {w.sk}"}).body.encode(), PDF)
        w.refused(lambda: upload(b"plain", "a.txt"), 400, INVALID, param="file")
        w.refused(lambda: upload(PDF, "receipt.pdf", "decoration"), 400, INVALID, param="purpose")

        _, d = w.disputed()
        w.refused(lambda: w.server.disputes.update(d.id, {"evidence": {"receipt": "file_000000000000000000000000"}}), 400, INVALID,
                  code="resource_missing", param="evidence[receipt]", says="^No such file upload")
        d = w.server.disputes.update(d.id, {"evidence": {"receipt": file.id}, "submit": True})
        self.assertEqual((d.evidence.receipt, d.status), (file.id, "under_review"))

    def test_payouts(self):
        w = self.w
        ch = w.charged()
        net = ch.amount - w.transactions()[0].fee

        def create(amount, **metadata):
            return w.server.payouts.create({"amount": amount, "currency": "usd", "metadata": metadata})

        def available():
            return next(part.amount for part in w.server.balance.retrieve().available if part.currency == "usd")

        w.refused(lambda: create(net), 400, INVALID, code="balance_insufficient")
        w.advance(9 * DAY)
        self.assertEqual(available(), net)

        first = create(400, week="7")
        self.assertRegex(first.id, "^po_")
        self.assertEqual((first.object, first.status, first.amount, first.automatic, first.metadata.to_dict()),
                         ("payout", "pending", 400, False, {"week": "7"}))
        w.hooks.wait("payout.created", first.id)
        self.assertEqual(available(), net - 400)
        w.advance(3 * DAY)
        self.assertEqual(w.hooks.wait("payout.paid", first.id).data.object.status, "paid")
        txn = w.server.payouts.retrieve(first.id, {"expand": ["balance_transaction"]}).balance_transaction
        self.assertEqual((txn.type, txn.amount, txn.source), ("payout", -400, first.id))

        second = create(100)
        self.assertEqual(w.server.payouts.cancel(second.id).status, "canceled")
        w.hooks.wait("payout.canceled", second.id)
        third = create(100, ducat_scenario="payout_failed")
        w.advance(3 * DAY)
        failed = w.hooks.wait("payout.failed", third.id).data.object
        self.assertEqual(failed.status, "failed")
        self.assertTrue(failed.failure_code)
        self.assertEqual(available(), net - 400)
        self.assertEqual(ids(everything(w.server.payouts.list())), [third.id, second.id, first.id])
        self.assertEqual(ids(everything(w.server.payouts.list({"status": "paid"}))), [first.id])

    def test_restricted_key(self):
        w = self.w
        ch = w.charged()
        key = w.control("keys", permissions=["rak_charge_read"])["key"]
        self.assertRegex(key, "^rk_test_")
        restricted = dial(w.base, key).v1
        self.assertEqual(restricted.charges.retrieve(ch.id).id, ch.id)
        forbidden = {"status": 403, "error": stripe.PermissionError, "code": "more_permissions_required"}
        w.refused(lambda: restricted.refunds.create({"charge": ch.id}), **forbidden, says="'rak_charge_write' permission would allow")
        w.refused(lambda: restricted.customers.list(), **forbidden, says="'rak_customer_read' permission would allow")
        self.assertEqual(everything(w.server.refunds.list()), [])
        w.control("keys", key=key, permissions=["rak_charge_write"])
        self.assertEqual(restricted.refunds.create({"charge": ch.id}).amount, 1099)

    def test_ephemeral_key(self):
        w = self.w
        version = "2020-08-27"  # of the library in the app
        cus = w.server.customers.create({"email": "li@example.com"})
        saved = w.server.payment_methods.attach("pm_card_visa", {"customer": cus.id})
        key = w.server.ephemeral_keys.create({"customer": cus.id}, {"stripe_version": version})
        self.assertRegex(key.id, "^ephkey_")
        self.assertRegex(key.secret, "^ek_test_")
        self.assertEqual((key.object, key.expires - key.created), ("ephemeral_key", HOUR))
        self.assertEqual([(owner.type, owner.id) for owner in key.associated_objects], [("customer", cus.id)])
        self.assertEqual(key.last_response.headers["stripe-version"], version)

        app = dial(w.base, key.secret, stripe_version=version).v1

        def methods(customer=cus.id):
            return ids(everything(app.payment_methods.list({"customer": customer, "type": "card"})))

        self.assertEqual(methods(), [saved.id])
        card = w.client.payment_methods.create(
            {"type": "card", "card": {"number": "4242424242424242", "exp_month": 12, "exp_year": 2034, "cvc": "123"}})
        app.payment_methods.attach(card.id, {"customer": cus.id})
        self.assertEqual(methods(), [card.id, saved.id])
        app.payment_methods.detach(saved.id)
        self.assertEqual(methods(), [card.id])
        forbidden = {"status": 403, "error": stripe.PermissionError, "code": "more_permissions_required", "says": "ephemeral key"}
        other = w.server.customers.create()
        w.refused(lambda: methods(other.id), **forbidden)
        w.refused(app.balance.retrieve, **forbidden)

        gone = w.server.ephemeral_keys.delete(key.id)
        self.assertEqual(gone.id, key.id)
        self.assertNotIn("secret", gone)
        w.refused(methods, 401, stripe.AuthenticationError, code="api_key_expired", says="^Expired API Key")
        self.assertEqual(ids(everything(w.server.payment_methods.list({"customer": cus.id}))), [card.id])

    def test_race_lab(self):
        w = self.w

        def race(**rule):
            w.control("race", rules=[{"times": 1, **rule}])

        def delivered(type):
            with w.hooks.arrival:
                return [(ev.id, ev.data.object.id) for ev, _, _ in w.hooks.events if ev.type == type]

        # The webhook is faster than the answer.
        src = w.authorized()
        race(on="webhook", do="before_response", event="charge.succeeded")
        first = w.charge(src)
        self.assertEqual([id for _, id in delivered("charge.succeeded")], [first.id], "delivered before the answer")

        # One event, delivered twice.
        race(on="webhook", do="copies", event="source.failed")
        src = w.source()
        w.pay(src, "decline")
        w.advance(0)
        copies = delivered("source.failed")
        self.assertEqual(copies, [(copies[0][0], src.id)] * 2)

        # A 500 after everything was done: trying again answers what was done.
        src = w.authorized()
        race(on="call", do="fail", when="after", method="POST", path="/v1/charges", error={"status": 500})
        ch = dial(w.base, w.sk, max_network_retries=2).v1.charges.create({"amount": src.amount, "currency": src.currency, "source": src.id})
        self.assertEqual(ch.last_response.headers["idempotent-replayed"], "true")
        self.assertEqual(ids(everything(w.server.charges.list())), [ch.id, first.id])

    def test_test_clock(self):
        w = self.w
        clocks = w.server.test_helpers.test_clocks
        clock = clocks.create({"frozen_time": w.dawn, "name": "two hours later"})
        self.assertRegex(clock.id, "^clock_")
        self.assertEqual((clock.object, clock.status, clock.frozen_time, clock.name),
                         ("test_helpers.test_clock", "ready", w.dawn, "two hours later"))
        cus = w.server.customers.create({"test_clock": clock.id})
        self.assertEqual((cus.test_clock, cus.created), (clock.id, w.dawn))
        src = w.source()

        target = w.dawn + 2 * HOUR
        moving = clocks.advance(clock.id, {"frozen_time": target})
        self.assertEqual((moving.status, moving.status_details.advancing.target_frozen_time), ("advancing", target))
        w.hooks.wait("test_helpers.test_clock.ready", clock.id)
        w.hooks.wait("source.canceled", src.id)
        moved = clocks.retrieve(clock.id)
        self.assertEqual((moved.status, moved.frozen_time), ("ready", target))
        w.refused(lambda: clocks.advance(clock.id, {"frozen_time": w.dawn}), 400, INVALID, param="frozen_time")
        self.assertEqual(ids(everything(clocks.list())), [clock.id])

        self.assertTrue(clocks.delete(clock.id).deleted)
        self.assertTrue(w.server.customers.retrieve(cus.id).deleted)
        w.refused(lambda: clocks.retrieve(clock.id), 404, INVALID,
                  code="resource_missing", param="test_clock", says="^No such test clock: ")

    def test_quickstart(self):
        """Runs the program that docs/quickstart/python.md prints."""
        w = self.w
        document = pathlib.Path(__file__).parents[3] / "docs" / "quickstart" / "python.md"
        program = re.search(r"^```python\n(.*?)^```$", document.read_text("utf-8"), re.DOTALL | re.MULTILINE)[1]
        self.assertIn("http://127.0.0.1:12111", program)
        program = program.replace("http://127.0.0.1:12111", w.base).replace("4245", str(free_port()))
        with tempfile.TemporaryDirectory(prefix="ducat-conformance-") as directory:
            shop = pathlib.Path(directory, "shop.py")
            shop.write_text(program, "utf-8")
            said = queue.Queue()

            def read(lines):
                for line in lines:
                    said.put(line.rstrip())
                said.put("it ended")

            with subprocess.Popen([sys.executable, shop], stdout=subprocess.PIPE, text=True) as running:
                reader = threading.Thread(target=read, args=(running.stdout,))
                reader.start()

                def until(pattern):
                    came = []
                    while not came or came[-1] != "it ended":
                        try:
                            came.append(said.get(timeout=PATIENCE))
                        except queue.Empty:
                            break
                        if found := re.fullmatch(pattern, came[-1]):
                            return found
                    self.fail(f"the program did not say {pattern}, but {came}")

                try:
                    page = until(r"open (http://\S+)")[1]
                    self.assertTrue(page.startswith(w.base), page)
                    self.assertEqual(visit(page, urllib.parse.urlencode({"decision": "authorize"}).encode()).status, 303)
                    until(r"charged py_\w+ succeeded")
                    until(r"refunded pyr_\w+ pending")
                finally:
                    running.kill()
                    reader.join()
