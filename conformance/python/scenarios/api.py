"""How the API behaves around payments."""
import json

import stripe

from scenarios import INVALID, OLD_VERSION, UNKNOWN_CHARGE, Scenario, scripted
from web import rand, visit
from world import API_VERSION, Receiver, World, dial, everything, ids, order


class Api(Scenario):
    def test_parameter_errors(self):
        w = self.w
        for what, change, code, param, says in (
            ("no type", {"type": None}, "parameter_missing", "type", r"^Missing required param: type\.$"),
            ("unknown type", {"type": "barter"}, None, "type", "."),
            ("no amount", {"amount": None}, "parameter_missing", "amount", r"^Missing required param: amount\.$"),
            ("amount 0", {"amount": 0}, "parameter_invalid_integer", "amount", "."),
            ("amount −1", {"amount": -1}, "parameter_invalid_integer", "amount", "."),
            ("amount 10.99", {"amount": "10.99"}, "parameter_invalid_integer", "amount", r"^Invalid integer: 10\.99$"),
            ("amount 49", {"amount": 49}, "amount_too_small", "amount", "."),
            ("amount 100000000", {"amount": 100000000}, "amount_too_large", "amount", "."),
            ("no currency", {"currency": None}, "parameter_missing", "currency", "."),
            ("no redirect", {"redirect": None}, "parameter_missing", "redirect", r"^Missing required param: redirect\.$"),
            ("no scheme", {"redirect": {"return_url": "shop.example/return"}}, "url_invalid", "redirect[return_url]", "."),
            ("a script", {"redirect": {"return_url": "javascript:alert(1)"}}, "url_invalid", "redirect[return_url]", "."),
            ("flow none", {"flow": "none"}, None, "flow", "."),
            ("usage twice", {"usage": "twice"}, None, "usage", "^Invalid usage: must be one of reusable or single_use"),
            ("usage reusable", {"usage": "reusable"}, None, "usage", "."),
            ("unknown param", {"colour": "red"}, "parameter_unknown", "colour", "^Received unknown parameter: colour$"),
        ):
            with self.subTest(what):
                w.refused(lambda: w.server.sources.create(order(**change)), 400, INVALID, code=code, param=param, says=says)

        src = w.authorized()
        for what, change, code, param, says in (
            ("charge without amount", {"amount": None}, "parameter_missing", "amount", "."),
            ("charge without currency", {"currency": None}, "parameter_missing", "currency", "."),
            ("charge without source", {"source": None}, "parameter_missing", None, r"^Must provide source or customer\.$"),
            ("charge with an unknown source", {"source": "src_000000000000000000000000"}, "resource_missing", "source", "No such (source|token)"),
            ("charge with an unknown parameter", {"colour": "red"}, "parameter_unknown", "colour", "."),
            ("charge with amount 0", {"amount": 0}, "parameter_invalid_integer", "amount", "."),
        ):
            with self.subTest(what):
                w.refused(lambda: w.charge(src, **change), 400, INVALID, code=code, param=param, says=says)
        unknown = rand(24)
        w.refused(lambda: w.server.sources.retrieve(f"src_{unknown}"), 404, INVALID,
                  code="resource_missing", param="source", says=f"^No such source: 'src_{unknown}'$")
        w.refused(lambda: w.server.charges.retrieve(f"py_{unknown}"), 404, INVALID,
                  code="resource_missing", param="id", says=f"^No such charge: 'py_{unknown}'$")
        w.refused(lambda: w.server.refunds.create({"charge": f"py_{unknown}"}), 400, INVALID,
                  code="resource_missing", param="charge", says=f"^No such charge: 'py_{unknown}'$")
        w.refused(lambda: w.server.refunds.create({}), 400, INVALID, code="parameter_missing")
        self.assertEqual(w.server.sources.retrieve(src.id).status, "chargeable")

    def test_key_errors(self):
        w = self.w
        unauthorized = {"status": 401, "error": stripe.AuthenticationError}
        w.refused(lambda: dial(w.base, "sk_test_x").v1.charges.retrieve("py_1"), **unauthorized, says="^Invalid API Key provided: sk_test_")
        w.refused(lambda: dial(w.base, f"sk_live_{rand(24)}").v1.charges.retrieve("py_1"), **unauthorized, says="^Invalid API Key provided: sk_live_")
        src = w.authorized()
        w.refused(lambda: w.client.charges.create({"amount": 1099, "currency": "usd", "source": src.id}),
                  **unauthorized, code="secret_key_required", says="publishable API key")
        w.refused(lambda: w.raw.raw_request("get", "/v1/sources"), 404, INVALID, says=r"^Unrecognized request URL \(GET: /v1/sources\)")
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
        w.refused(lambda: w.server.refunds.create({"charge": UNKNOWN_CHARGE}, {"idempotency_key": key}),
                  **mismatch, says="same endpoint.*'/v1/sources' vs '/v1/refunds'")

        # A refusal of parameters leaves the key free.
        key = f"order-{rand(12)}"
        w.refused(lambda: keyed(key, amount=None), 400, INVALID, code="parameter_missing", param="amount")
        keyed(key)

        # A decline is the answer for good.
        src = w.authorized(**scripted("insufficient_funds"))
        declined = [
            w.refused(lambda: w.charge(src, options={"idempotency_key": f"charge-{key}"}),
                      402, stripe.CardError, type="card_error", code="insufficient_funds").error.charge
            for _ in range(2)
        ]
        self.assertEqual(declined[0], declined[1])

        # The same key in another world is another key.
        theirs = keyed(key, on=World(self, self.url))
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
        w.refused(lambda: page(starting_after=want[0], ending_before=want[4]), 400, INVALID,
                  says=r"^Received both starting_after and ending_before parameters\. Please pass in only one\.$")
        w.refused(lambda: page(starting_after=UNKNOWN_CHARGE), 400, INVALID,
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
        older = dial(w.base, w.sk, stripe_version=OLD_VERSION).v1
        self.assertEqual(older.charges.retrieve(ch.id).refunds.object, "list")
        self.assertNotIn("refunds", older.charges.retrieve(ch.id, None, {"stripe_version": API_VERSION}))
        # The account keeps the version of its first request.
        plain = w.get(w.sk, f"/v1/charges/{ch.id}")
        self.assertEqual(plain.headers["stripe-version"], API_VERSION)
        self.assertNotIn("refunds", json.loads(plain.body))

        then, now = old.wait("charge.succeeded", ch.id), w.hooks.wait("charge.succeeded", ch.id)
        self.assertEqual(then.id, now.id)
        self.assertEqual((then.api_version, now.api_version), (OLD_VERSION, API_VERSION))
        self.assertIn("refunds", then.data.object)
        self.assertNotIn("refunds", now.data.object)
        w.refused(lambda: w.server.charges.retrieve(ch.id, None, {"stripe_version": "2099-01-01"}), 400, INVALID,
                  says="^Invalid Stripe API version: 2099-01-01")

    def test_update(self):
        w = self.w
        src = w.source(metadata={"a": "1", "b": "2"}, owner={"name": "Li Wei", "email": "li@example.com"})
        src = w.server.sources.update(src.id, {"metadata": {"b": "", "c": "3"}, "owner": {"phone": "+8613800138000"}})
        self.assertEqual(src.metadata.to_dict(), {"a": "1", "c": "3"})
        self.assertEqual((src.owner.name, src.owner.phone), ("Li Wei", "+8613800138000"))
        w.refused(lambda: w.server.sources.update(src.id, {"amount": 1}), 400, INVALID, param="amount")

        id = w.charged().id
        ch = w.server.charges.update(id, {"description": "tea", "metadata": {"k": "v"}})
        self.assertEqual((ch.description, ch.metadata.to_dict()), ("tea", {"k": "v"}))
        w.hooks.wait("charge.updated", id)
        re = w.server.refunds.create({"charge": id, "amount": 100})
        self.assertEqual(w.server.refunds.update(re.id, {"metadata": {"k": "v"}}).metadata.to_dict(), {"k": "v"})

    def test_events(self):
        w = self.w
        ch = w.charged()
        delivered = w.hooks.wait("charge.succeeded", ch.id)
        for params, want in (
            ({}, ["charge.succeeded", "source.chargeable"]),
            ({"type": "source.chargeable"}, ["source.chargeable"]),
            ({"type": "charge.*"}, ["charge.succeeded"]),
            ({"types": ["source.chargeable", "charge.succeeded"]}, ["charge.succeeded", "source.chargeable"]),
            ({"type": "source.failed"}, []),
        ):
            with self.subTest(**params):
                self.assertEqual([ev.type for ev in everything(w.server.events.list(params))], want)
        ev = w.server.events.retrieve(delivered.id)
        self.assertRegex(ev.id, "^evt_")
        self.assertEqual((ev.object, ev.type, ev.created, ev.data.object.id), ("event", delivered.type, delivered.created, ch.id))
        w.refused(lambda: w.server.events.retrieve("evt_000000000000000000000000"), 404, INVALID,
                  code="resource_missing", param="id", says="^No such event: ")

    def test_webhook_endpoints(self):
        w = self.w
        r = Receiver(self)
        ep = w.register(r, ["source.failed"])
        self.assertRegex(ep.id, "^we_")
        self.assertRegex(ep.secret, "^whsec_")
        self.assertEqual((ep.object, ep.status, ep.url, ep.livemode), ("webhook_endpoint", "enabled", r.url, False))
        got = w.server.webhook_endpoints.retrieve(ep.id)
        self.assertNotIn("secret", got)
        self.assertEqual(got.enabled_events, ["source.failed"])
        self.assertEqual(ids(everything(w.server.webhook_endpoints.list())), [ep.id, w.endpoint.id])

        def fail(receiver):
            src = w.source()
            w.pay(src, "decline")
            receiver.wait("source.failed", src.id)

        w.authorized()
        fail(r)
        self.assertEqual(r.types(), ["source.failed"])
        self.assertEqual(w.server.webhook_endpoints.update(ep.id, {"disabled": True}).status, "disabled")
        fail(w.hooks)
        types = ["source.canceled", "source.failed"]
        got = w.server.webhook_endpoints.update(ep.id, {"disabled": False, "enabled_events": types})
        self.assertEqual((got.status, got.enabled_events), ("enabled", types))
        fail(r)
        self.assertEqual(r.types(), ["source.failed", "source.failed"])

        self.assertTrue(w.server.webhook_endpoints.delete(ep.id).deleted)
        w.refused(lambda: w.server.webhook_endpoints.retrieve(ep.id), 404, INVALID,
                  code="resource_missing", param="webhook_endpoint", says="^No such webhook endpoint: ")
        w.refused(lambda: w.server.webhook_endpoints.create({"url": "ftp://shop.example/hook", "enabled_events": ["*"]}),
                  400, INVALID, code="url_invalid", param="url")

    def test_webhook_retry(self):
        w = self.w
        src = w.source()
        failed = w.hooks.outage()
        w.pay(src, "decline")
        failed()
        w.advance(600)
        ev = w.hooks.wait("source.failed", src.id)
        self.assertEqual(ids(everything(w.server.events.list())), [ev.id])
        self.assertEqual(w.hooks.types(), ["source.failed"])

    def test_worlds_apart(self):
        w = self.w
        ch = w.charged()
        src = ch.source
        other = World(self, self.url)
        missing = {"error": INVALID, "code": "resource_missing"}
        w.refused(lambda: other.server.sources.retrieve(src.id), 404, **missing, param="source", says=f"^No such source: '{src.id}'$")
        w.refused(lambda: other.server.charges.retrieve(ch.id), 404, **missing, param="id")
        w.refused(lambda: other.server.refunds.create({"charge": ch.id}), 400, **missing, param="charge")
        w.refused(lambda: other.client.sources.retrieve(src.id, {"client_secret": src.client_secret}), 404, **missing, param="source")
        self.assertEqual(everything(other.server.charges.list()), [])
        self.assertEqual(everything(other.server.events.list()), [])
        other.untouched()
        self.assertEqual(other.hooks.types(), [])
