"""A headless Chromium driven through its debugging pipe: no package, no port, no network."""

import base64
import json
import os
import select
import shutil
import subprocess
import time

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--mute-audio",
    "--hide-scrollbars",
    "--autoplay-policy=no-user-gesture-required",
    "--remote-debugging-pipe",
]


def find_chromium():
    return next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))),
        None,
    )


class Browser:
    """One page. ``errors`` and ``requests`` collect what the console and the network saw."""

    def __init__(self, profile):
        ours_in, theirs_out = os.pipe()
        theirs_in, ours_out = os.pipe()
        spare = [os.dup(theirs_in), os.dup(theirs_out)]

        def connect():
            os.dup2(spare[0], 3)
            os.dup2(spare[1], 4)

        command = [find_chromium(), *ARGUMENTS, f"--user-data-dir={profile}", "about:blank"]
        self.process = subprocess.Popen(
            command, preexec_fn=connect, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for end in (theirs_in, theirs_out, *spare):
            os.close(end)
        self._in, self._out = ours_in, ours_out
        self._buffer, self._number, self._events = b"", 0, []
        self.errors, self.requests = [], []
        target = self._browser("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._browser("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    def _browser(self, method, **params):
        return self._call({"method": method, "params": params})

    def send(self, method, **params):
        return self._call({"method": method, "params": params, "sessionId": self._session})

    def _call(self, message):
        self._number += 1
        os.write(self._out, json.dumps({"id": self._number, **message}).encode() + b"\0")
        wanted = self._number
        while True:
            found = self._read(60)
            if found is None:
                raise TimeoutError(message["method"])
            if found.get("id") == wanted:
                if "error" in found:
                    raise RuntimeError(found["error"])
                return found["result"]
            self._note(found)

    def _read(self, timeout_s):
        end = time.monotonic() + timeout_s
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                return None
            self._buffer += os.read(self._in, 1 << 20)
        line, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(line)

    def _note(self, event):
        method, params = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.errors.append(
                params["exceptionDetails"].get("exception", {}).get("description", str(params))
            )
        elif method == "Runtime.consoleAPICalled" and params["type"] in {"error", "warning", "assert"}:
            self.errors.append(str(params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in {"error", "warning"}:
            self.errors.append(params["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        self._events.append(method)

    def wait(self, seconds=0.2):
        """Take in whatever happens for a while."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if (event := self._read(left)) is not None:
                self._note(event)

    def size(self, width, height, *, phone=False, dark=False, media=""):
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=phone,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", media=media, features=[scheme])

    def open(self, path):
        self._events.clear()
        self.send("Page.navigate", url=path.resolve().as_uri())
        end = time.monotonic() + 60
        while "Page.loadEventFired" not in self._events and time.monotonic() < end:
            self.wait(0.1)
        self.wait(0.3)

    def run(self, expression):
        """Value of a JavaScript expression; promises are awaited."""
        found = self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            raise RuntimeError(found["exceptionDetails"])
        return found["result"].get("value")

    def until(self, expression, most_s=60):
        """Whether a JavaScript expression became true within ``most_s``."""
        end = time.monotonic() + most_s
        while not self.run(expression):
            if time.monotonic() > end:
                return False
            self.wait(0.05)
        return True

    def press(self, key, code, number):
        for kind in ("rawKeyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=code, windowsVirtualKeyCode=number)
        self.wait(0.1)

    def screenshot(self, path, *, full=False):
        shot = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=full)
        path.write_bytes(base64.b64decode(shot["data"]))

    def close(self):
        try:
            self._browser("Browser.close")
            self.process.wait(10)
        except (OSError, TimeoutError, RuntimeError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        os.close(self._in)
        os.close(self._out)
