"""The scenarios, named as in ../MULTISAFEPAY.md and SCENARIOS.md."""
import unittest

import requests
from multisafepay import Sdk
from multisafepay.api.paths.capture.request.capture_request import CaptureRequest
from multisafepay.api.paths.orders.order_id.capture.request.capture_request import CaptureOrderRequest
from multisafepay.api.paths.orders.order_id.refund.request.refund_request import RefundOrderRequest
from multisafepay.api.paths.orders.order_id.update.request.update_request import UpdateOrderRequest
from multisafepay.api.paths.orders.request.components.checkout_options import CheckoutOptions
from multisafepay.api.paths.orders.request.components.payment_options import PaymentOptions
from multisafepay.api.paths.orders.request.order_request import OrderRequest
from multisafepay.api.shared.cart.cart_item import CartItem
from multisafepay.api.shared.cart.shopping_cart import ShoppingCart
from multisafepay.api.shared.customer import Customer

from web import rand, visit
from world import SHOP, World

CARD = {"card_number": "4111111111111111", "card_holder_name": "Simon Smit", "card_expiry_date": "3012", "card_cvc": "123"}


class Scenario(unittest.TestCase):
    url = None

    def setUp(self):
        self.world = World(self, self.url)

    def options(self):
        return PaymentOptions(
            notification_url=self.world.hooks.url, notification_method="POST",
            redirect_url=f"{SHOP}?type=redirect", cancel_url=f"{SHOP}?type=cancel", close_window=False,
        )

    def request(self, **change):
        """An order of the seed."""
        members = {
            "type": "redirect", "order_id": f"my-order-{rand(8)}", "gateway": "ALIPAY", "currency": "EUR", "amount": 1000,
            "description": "Test order description", "payment_options": self.options(), "customer": Customer(locale="cn_CN"), **change,
        }
        return OrderRequest(**members)

    def create(self, **change):
        return self.accepted(lambda: self.world.orders.create(self.request(**change)))

    def accepted(self, call):
        """What a call that must succeed answers with."""
        try:
            answer = call()
        except requests.HTTPError as err:
            self.fail(err.response.text)
        self.assertTrue(answer.get_body_success(), answer)
        self.assertIsNotNone(answer.get_data(), f"the library made nothing of {answer.get_body_data()}")
        return answer.get_data()

    def get(self, order_id):
        order = self.accepted(lambda: self.world.orders.get(order_id))
        self.assertEqual(order.order_id, order_id)
        return order

    def paid(self, **change):
        """A card paid at once."""
        order = self.create(type="direct", gateway="VISA", gateway_info=CARD, **change)
        self.assertEqual((order.status, order.financial_status), ("completed", "completed"))
        return order

    def refused(self, call, status, code):
        """The library raises before it reads the body, so the body is read here."""
        with self.assertRaises(requests.HTTPError) as caught:
            call()
        response = caught.exception.response
        self.assertEqual((response.status_code, response.json()["error_code"]), (status, code))
        return response.json()["error_info"]

    def cart(self):
        items = [
            CartItem(name="Candle holder", unit_price=90, quantity=3, merchant_item_id="1111", description="").add_tax_rate_percentage(21),
            CartItem(name="Book", unit_price=35, quantity=1, merchant_item_id="2222", description="").add_tax_rate_percentage(9),
            CartItem(name="Shipping", unit_price=10, quantity=1, merchant_item_id="msp-shipping", description="").add_tax_rate_percentage(0),
        ]
        return ShoppingCart(items=items)


class Scenarios(Scenario):
    def test_catalogue(self):
        gateways = self.world.sdk.get_gateway_manager()
        listed = gateways.get_gateways().get_data()
        self.assertIn("ALIPAY", [g.id for g in listed])
        one = gateways.get_by_code("IDEAL").get_data()
        self.assertEqual((one.id, one.description), ("IDEAL", "iDEAL"))
        # This version of the library knows no other gateway with issuers.
        self.assertTrue(self.world.sdk.get_issuer_manager().get_issuers_by_gateway_code("MYBANK").get_body_success())

    def test_account(self):
        methods = self.world.sdk.get_payment_method_manager()
        listed = methods.get_payment_methods().get_data()
        self.assertIn("VISA", [m.id for m in listed])
        alipay = methods.get_by_gateway_code("ALIPAY").get_data()
        self.assertEqual(alipay.allowed_currencies, ["EUR", "USD"])
        self.assertEqual(len(self.world.sdk.get_category_manager().get_categories().get_data()), 16)
        self.assertTrue(self.world.sdk.get_me_manager().get().get_data().account_id)
        self.assertTrue(self.world.sdk.get_auth_manager().get_api_token().get_data().api_token.startswith("pub.v2."))

    def test_redirect(self):
        order = self.create()
        self.assertRegex(order.payment_url, r"/connect/[A-Za-z0-9]{35}/\?lang=[a-z]{2}_[A-Z]{2}$")
        wallet = self.world.submit(order.payment_url, gateway="ALIPAY")
        self.assertEqual(self.get(order.order_id).status, "initialized")
        self.assertEqual(self.world.pay(wallet), f"{SHOP}?type=redirect&transactionid={order.order_id}")
        done = self.get(order.order_id)
        self.assertEqual((done.status, done.financial_status), ("completed", "completed"))
        self.world.advance(3)
        query, body = self.world.hooks.wait(order.order_id, "completed")
        self.assertEqual((query["type"], query["transactionid"]), (["notification"], [order.order_id]))
        self.assertEqual(body["transaction_id"], int(done.transaction_id))

    def test_direct(self):
        order = self.create(type="direct", customer=Customer(
            locale="cn_CN", ip_address="123.123.123.123", first_name="Simon", last_name="Smit", address1="Kraanspoor", house_number="39C",
            zip_code="1033SC", city="Amsterdam", country="NL", phone="0208500500", email="simonsmit@example.com", referrer="https://example.com",
        ))
        self.assertEqual(
            (order.status, order.financial_status, order.amount, order.currency, order.amount_refunded, order.items, order.fastcheckout),
            ("initialized", "initialized", 1000, "EUR", 0, None, "NO"),
        )
        self.assertEqual((order.customer.first_name, order.customer.house_number, order.customer.country), ("Simon", "39C", "NL"))
        self.assertEqual((order.payment_details.type, order.payment_details.account_id), ("ALIPAY", ""))
        self.assertEqual((order.costs[0].amount, order.costs[0].type), (1000, "SYSTEM"))
        self.assertEqual((order.payment_methods[0].payment_description, order.payment_methods[0].status), ("ALIPAY", "initialized"))
        self.assertRegex(order.payment_url, r"/standard/auth\.htm\?auth_order_id=exc_[0-9a-f]{32}$")
        self.assertEqual(self.world.pay(order.payment_url, "cancelled"), f"{SHOP}?type=cancel&transactionid={order.order_id}")
        gone = self.get(order.order_id)
        self.assertEqual((gone.status, gone.financial_status), ("void", "cancelled"))
        self.world.advance(3)
        self.world.hooks.wait(order.order_id, "void")

    def test_events(self):
        order = self.create()
        events = self.world.sdk.get_event_manager()
        told = []
        with events.subscribe_order_events(order) as stream:
            for event in stream:
                told.append((event.event, event.data.status))
                if len(told) == 1:
                    self.assertEqual(event.data.order_id, order.order_id)
                    self.world.pay(self.world.submit(order.payment_url, gateway="ALIPAY"))
        self.assertEqual(told, [("session.order", "initialized"), ("session.order", "completed")])

    def test_lenient(self):
        for order_id in ["007", "1.50", "a b.c_d-é/茶", "0"]:
            description = "Tea & biscuits, café/茶 \"quoted\" <3"
            order = self.create(type="direct", order_id=order_id, description=description)
            self.assertEqual((order.order_id, order.description), (order_id, description))
            self.assertEqual(self.get(order_id).description, description)

    def test_ship(self):
        order = self.paid()
        answer = self.world.orders.update(order.order_id, UpdateOrderRequest(status="shipped", tracktrace_code="3SXXXX", carrier="PostNL"))
        self.assertTrue(answer.get_body_success())
        self.assertEqual(self.get(order.order_id).status, "shipped")

    def test_cancel(self):
        order = self.create()
        self.assertTrue(self.world.orders.update(order.order_id, UpdateOrderRequest(status="cancelled", exclude_order=True)).get_body_success())
        self.assertEqual(self.get(order.order_id).status, "cancelled")
        self.assertEqual(visit(order.payment_url).status, 410)

    def test_refund(self):
        order = self.paid()
        for amount, status in [(100, "partial_refunded"), (900, "refunded")]:
            answer = self.world.orders.refund(order.order_id, RefundOrderRequest(amount=amount, currency="EUR", description="Refund"))
            self.assertTrue(answer.get_data().refund_id, answer)
            self.assertEqual(str(answer.get_data().transaction_id), str(order.transaction_id))
            self.assertEqual(self.get(order.order_id).status, status)
        self.assertEqual(self.get(order.order_id).amount_refunded, 1000)

    def test_refund_by_item(self):
        cart = self.cart()
        options = CheckoutOptions.generate_from_shopping_cart(cart)
        order = self.paid(amount=37485, shopping_cart=cart, checkout_options=options)
        self.assertTrue(self.world.orders.refund_by_item(order, "1111", 1).get_data().refund_id)
        self.assertEqual(self.get(order.order_id).amount_refunded, 37485)  # the library sends the whole amount
        order = self.paid(amount=37485, shopping_cart=cart, checkout_options=options)
        request = self.world.orders.create_refund_request(order)
        self.assertTrue(self.world.orders.refund(order.order_id, request).get_data().refund_id)

    def test_cart(self):
        cart = self.cart()
        options = CheckoutOptions.generate_from_shopping_cart(cart)
        request = self.request(type="direct", gateway="IDEAL", amount=37485, shopping_cart=cart, checkout_options=options)
        request.validate_amount()
        order = self.world.orders.create(request).get_data()
        back = self.get(order.order_id)
        self.assertEqual([i.merchant_item_id for i in back.shopping_cart.items], ["1111", "2222", "msp-shipping"])
        self.assertEqual(float(back.order_total), 374.85)
        self.assertIsInstance(back.items, str)

    def test_capture(self):
        def authorised():
            order = self.create(type="direct", gateway="CREDITCARD", gateway_info=CARD, capture="manual")
            self.assertEqual((order.status, order.financial_status), ("completed", "initialized"))
            return order

        full = authorised()
        answer = self.world.orders.capture(full.order_id, CaptureOrderRequest(amount=1000, new_order_id=f"{full.order_id}-1", new_order_status="completed"))
        self.assertEqual(answer.get_data().order_id, full.order_id)
        self.assertEqual(self.get(full.order_id).financial_status, "completed")
        part = authorised()
        answer = self.world.orders.capture(part.order_id, CaptureOrderRequest(amount=10, new_order_id=f"{part.order_id}-1", new_order_status="completed"))
        self.assertEqual(answer.get_data().order_id, f"{part.order_id}-1")
        answer = self.world.orders.capture(part.order_id, CaptureOrderRequest(amount=20, new_order_id=f"{part.order_id}-2", new_order_status="completed"))
        self.assertEqual(answer.get_data().order_id, f"{part.order_id}-2")
        self.assertEqual(self.get(f"{part.order_id}-2").amount, 20)
        self.assertEqual(self.get(part.order_id).financial_status, "initialized")
        answer = self.world.sdk.get_capture_manager().capture_reservation_cancel(part.order_id, CaptureRequest(status="cancelled", reason="x"))
        self.assertTrue(answer.get_body_success())
        self.assertIsNotNone(answer.get_data())
        self.assertEqual(self.get(part.order_id).financial_status, "completed")

    def test_recurring(self):
        reference = f"customer/{rand(6)}"
        order = self.paid(recurring_model="cardOnFile", customer=Customer(locale="en_US", reference=reference))
        token = order.payment_details.recurring_id
        manager = self.world.sdk.get_recurring_manager()
        self.assertEqual([t.token for t in manager.get_list(reference).get_data()], [token])
        self.assertEqual(manager.get(token, reference).get_data().token, token)
        self.assertIs(manager.delete(reference, token).get_body_data()["removed"], True)
        self.assertEqual(manager.get_list(reference).get_data(), [])

    def test_transactions(self):
        manager = self.world.sdk.get_transaction_manager()
        self.assertEqual(len(manager.get_transactions().get_data().get_data()), 0)
        for _ in range(3):
            self.paid()
        listing = manager.get_transactions({"limit": 2}).get_data()
        self.assertEqual(len(listing.get_data()), 2)
        self.assertTrue(listing.get_pager().after)
        self.assertEqual(len(manager.get_transactions({"status": "completed"}).get_data().get_data()), 3)

    def test_verifier(self):
        for text in ["Tea & biscuits, café/茶", "\u2028\u2029 <b>/</b> \\ \"", "a\tb\nc", "emoji 🛒, 0.1 + 0.2"]:
            cart = self.cart()
            order = self.create(type="direct", var1=text, shopping_cart=cart, checkout_options=CheckoutOptions.generate_from_shopping_cart(cart))
            self.world.pay(order.payment_url)
            self.world.advance(3)
            self.assertEqual(self.world.hooks.wait(order.order_id, "completed")[1]["var1"], text)

    def test_errors(self):
        self.refused(lambda: self.world.orders.get("foobar"), 404, 1006)
        self.assertIn("Invalid transaction ID", self.refused(lambda: self.world.orders.update("foobar", UpdateOrderRequest(status="shipped")), 404, 1006))
        self.refused(lambda: self.world.orders.create(self.request(amount=0)), 404, 1001)
        self.refused(lambda: self.world.orders.create(self.request(gateway="SHELLS")), 404, 1023)
        order = self.paid()
        self.refused(lambda: self.world.orders.create(self.request(order_id=order.order_id)), 404, 1006)
        stranger = Sdk(api_key="short-key")
        stranger.get_client().url = f"{self.url}/v1/"
        self.refused(lambda: stranger.get_order_manager().get("x"), 401, 1032)
