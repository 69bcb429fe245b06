"""Drives a running ducat with the official Python library, as a merchant's
program would. The list of scenarios, shared with the other languages, is in
../SCENARIOS.md. Arguments name those to run; without any, all are."""
import os
import sys
import unittest
from concurrent.futures import ThreadPoolExecutor

from scenarios import Scenario
from scenarios.api import Api
from scenarios.intents import Intents
from scenarios.money import Money
from scenarios.payment import Payment
from scenarios.platform import Platform
from scenarios.restart import Restart
from server import Ducat, database

AT_ONCE = 8


def chosen(names):
    """The scenarios by name, all of them or those named."""
    known = {
        method.removeprefix("test_").replace("_", "-"): group(method)
        for group in (Restart, Payment, Money, Api, Platform, Intents)
        for method in unittest.defaultTestLoader.getTestCaseNames(group)
    }
    unknown = set(names) - set(known)
    if unknown:
        sys.exit(f"no such scenario: {' '.join(sorted(unknown))}")
    return {name: known[name] for name in names or known}


def run(name, case):
    """Runs a scenario, and returns what went wrong."""
    result = unittest.TestResult()
    case.run(result)
    wrong = [trace for _, trace in result.errors + result.failures] + [f"skipped: {reason}" for _, reason in result.skipped]
    # In one piece, so that threads do not write into each other's lines.
    sys.stdout.write("\n".join([f"FAILED  {name}", *wrong, ""]) if wrong else f"passed  {name}\n")
    return wrong


def main():
    scenarios = chosen(sys.argv[1:])
    with database() as db, ThreadPoolExecutor(AT_ONCE) as threads:
        server = Ducat(db)
        try:
            Scenario.url = server.url
            wrong = dict(zip(scenarios, threads.map(run, scenarios, scenarios.values())))
        finally:
            print(server.stop())
    passed = [name for name, what in wrong.items() if not what]
    if "DUCAT_RAN" in os.environ:
        with open(os.environ["DUCAT_RAN"], "a", encoding="utf-8") as ran:
            ran.writelines(f"{name}\n" for name in passed)
    print(f"{len(passed)} of {len(wrong)} scenarios passed")
    if len(passed) != len(wrong):
        sys.exit(f"what the server said beside its request log:\n{server.log()}")


if __name__ == "__main__":
    main()
