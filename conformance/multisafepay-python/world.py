"""A site's sandbox and the programs around it: the merchant's server with
MultiSafepay's library, a receiver of notifications, a customer."""
import json
import threading
import urllib.parse

from multisafepay import Sdk
from multisafepay.util.webhook import Webhook

from server import PATIENCE
from web import listen, rand, visit

SHOP = "https://shop.example/checkout"


class World:
    def __init__(self, test, base):
        self.test, self.base, self.key = test, base, rand(40)
        self.sdk = Sdk(api_key=self.key)
        self.sdk.get_client().url = f"{base}/v1/"  # the host, and nothing else
        self.orders = self.sdk.get_order_manager()
        self.hooks = Receiver(test, self.key)

    def control(self, path, **body):
        answer = visit(f"{self.base}/_ducat/v1/{path}", json.dumps(body).encode(), {"api_key": self.key})
        self.test.assertEqual(answer.status, 200, f"POST {path} {body}: {answer.body}")
        return json.loads(answer.body)

    def advance(self, seconds):
        self.control("clock/advance", seconds=seconds)

    def submit(self, url, **fields):
        """Posts a form of a page, as a browser without JavaScript would, and
        returns where it leads."""
        page = visit(url)
        self.test.assertEqual(page.status, 200, page.body)
        answer = visit(url, urllib.parse.urlencode(fields).encode())
        self.test.assertEqual(answer.status, 303, answer.body)
        return urllib.parse.urljoin(url, answer.headers["location"])

    def pay(self, payment_url, scenario="completed"):
        """Ends a payment on the test platform and returns where the customer
        lands."""
        return self.submit(payment_url, scenario=scenario)


class Receiver:
    """A merchant's notification address, which checks every signature with the
    library."""

    def __init__(self, test, key):
        self.key, self.got, self.failures = key, [], []
        self.arrival = threading.Condition()
        test.addCleanup(lambda: test.assertEqual(self.failures, [], "notifications"))
        self.url = listen(test, self._receive) + "/notify?type=notification"

    def _receive(self, req):
        body = req.rfile.read(int(req.headers["content-length"])).decode()
        valid = Webhook.validate(body, req.headers["auth"], self.key)
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(req.path).query)
        with self.arrival:
            if not valid:
                self.failures.append(f"{req.headers['auth']}\n{body}")
            self.got.append((query, json.loads(body)))
            self.arrival.notify_all()
        req.send_response(200)
        req.send_header("content-length", "2")
        req.end_headers()
        req.wfile.write(b"OK")

    def wait(self, order_id, status):
        """The first notification of an order with a status."""
        def found():
            if self.failures:
                raise AssertionError("a notification does not verify: " + self.failures[0])
            for query, body in self.got:
                if body["order_id"] == order_id and body["status"] == status:
                    return query, body
            return None

        with self.arrival:
            entry = self.arrival.wait_for(found, timeout=PATIENCE)
            if entry is None:
                raise AssertionError(f"no notification that {order_id} is {status}; came: {[b['status'] for _, b in self.got]}")
            return entry
