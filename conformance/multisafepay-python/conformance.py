"""Drives a running ducat with MultiSafepay's Python library, as a merchant's
program would. The scenarios are listed in ../MULTISAFEPAY.md and SCENARIOS.md.
Arguments name those to run; without any, all are."""
import os
import sys
import unittest

sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "python"))

from scenarios import Scenario, Scenarios  # noqa: E402
from server import Ducat, database  # noqa: E402


def main():
    known = {m.removeprefix("test_").replace("_", "-"): Scenarios(m) for m in unittest.defaultTestLoader.getTestCaseNames(Scenarios)}
    unknown = set(sys.argv[1:]) - set(known)
    if unknown:
        sys.exit(f"no such scenario: {' '.join(sorted(unknown))}")
    passed, wrong = [], []
    with database() as db:
        server = Ducat(db)
        Scenario.url = server.url
        try:
            for name in sys.argv[1:] or known:
                result = unittest.TestResult()
                known[name].run(result)
                traces = [trace for _, trace in result.errors + result.failures] + [reason for _, reason in result.skipped]
                print("\n".join([f"FAILED  {name}", *traces]) if traces else f"passed  {name}")
                (wrong if traces else passed).append(name)
        finally:
            print(server.stop())
    if "DUCAT_RAN" in os.environ:
        with open(os.environ["DUCAT_RAN"], "a", encoding="utf-8") as ran:
            ran.writelines(f"{name}\n" for name in passed)
    print(f"{len(passed)} of {len(passed) + len(wrong)} scenarios passed")
    if wrong:
        sys.exit(f"what the server said beside its request log:\n{server.log()}")


if __name__ == "__main__":
    main()
