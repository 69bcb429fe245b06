"""One merchant's sandbox and the programs around it: the merchant's server, a
browser with the publishable key, a webhook receiver, a payer."""
import base64
import json
import threading
import urllib.parse
from datetime import datetime, timedelta, timezone

import stripe

from server import PATIENCE
from web import listen, rand, visit

# RETURN_URL is where payers are sent. Nothing listens there: the payer below
# does not follow redirects.
RETURN_URL = "https://shop.example/checkout/return?cart=77"

API_VERSION = stripe.api_version


def dial(base, key, **options):
    # A failure that goes away is a failure, so nothing is retried.
    return stripe.StripeClient(key, **{"base_addresses": {"api": base, "files": base}, "max_network_retries": 0, **options})


def order(**change):
    """The parameters of an ordinary source. None takes one away."""
    params = {"type": "alipay", "amount": 1099, "currency": "usd", "redirect": {"return_url": RETURN_URL}, **change}
    return {name: value for name, value in params.items() if value is not None}


class World:
    def __init__(self, test, base):
        self.test = test
        self.base = base
        suffix = rand(24)
        self.sk, self.pk = f"sk_test_{suffix}", f"pk_test_{suffix}"
        self.raw = dial(base, self.sk)
        self.server = self.raw.v1
        self.client = dial(base, self.pk).v1
        # Nine in the morning in China, tomorrow.
        day = datetime.now(timezone.utc).replace(hour=1, minute=0, second=0, microsecond=0) + timedelta(days=1)
        self.dawn = int(day.timestamp())
        self.advance_to(self.dawn)
        self.hooks = Receiver(test)
        self.endpoint = self.register(self.hooks, ["*"])

    def register(self, receiver, types, **more):
        """Subscribes a receiver through the API."""
        endpoint = self.server.webhook_endpoints.create({"url": receiver.url, "enabled_events": types, **more})
        receiver.secret = endpoint.secret
        return endpoint

    def control(self, path, **body):
        """Calls the control API."""
        answer = visit(
            f"{self.base}/_ducat/v1/{path}", json.dumps(body).encode(),
            {"authorization": f"Bearer {self.sk}", "content-type": "application/json"},
        )
        self.test.assertEqual(answer.status, 200, f"POST {path} {body}: {answer.body}")
        return json.loads(answer.body)

    def advance(self, seconds):
        self.control("clock/advance", seconds=seconds)

    def advance_to(self, unix):
        self.control("clock/advance", to=datetime.fromtimestamp(unix, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"))

    def get(self, key, path):
        """Makes a request without the library, for what it does not show."""
        return visit(self.base + path, headers={"authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode()})

    def source(self, **change):
        """Creates a source that must be accepted."""
        src = self.server.sources.create(order(**change))
        self.test.assertEqual(src.status, "pending")
        return src

    def authorized(self, **change):
        """Creates a source, authorizes it and waits for the webhook, moving the
        clock rather than waiting for the wallet to confirm."""
        src = self.source(**change)
        self.pay(src, "authorize")
        self.advance(2)
        self.hooks.wait("source.chargeable", src.id)
        return self.server.sources.retrieve(src.id)

    def charge(self, src, options=None, **change):
        params = {"amount": src.amount, "currency": src.currency, "source": src.id, **change}
        return self.server.charges.create({k: v for k, v in params.items() if v is not None}, options or {})

    def charged(self, **change):
        """Goes all the way."""
        ch = self.charge(self.authorized(**change))
        self.test.assertEqual((ch.status, ch.paid), ("succeeded", True))
        return ch

    def disputed(self):
        """Charges a source and has its payer complain."""
        ch = self.charged()
        opened = self.control("disputes", id=ch.id, reason="product_not_received")
        d = self.hooks.wait("charge.dispute.created", opened["id"]).data.object
        self.hooks.wait("charge.dispute.funds_withdrawn", d.id)
        return ch, d

    def pay(self, src, decision):
        """Opens the page as a browser without JavaScript would, posts a decision
        to it, and returns the Location of the answer after checking what must
        always be true of it."""
        page = visit(src.redirect.url)
        self.test.assertEqual(page.status, 200, f"the page of {src.id}: {page.body}")
        location = self.decide(src.redirect.url, decision)
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(location).query)
        for name, want in {"source": src.id, "livemode": "false", "client_secret": src.client_secret}.items():
            self.test.assertEqual(query.get(name), [want], f"{name} in {location}")
        return location

    def decide(self, page, decision, **more):
        """Posts a decision to a page, and returns the Location of the answer."""
        answer = visit(page, urllib.parse.urlencode({"decision": decision, **more}).encode())
        self.test.assertEqual(answer.status, 303, f"posting {decision}: {answer.body}")
        return answer.headers["location"]

    def balance(self, currency="usd"):
        """What the merchant has in a currency, pending and available."""
        b = self.server.balance.retrieve()
        return sum(part.amount for part in [*b.pending, *b.available] if part.currency == currency)

    def transactions(self):
        """All balance transactions, newest first."""
        return everything(self.server.balance_transactions.list())

    def untouched(self):
        """Asserts that no money came in or went out."""
        self.test.assertEqual(self.balance(), 0)
        self.test.assertEqual(self.transactions(), [])
        self.test.assertEqual(everything(self.server.refunds.list()), [])

    def refused(self, call, status, error, code=None, param=None, says=".", type="invalid_request_error"):
        """Makes a call that must fail in exactly this way, and returns the error."""
        with self.test.assertRaises(stripe.StripeError) as caught:
            call()
        return self.refusal(caught.exception, status, error, code, param, says, type)

    def refusal(self, err, status, error, code=None, param=None, says=".", type="invalid_request_error"):
        """Checks an error and returns it."""
        self.test.assertIs(err.__class__, error, err)
        self.test.assertIsNotNone(err.error, err)
        # Members of the error object that were not sent are absent, not None.
        got = err.json_body["error"]
        self.test.assertEqual(
            (err.http_status, got.get("type"), got.get("code"), got.get("param")),
            (status, type, code, param), err,
        )
        self.test.assertRegex(err.user_message, says)
        self.test.assertRegex(err.request_id, "^req_")
        return err


def at_once(n, call):
    """Makes n calls at the same time; returns what they gave and what they raised."""
    done, errors, start = [], [], threading.Barrier(n)

    def one():
        start.wait()
        try:
            done.append(call())
        except stripe.StripeError as err:
            errors.append(err)

    threads = [threading.Thread(target=one) for _ in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done, errors


def everything(listing):
    return list(listing.auto_paging_iter())


def ids(items):
    return [item.id for item in items]


class Gateway:
    """Stands between a library and the server, and loses answers."""

    def __init__(self, test, w):
        self.w = w
        self.lose = 0
        self.keys = []  # of the requests that came
        self.url = listen(test, self._forward, self._forward)

    def _forward(self, req):
        body = req.rfile.read(int(req.headers.get("content-length", 0))) if req.command == "POST" else None
        self.keys.append(req.headers.get("idempotency-key"))
        headers = {name: value for name, value in req.headers.items()
                   if name.lower() not in ("host", "connection", "content-length", "accept-encoding")}
        answer = visit(self.w.base + req.path, body, headers)
        if self.lose:
            self.lose -= 1
            req.close_connection = True  # the server has done its work, and nobody hears of it
            return
        req.send_response(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in ("date", "connection", "transfer-encoding"):
                req.send_header(name, value)
        req.end_headers()
        req.wfile.write(answer.body.encode())


class Outage(Exception):
    """The next delivery is to be answered with 500."""


class Receiver:
    """A merchant's webhook endpoint, which checks every signature."""

    def __init__(self, test):
        self.secret = ""
        self.events = []
        self.failures = []
        self.handlers = {}
        self.down = None
        self.arrival = threading.Condition()
        test.addCleanup(lambda: test.assertEqual(self.failures, [], "deliveries"))
        self.url = listen(test, self._receive) + "/webhooks"

    def _receive(self, req):
        body = req.rfile.read(int(req.headers["content-length"]))
        status = 200
        try:
            ev = stripe.Webhook.construct_event(body, req.headers["stripe-signature"], self.secret)
            if not req.headers["content-type"].startswith("application/json"):
                raise ValueError(f"content type {req.headers['content-type']}")
            if self.down:
                self.down.set()
                self.down = None
                raise Outage
            if ev.type in self.handlers:
                self.handlers.pop(ev.type)(ev)
        except Outage:
            status = 500
        except Exception as err:
            status = 400
            with self.arrival:
                self.failures.append(f"{err!r} {req.headers['stripe-signature']}\n{body.decode()}")
                self.arrival.notify_all()
        else:
            with self.arrival:
                self.events.append((ev, body, req.headers["stripe-signature"]))
                self.arrival.notify_all()
        req.send_response(status)
        req.send_header("content-length", "0")
        req.end_headers()

    def outage(self):
        """Has the next delivery answered with 500; what is returned waits for it."""
        down = self.down = threading.Event()

        def failed():
            if not down.wait(PATIENCE):
                raise AssertionError(f"no delivery failed within {PATIENCE} seconds")

        return failed

    def types(self):
        with self.arrival:
            return [ev.type for ev, _, _ in self.events]

    def delivery(self, type, id, match=lambda object: True):
        """The first delivery of a type whose object has the id: the event, the
        body as it came, its signature."""
        def found():
            if self.failures:
                raise AssertionError("a delivery was not accepted: " + self.failures[0])
            for entry in self.events:
                ev = entry[0]
                if ev.type == type and ev.data.object.id == id and match(ev.data.object):
                    return entry
            return None

        with self.arrival:
            entry = self.arrival.wait_for(found, timeout=PATIENCE)
            if entry is None:
                raise AssertionError(f"delivery of {type} for {id}: not within {PATIENCE} seconds; "
                                     f"came: {[ev.type for ev, _, _ in self.events]}")
            return entry

    def wait(self, type, id, match=lambda object: True):
        return self.delivery(type, id, match)[0]
