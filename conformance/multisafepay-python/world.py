"""A site's sandbox and the programs around it: the merchant's server with
MultiSafepay's library, a receiver of notifications, a customer."""
import http.server
import json
import secrets
import string
import threading
import urllib.error
import urllib.parse
import urllib.request

from multisafepay import Sdk
from multisafepay.util.webhook import Webhook

from server import PATIENCE

SHOP = "https://shop.example/checkout"

LETTERS = string.digits + string.ascii_letters


def rand(n):
    return "".join(secrets.choice(LETTERS) for _ in range(n))


class Answer:
    def __init__(self, res):
        self.status, self.headers, self.body = res.status, res.headers, res.read().decode()


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args):
        return None


# No proxy: everything is on this machine.
_browser = urllib.request.build_opener(_Stay, urllib.request.ProxyHandler({}))


def visit(url, body=None, headers=None):
    """Makes a request and does not follow where it leads."""
    try:
        with _browser.open(urllib.request.Request(url, body, headers or {}), timeout=PATIENCE) as res:
            return Answer(res)
    except urllib.error.HTTPError as res:
        with res:
            return Answer(res)


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
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                receiver._receive(self)

            def log_message(self, *args):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_port}/notify?type=notification"

        def close():
            server.shutdown()
            thread.join()
            server.server_close()
            test.assertEqual(self.failures, [], "notifications")

        test.addCleanup(close)

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
