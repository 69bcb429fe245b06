"""Nothing is lost when the server is stopped and started."""
import unittest

from scenarios import HOUR
from server import Ducat, database
from world import World, dial, order


class Restart(unittest.TestCase):
    def test_restart(self):
        with database() as db:
            server = Ducat(db)
            try:
                w = World(self, server.url)
                pending, chargeable = w.source(), w.authorized()

                def again():
                    return w.server.sources.create(order(), {"idempotency_key": "before"})

                first = again()
                ch = w.charged()
                refund = w.server.refunds.create({"charge": ch.id, "amount": 100})
                balance = w.balance()
                server.stop()

                server = Ducat(db)
                w.base, w.server = server.url, dial(server.url, w.sk).v1
                self.assertEqual(w.balance(), balance)
                second = again()
                self.assertEqual(second.id, first.id)
                self.assertEqual(second.last_response.headers["idempotent-replayed"], "true")
                self.assertEqual(w.charge(chargeable).status, "succeeded")
                w.pay(w.server.sources.retrieve(pending.id), "authorize")
                w.advance(2)
                w.hooks.wait("source.chargeable", pending.id)
                w.advance(600)
                self.assertEqual(w.server.refunds.retrieve(refund.id).status, "succeeded")
                w.advance(6 * HOUR)
                w.hooks.wait("source.canceled", pending.id)
            finally:
                server.stop()
