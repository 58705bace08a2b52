"""A headless Chromium, driven through its DevTools protocol: just what is needed to look at pages."""

import json
import re
import shutil
import subprocess
import tempfile
import time
from contextlib import closing, contextmanager, suppress
from itertools import count, dropwhile
from pathlib import Path

import websocket

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)
# Formulas set, fonts there, pictures loaded (also those far below), and a moment for requests that come late.
SETTLED = """(async () => {
    if (window.MathJax?.startup?.promise) await MathJax.startup.promise;
    for (const image of document.images) image.loading = "eager";
    await Promise.all([...document.images].map((image) => image.decode().catch(() => null)));
    await document.fonts.ready;
    await new Promise((done) => setTimeout(done, 50));
})()"""
# What the browser answers where the page went elsewhere before an expression had its value.
NAVIGATED = re.compile("navigated or closed|context was destroyed|Cannot find (default execution )?context")
PATIENCE = 60  # seconds, of which a busy machine may take many


def find_browser() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def browser_page():
    """Start a browser with an empty profile, and give its one page."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [find_browser(), *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            address = _address(profile, process)
            with closing(websocket.create_connection(address, suppress_origin=True, timeout=PATIENCE)) as socket:
                yield Page(socket)
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE)
        finally:
            process.kill()
            process.wait()


def _address(profile: str, process: subprocess.Popen) -> str:
    """Where the browser listens: it writes that into its profile once it does."""
    file = Path(profile, "DevToolsActivePort")
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        if file.exists() and len(lines := file.read_text().split()) == 2:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        time.sleep(0.05)
    raise RuntimeError(f"{process.args[0]} did not start (exit code {process.poll()})")


class Page:
    """A browser's page; `events` holds what it told since the last visit."""

    def __init__(self, socket: websocket.WebSocket):
        self.socket = socket
        self.numbers = count(1)
        self.events: list[dict] = []
        self.session = None
        target = self.send("Target.createTarget", url="about:blank", session=False)["targetId"]
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True, session=False)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")
        self.send("Page.setLifecycleEventsEnabled", enabled=True)

    def send(self, method: str, session: bool = True, **params) -> dict:
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": params}
        self.socket.send(json.dumps(message | ({"sessionId": self.session} if session else {})))
        while True:
            answer = self._receive()
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]

    def _receive(self) -> dict:
        message = json.loads(self.socket.recv())
        if "method" in message:
            self.events.append(message)
        return message

    def evaluate(self, expression: str):
        """Return the value of a JavaScript expression, awaited where it is a promise.

        Where the page goes elsewhere meanwhile, the expression is evaluated again where it went.
        """
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                answer = self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
                break
            except RuntimeError as error:
                if not NAVIGATED.search(str(error)) or time.monotonic() > deadline:
                    raise
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"].get("description", "exception in the page"))
        return answer["result"].get("value")

    def visit(self, url: str, width: int = 1400, theme: str = "light") -> None:
        """Open an address and wait until nothing moves any more."""
        self.open(url, width, theme)
        self.evaluate(SETTLED)

    def open(self, url: str, width: int = 1400, theme: str = "light") -> None:
        """Open an address and wait for the load event of its page, or of one that this leads to.

        A late event of the page before does not count.
        """
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.send("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": theme}
        self.send("Emulation.setEmulatedMedia", features=[scheme])
        self.events.clear()
        answer = self.send("Page.navigate", url=url)
        if "errorText" in answer:
            raise RuntimeError(f"{url}: {answer['errorText']}")
        while not self._loaded(answer["loaderId"]):
            self._receive()

    def _loaded(self, loader: str) -> bool:
        """Whether a page was loaded since this navigation began."""
        told = [event["params"] for event in self.events if event["method"] == "Page.lifecycleEvent"]
        since = dropwhile(lambda event: event["loaderId"] != loader, told)
        return any(event["name"] == "load" for event in since)

    def requests(self) -> list[str]:
        return [e["params"]["request"]["url"] for e in self.events if e["method"] == "Network.requestWillBeSent"]

    def complaints(self) -> list[str]:
        """What the console shows in red since the last visit."""
        found = []
        for event in self.events:
            params = event["params"]
            if event["method"] == "Runtime.exceptionThrown":
                found.append(params["exceptionDetails"].get("exception", {}).get("description", "exception"))
            elif event["method"] == "Runtime.consoleAPICalled" and params["type"] in ("error", "assert"):
                found.append(" ".join(str(arg.get("value", arg.get("description"))) for arg in params["args"]))
            elif event["method"] == "Log.entryAdded" and params["entry"]["level"] == "error":
                found.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
        return found
