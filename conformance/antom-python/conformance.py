"""Auto Debit through Antom's official Python library, for every wallet and bank.

For each method: consult, agree on the page, exchange the code, refresh, pay
three times with one token, refund, cancel, revoke, and pay in vain. The library
verifies the signature of every answer; each notification is verified with the
library's own function. In the end `ducat verify` judges the books.
"""
import http.server
import json
import os
import queue
import re
import secrets
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import traceback
import urllib.parse
import urllib.request

PATIENCE = 60  # bounds every wait, in seconds

# Method, currency, an amount in minor units, whether it refunds, whether a paid
# payment can be cancelled, whether its tokens can be renewed.
METHODS = [
    ("ALIPAY_CN", "CNY", 5_000, True, True, True),
    ("ALIPAY_HK", "HKD", 5_000, True, True, True),
    ("BOOST", "MYR", 5_000, True, True, True),
    ("DANA", "IDR", 5_000_000, True, False, True),
    ("GCASH", "PHP", 5_000, True, True, True),
    ("KAKAOPAY", "KRW", 5_000, True, True, True),
    ("NAVERPAY", "KRW", 5_000, True, True, True),
    ("RABBIT_LINE_PAY", "THB", 5_000, True, True, True),
    ("TOSSPAY", "KRW", 5_000, True, True, True),
    ("TNG", "MYR", 5_000, True, True, True),
    ("TRUEMONEY", "THB", 5_000, True, True, True),
    ("ZALOPAY", "VND", 50_000, True, True, False),
    ("DIRECT_DEBIT_KRUNGTHAIBANK", "THB", 5_000, False, False, False),
    ("DIRECT_DEBIT_SIAMCOMMERCIALBANK", "THB", 5_000, False, False, False),
    ("GRABPAY_MY", "MYR", 5_000, True, True, True),
    ("GRABPAY_SG", "SGD", 5_000, True, True, True),
    ("GRABPAY_PH", "PHP", 5_000, True, True, True),
    ("MAYA", "PHP", 5_000, True, True, True),
    ("PAYPAY", "JPY", 5_000, True, True, False),
    ("KPLUS", "THB", 5_000, True, True, True),
]


class Shop(http.server.ThreadingHTTPServer):
    """Receives notifications."""

    def __init__(self):
        shop = self
        self.heard = queue.Queue()
        self.early = []  # heard, and not asked for yet

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                shop.heard.put((self.path, dict(self.headers.items()), body))
                answer = b'{"result":{"resultCode":"SUCCESS","resultStatus":"S","resultMessage":"success"}}'
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def wait(self, keep):
        """The first notification that keep wants. Others are kept for whoever
        asks for them later: those about different payments come in any order."""
        for early in self.early:
            if keep(json.loads(early[2])):
                self.early.remove(early)
                return early
        while True:
            next_one = self.heard.get(timeout=PATIENCE)
            if keep(json.loads(next_one[2])):
                return next_one
            self.early.append(next_one)


class Ducat:
    """A running ducat that serves HTTPS on an address of its own."""

    def __init__(self, directory):
        self.bin, self.db = os.environ["DUCAT_BIN"], f"sqlite:{directory}/ducat.db"
        self.host = free_address()
        self.log = open(f"{directory}/log", "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [self.bin, "serve", "--listen", "127.0.0.1:0", "--db", self.db, "--tls", "--tls-dir", f"{directory}/tls",
             "--tls-listen", f"{self.host}:443", "--tls-host", self.host],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log, text=True,
        )
        self.url = None
        for line in self.process.stdout:
            if line.startswith("ready url="):
                self.url = line.removeprefix("ready url=").strip()
                break
        if self.url is None:
            raise AssertionError(f"ducat serve did not say “ready url=…”\n{self.said()}")
        self.authority = f"{directory}/tls/ca.pem"
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def said(self):
        self.log.flush()
        self.log.seek(0)
        return "".join(line for line in self.log if "level=INFO" not in line)

    def control(self, client, method, path, body=None):
        request = urllib.request.Request(
            f"{self.url}/_ducat/v1/{path}", method=method, data=json.dumps(body or {}).encode() if method == "POST" else None,
            headers={"Authorization": f"Bearer {client}"},
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)

    def stop(self):
        self.process.terminate()
        code = self.process.wait(timeout=PATIENCE)
        if code != 0:
            raise AssertionError(f"ducat serve ended with {code}\n{self.said()}")
        verify = subprocess.run([self.bin, "verify", "--db", self.db], timeout=PATIENCE, capture_output=True, text=True, check=False)
        if verify.returncode != 0:
            raise AssertionError(verify.stdout + verify.stderr)
        return verify.stdout.strip()


def free_address():
    """A loopback address on which nobody has port 443 yet."""
    while True:
        host = f"127.0.43.{secrets.randbelow(253) + 1}"
        try:
            socket.create_server((host, 443)).close()
            return host
        except OSError:
            continue


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def decide(page, decision):
    """Does what the payer does on the page; returns where they are sent."""
    opener = urllib.request.build_opener(NoRedirect, urllib.request.HTTPSHandler(context=ssl.create_default_context()))
    try:
        opener.open(page, data=urllib.parse.urlencode({"decision": decision, "login": "any"}).encode(), timeout=PATIENCE)
    except urllib.error.HTTPError as answer:
        if answer.code == 303:
            return urllib.parse.parse_qs(urllib.parse.urlsplit(answer.headers["Location"]).query)
        raise
    raise AssertionError("the page did not send the payer on")


def walk(ducat, shop, method, currency, minor, refunds, cancels, renews):
    """One method from consent to revocation."""
    from com.alipay.ams.api.default_alipay_client import DefaultAlipayClient
    from com.alipay.ams.api.model.amount import Amount
    from com.alipay.ams.api.model.customer_belongs_to import CustomerBelongsTo
    from com.alipay.ams.api.model.grant_type import GrantType
    from com.alipay.ams.api.model.order import Order
    from com.alipay.ams.api.model.payment_method import PaymentMethod
    from com.alipay.ams.api.model.product_code_type import ProductCodeType
    from com.alipay.ams.api.model.scope_type import ScopeType
    from com.alipay.ams.api.model.terminal_type import TerminalType
    from com.alipay.ams.api.request.auth.alipay_auth_apply_token_request import AlipayAuthApplyTokenRequest
    from com.alipay.ams.api.request.auth.alipay_auth_consult_request import AlipayAuthConsultRequest
    from com.alipay.ams.api.request.auth.alipay_auth_revoke_token_request import AlipayAuthRevokeTokenRequest
    from com.alipay.ams.api.request.pay.alipay_inquiry_refund_request import AlipayInquiryRefundRequest
    from com.alipay.ams.api.request.pay.alipay_pay_cancel_request import AlipayPayCancelRequest
    from com.alipay.ams.api.request.pay.alipay_pay_query_request import AlipayPayQueryRequest
    from com.alipay.ams.api.request.pay.alipay_pay_request import AlipayPayRequest
    from com.alipay.ams.api.request.pay.alipay_refund_request import AlipayRefundRequest
    from com.alipay.ams.api.response.auth.alipay_auth_apply_token_response import AlipayAuthApplyTokenResponse
    from com.alipay.ams.api.response.auth.alipay_auth_consult_response import AlipayAuthConsultResponse
    from com.alipay.ams.api.response.pay.alipay_pay_query_response import AlipayPayQueryResponse
    from com.alipay.ams.api.response.pay.alipay_pay_response import AlipayPayResponse
    from com.alipay.ams.api.tools.webhook_tool import check_signature

    client_id = "SANDBOX_" + secrets.token_hex(8)
    keys = ducat.control(client_id, "POST", "antom/keys")
    ours = keys["antom_public_key"]
    client = DefaultAlipayClient(f"https://{ducat.host}", client_id, keys["private_key_pkcs1"], ours)
    ducat.control(client_id, "POST", "account", {"settings": {"antom.notify_authorization": f"{shop.url}/{client_id}"}})

    def ask(request, code="SUCCESS", response=None):
        text = client.execute(request)
        got = json.loads(text)
        assert got["result"]["resultCode"] == code, f"{type(request).__name__}: {text}"
        return response(text) if response else got

    def good(*what):
        """The library's verifier, which raises for a wrong signature."""
        try:
            return check_signature(*what)
        except Exception as error:
            if type(error).__name__ != "VerificationError":
                raise
            return False

    def notified(kind, **members):
        """Waits for a notification and verifies it with the library."""
        path, headers, body = shop.wait(lambda n: (n.get("notifyType") or n.get("authorizationNotifyType")) == kind and all(n.get(k) == v for k, v in members.items()))
        h = {k.lower(): v for k, v in headers.items()}
        assert good("POST", path, h["client-id"], h["request-time"], body, h["signature"], ours), f"{kind}: bad signature"
        assert not good("POST", path, h["client-id"], h["request-time"], body + " ", h["signature"], ours), f"{kind}: any signature is good"
        return json.loads(body)

    # Consent.
    consult = AlipayAuthConsultRequest()
    state = "state-" + secrets.token_hex(6)
    consult.customer_belongs_to, consult.auth_redirect_url, consult.auth_state = CustomerBelongsTo[method], "https://shop.example/back", state
    consult.scopes, consult.terminal_type = [ScopeType.AGREEMENT_PAY], TerminalType.WEB
    page = ask(consult, response=AlipayAuthConsultResponse).auth_url
    back = decide(re.sub(r"^http://[^/]+", ducat.url, page), "authorize")
    assert back["authState"] == [state], back
    assert notified("AUTHCODE_CREATED")["authCode"] == back["authCode"][0]

    # Tokens.
    apply = AlipayAuthApplyTokenRequest()
    apply.grant_type, apply.customer_belongs_to, apply.auth_code = GrantType.AUTHORIZATION_CODE, CustomerBelongsTo[method], back["authCode"][0]
    tokens = ask(apply, response=AlipayAuthApplyTokenResponse)
    assert (tokens.refresh_token is not None) == renews, f"refresh token {tokens.refresh_token}"
    if renews:
        refresh = AlipayAuthApplyTokenRequest()
        refresh.grant_type, refresh.customer_belongs_to, refresh.refresh_token = GrantType.REFRESH_TOKEN, CustomerBelongsTo[method], tokens.refresh_token
        renewed = ask(refresh, response=AlipayAuthApplyTokenResponse)
        assert renewed.access_token != tokens.access_token
        tokens = renewed

    # Three payments with one token.
    def pay(request_id, code="SUCCESS"):
        amount = Amount(currency, str(minor))
        request = AlipayPayRequest()
        request.product_code, request.payment_request_id, request.payment_amount = ProductCodeType.AGREEMENT_PAYMENT, request_id, amount
        order = Order()
        order.reference_order_id, order.order_description, order.order_amount = "order-" + request_id, "Plan", amount
        pm = PaymentMethod()
        pm.payment_method_type, pm.payment_method_id = method, tokens.access_token
        request.order, request.payment_method, request.payment_notify_url = order, pm, f"{shop.url}/{client_id}?kind=payment"
        return ask(request, code, AlipayPayResponse)

    first, second, third = (pay(f"pay-{n}") for n in range(3))
    assert len({first.payment_id, second.payment_id, third.payment_id}) == 3
    assert pay("pay-0").payment_id == first.payment_id
    for p in (first, second, third):
        assert notified("PAYMENT_RESULT", paymentId=p.payment_id)["result"]["resultStatus"] == "S"
    query = AlipayPayQueryRequest()
    query.payment_request_id = "pay-1"
    found = ask(query, response=AlipayPayQueryResponse)
    assert found.payment_id == second.payment_id and found.payment_status.value == "SUCCESS"

    # Refund and cancel.
    refund = AlipayRefundRequest()
    refund.refund_request_id, refund.payment_id, refund.refund_amount = "refund-1", first.payment_id, Amount(currency, str(minor // 2))
    refund.refund_notify_url = f"{shop.url}/{client_id}/refund"
    ask(refund, "SUCCESS" if refunds else "REFUND_NOT_SUPPORTED")
    if refunds:
        assert notified("REFUND_RESULT", refundRequestId="refund-1")["refundStatus"] == "SUCCESS"
        inquiry = AlipayInquiryRefundRequest()
        inquiry.refund_request_id = "refund-1"
        assert ask(inquiry)["refundStatus"] == "SUCCESS"
    cancel = AlipayPayCancelRequest()
    cancel.payment_id = second.payment_id
    ask(cancel, "SUCCESS" if cancels else "ORDER_STATUS_INVALID")

    # Revocation.
    revoke = AlipayAuthRevokeTokenRequest()
    revoke.access_token = tokens.access_token
    ask(revoke)
    assert notified("TOKEN_CANCELED")["accessToken"] == tokens.access_token
    pay("pay-9", "INVALID_ACCESS_TOKEN")
    ask(revoke, "INVALID_ACCESS_TOKEN")


def main():
    failed = []
    with tempfile.TemporaryDirectory(prefix="ducat-conformance-") as directory:
        ducat = Ducat(directory)
        try:
            os.environ["SSL_CERT_FILE"] = ducat.authority
            for case in METHODS:
                try:
                    walk(ducat, Shop(), *case)
                except Exception:  # the other methods are still of interest
                    failed.append(case[0])
                    print(f"{case[0]}:\n{traceback.format_exc()}", file=sys.stderr)
        finally:
            books = ducat.stop()
    if failed:
        sys.exit(f"conformance/antom-python: failed: {' '.join(failed)}")
    print(f"conformance/antom-python: {len(METHODS)} methods; {books}")


main()
