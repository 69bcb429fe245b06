"""The scenarios of ../SCENARIOS.md: each test_ method is one, named as there
but for the hyphens."""
import unittest

import stripe

from world import World

HOUR = 3600
DAY = 24 * HOUR
OLD_VERSION = "2019-09-09"  # from before refunds left the charge

INVALID = stripe.InvalidRequestError
NOT_CHARGEABLE = {
    "status": 400, "error": INVALID, "code": "invalid_source_usage", "param": "source", "says": "not in a chargeable state",
}
ALREADY_USED = {**NOT_CHARGEABLE, "says": "already been used"}
UNKNOWN_CHARGE = "py_000000000000000000000000"


class Scenario(unittest.TestCase):
    """A test with a world to itself."""

    url = None  # of the server, set once it runs

    def setUp(self):
        self.w = World(self, self.url)


def scripted(name):
    """Metadata that has a source end the way the name says."""
    return {"metadata": {"ducat_scenario": name}}
