"""A headless Chromium, spoken to over its DevTools protocol through two pipes:
no port, no driver, no package."""

import base64
import contextlib
import itertools
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import tempfile
import time

# How long anything may take that comes about by itself, on a slow machine, too.
PATIENCE_S = 60


class Browser:
    """One browser with one page; used as a context, it is gone afterwards."""

    def __init__(self, *, width, height=900, mobile=False):
        self._ids = itertools.count(1)
        self._buffer = b""
        self._session = None
        self._profile = tempfile.TemporaryDirectory(prefix="labkit-page-")
        # Everything that the page asks for, complains of, or prints.
        self.requests, self.complaints = [], []
        self._start()
        try:
            self._attach(width, height, mobile)
        except BaseException:
            self.close()
            raise

    def _attach(self, width, height, mobile):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=mobile,
        )

    def _start(self):
        to_browser, self._to = os.pipe()
        self._from, from_browser = os.pipe()
        # The browser reads from descriptor 3 and writes to 4. Root has no sandbox
        # of user namespaces; what it loads here is our own page.
        redirect = f'exec "$@" 3<&{to_browser} 4>&{from_browser}'
        command = [
            shutil.which("chromium") or "chromium",
            "--headless=new",
            "--remote-debugging-pipe",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--no-first-run",
            f"--user-data-dir={self._profile.name}",
            "about:blank",
        ]
        self._process = subprocess.Popen(
            ["bash", "-c", redirect, "bash", *command],
            pass_fds=(to_browser, from_browser),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(to_browser)
        os.close(from_browser)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends it."""
        # All of its processes: they are a session of their own.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._to)
        os.close(self._from)
        with contextlib.suppress(OSError):
            self._profile.cleanup()

    def call(self, method, **params):
        """The result of one command."""
        number = next(self._ids)
        message = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._to, data) :]
        deadline = time.monotonic() + PATIENCE_S
        while True:
            answer = self._read(deadline, method)
            if answer.get("id") == number:
                if "error" in answer:
                    raise AssertionError(f"{method}: {answer['error']}")
                return answer["result"]
            self._note(answer)

    def _read(self, deadline, what):
        while b"\0" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._from], [], [], left)[0]:
                raise AssertionError(f"{what}: no answer from Chromium within {PATIENCE_S} s")
            chunk = os.read(self._from, 1 << 16)
            if not chunk:
                raise AssertionError(
                    f"{what}: Chromium is gone; is it installed and does it start?"
                )
            self._buffer += chunk
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def _note(self, event):
        method, params = event.get("method"), event.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.complaints.append(params["entry"]["text"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(params["exceptionDetails"]["text"])
        elif method == "Runtime.consoleAPICalled":
            self.complaints.append(str(params["args"]))

    def open(self, url):
        """Loads a page, and returns when it stands."""
        answer = self.call("Page.navigate", url=url)
        assert "errorText" not in answer, f"{url}: {answer}"
        self.until(f"document.readyState === 'complete' && location.href === {json.dumps(url)}")

    def value(self, expression):
        """What a JavaScript expression comes to; promises are waited for."""
        # Wrapped in a function, as the page's own policy forbids evaluation of texts.
        answer = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, f"{expression}: {answer['exceptionDetails']}"
        return answer["result"].get("value")

    def until(self, expression):
        """Waits for an expression to be true."""
        deadline = time.monotonic() + PATIENCE_S
        while not self.value(expression):
            assert time.monotonic() < deadline, f"not so after {PATIENCE_S} s: {expression}"
            time.sleep(0.05)  # between two looks

    def until_asked(self, count):
        """Waits until the page has asked for so many things."""
        deadline = time.monotonic() + PATIENCE_S
        while len(self.requests) < count:
            assert time.monotonic() < deadline, f"it asked only for {self.requests}"
            self.value("0")  # what it asked for comes with the answer
            time.sleep(0.05)  # between two looks

    def screenshot(self, path):
        """The whole page, as PNG."""
        picture = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        pathlib.Path(path).write_bytes(base64.b64decode(picture["data"]))
