"""Starts and stops the program under test."""
import contextlib
import os
import queue
import subprocess
import tempfile
import threading
from collections import deque

# PATIENCE bounds every wait, in seconds. Nothing is expected to take this long.
PATIENCE = 60


@contextlib.contextmanager
def database():
    """The address of an empty database, which is removed in the end."""
    with tempfile.TemporaryDirectory(prefix="ducat-conformance-") as directory:
        yield f"sqlite:{directory}/ducat.db"


class Ducat:
    """A running ducat on a database."""

    def __init__(self, db):
        self.bin = os.environ["DUCAT_BIN"]
        self.db = db
        self.noise = deque(maxlen=100)
        self.process = subprocess.Popen(
            [self.bin, "serve", "--listen", "127.0.0.1:0", "--db", self.db],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        ready = queue.Queue()
        self.readers = [
            threading.Thread(target=self._read_stdout, args=(ready,), daemon=True),
            threading.Thread(target=self._read_stderr, daemon=True),
        ]
        for reader in self.readers:
            reader.start()
        try:
            self.url = ready.get(timeout=PATIENCE)
        except queue.Empty:
            self.url = None
        if self.url is None:
            self._end()
            raise AssertionError(f"ducat serve did not say “ready url=…”\n{self.log()}")

    def _read_stdout(self, ready):
        for line in self.process.stdout:
            if line.startswith("ready url="):
                ready.put(line.removeprefix("ready url=").strip())
        ready.put(None)

    def _read_stderr(self):
        for line in self.process.stderr:
            if "level=INFO msg=request " not in line:
                self.noise.append(line)

    def log(self):
        """What the server said beside its request log."""
        return "".join(self.noise)

    def stop(self):
        """Ends the server as an operator would, and has the books checked."""
        if self.process.returncode is not None:
            return ""
        try:
            self.process.terminate()
            try:
                code = self.process.wait(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                raise AssertionError(f"ducat serve did not stop on SIGTERM\n{self.log()}") from None
            if code != 0:
                raise AssertionError(f"ducat serve ended with {code}\n{self.log()}")
            verify = subprocess.run(
                [self.bin, "verify", "--db", self.db], timeout=PATIENCE,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            )
            if verify.returncode != 0:
                raise AssertionError(f"ducat verify ended with {verify.returncode}\n{verify.stdout}")
            return verify.stdout.strip()
        finally:
            self._end()

    def _end(self):
        self.process.kill()
        self.process.wait()
        for reader in self.readers:
            reader.join()
        self.process.stdout.close()
        self.process.stderr.close()
