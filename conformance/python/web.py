"""What both ends of a test need beside a library: a client that shows each answer
as it is, and a server that listens."""
import http.server
import secrets
import socket
import string
import threading
import urllib.error
import urllib.request

from server import PATIENCE

BASE62 = string.digits + string.ascii_letters


def rand(n):
    return "".join(secrets.choice(BASE62) for _ in range(n))


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


def free_port():
    """A port that was free a moment ago."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def listen(test, post, get=None):
    """Serves until the test ends, handing each request to a function; returns
    the address."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            post(self)

        def do_GET(self):
            get(self)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()

    def close():
        server.shutdown()
        thread.join()
        server.server_close()

    test.addCleanup(close)
    return f"http://127.0.0.1:{server.server_port}"
