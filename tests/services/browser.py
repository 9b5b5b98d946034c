"""A headless Chromium, driven over a pair of pipes by its own protocol; needs no driver and no port."""

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

PATIENCE = 60  # seconds for a page to show what it shall


def chromium() -> str | None:
    """Where it is installed; None where it is not."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Browser:
    """One page of a browser of its own profile, which reaches no host but this one."""

    def __init__(self, program: str, width: int = 1400, height: int = 850):
        self.profile = tempfile.mkdtemp(prefix="pyrite-chromium-")
        to_read, self._out = os.pipe()
        self._in, to_write = os.pipe()
        words = [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"]
        words += [f"--window-size={width},{height}", f"--user-data-dir={self.profile}", "--remote-debugging-pipe"]
        words += ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "about:blank"]
        # The protocol is spoken through descriptors 3 and 4.
        words = ["bash", "-c", f'exec "$@" 3<&{to_read} 4>&{to_write}', "browser", *words]
        away = subprocess.DEVNULL
        self.process = subprocess.Popen(words, pass_fds=(to_read, to_write), stdout=away, stderr=away)
        os.close(to_read)
        os.close(to_write)
        self._left, self._count, self._session = b"", 0, None
        target = self("Target.createTarget", url="about:blank")["targetId"]
        self._session = self("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self("Page.enable")
        # The chat panel opens by itself; a person closes it once.
        self("Page.addScriptToEvaluateOnNewDocument", source=CLOSED)

    def __call__(self, method: str, **parameters):
        """Ask, and wait for the answer to this question."""
        self._count += 1
        question = {"id": self._count, "method": method, "params": parameters}
        question |= {"sessionId": self._session} if self._session else {}
        os.write(self._out, json.dumps(question).encode() + b"\0")
        while (answer := self._next()).get("id") != self._count:
            pass
        if "error" in answer:
            raise RuntimeError(answer["error"]["message"])
        return answer["result"]

    def _next(self):
        while b"\0" not in self._left:
            part = os.read(self._in, 1 << 16)
            if not part:
                raise RuntimeError("the browser is gone")
            self._left += part
        line, _, self._left = self._left.partition(b"\0")
        return json.loads(line)

    def open(self, address: str) -> None:
        self("Page.navigate", url="about:blank")  # an address that differs after # alone would load nothing
        self("Page.navigate", url=address)

    def evaluate(self, code: str):
        """Value of an expression in the page."""
        answer = self("Runtime.evaluate", expression=code, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def text(self) -> str:
        return self.evaluate("document.body ? document.body.innerText : ''")

    def wait_for(self, code: str):
        """Until an expression in the page is true; its value."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if value := self.evaluate(code):
                return value
            time.sleep(0.2)
        raise AssertionError(f"not within {PATIENCE} s: {code}\n{self.text()}")

    def wait_for_text(self, *words: str) -> None:
        self.wait_for(f"document.body && {json.dumps(words)}.every(word => document.body.innerText.includes(word))")

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self("Page.captureScreenshot", format="png")["data"]))

    def close(self) -> None:
        self.process.kill()
        self.process.wait(10)
        os.close(self._out)
        os.close(self._in)
        shutil.rmtree(self.profile, ignore_errors=True)


CLOSED = """
try {
    localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true');
    localStorage.setItem('mlflow.assistant.panelOpen_v1', 'false');
} catch (nothing) {}  // a page without storage
"""
