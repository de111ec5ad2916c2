"""The pages in a real browser: that they render whole, at every width, ask
nobody else for anything, and keep themselves current."""

from urllib.parse import urlsplit

import pytest
from page_chromium import Browser
from page_tracker import ROOT, Tracker, checkpoint, now_ms, ulid

# Where the pictures go, for whoever wants to look at them.
PICTURES = ROOT / "target" / "page"
PHONE, DESKTOP = 360, 1280
HOSTILE = "</q><script>alert(1)</script>" + "x" * 200
# Records what the page waits for, and lets a test say that nobody looks at it.
OBSERVED = """(() => {
  const { setTimeout, clearTimeout } = window;
  window.waiting = new Set();
  window.setTimeout = (act, after) => {
    const timer = setTimeout(() => { window.waiting.delete(timer); act(); }, after);
    window.waiting.add(timer);
    return timer;
  };
  window.clearTimeout = (timer) => { window.waiting.delete(timer); clearTimeout(timer); };
  window.looked = true;
  Object.defineProperty(Document.prototype, "hidden", { get: () => !window.looked });
})()"""


def populate(tracker):
    """Experiences in every state there is; the paths of some."""
    paths = {}

    def run(name, experience, ago_ms, *ends):
        correlation_id = ulid(now_ms() - ago_ms)
        paths[name] = f"/experiences/{experience}/{correlation_id}"
        start = checkpoint(experience, correlation_id, "start", ago_ms=ago_ms)
        middle = checkpoint(experience, correlation_id, "intermediate", ago_ms=ago_ms * 2 // 3)
        tracker.send(start, middle)
        for end in ends:
            tracker.send(checkpoint(experience, correlation_id, "end", **end))

    for _ in range(20):
        run("success", "create_merge_request", 2_000, {})
    run("slow", "create_merge_request", 20_000, {})
    run("handled", "load_comments", 500, {"outcome": "handled", "reason": "merge conflict"})
    run("error", "load_comments", 700, {"outcome": "error", "reason": HOSTILE})
    run("discarded", "sign_in_dashboard", 700, {"outcome": "discarded"})
    run("open", "setup_pipeline_from_scratch", 60_000)
    # Its TTL is an hour: they are stale for as long as these tests may take.
    for _ in range(30):
        run("stale", "run_pipeline", 400_000)
    run("timeout", "move_card", 100)
    held = ulid(now_ms())
    paths["held"] = f"/experiences/load_comments/{held}"
    tracker.send(checkpoint("load_comments", held, "end"))
    return paths


@pytest.fixture(scope="module")
def tracker():
    with Tracker() as tracker:
        tracker.paths = populate(tracker)
        yield tracker


def check(browser, tracker, name):
    """What holds of every page."""
    wide, width = browser.value("[document.documentElement.scrollWidth, innerWidth]")
    assert wide <= width, f"{name} is {wide} wide in a window of {width}"
    own = urlsplit(tracker.url).netloc
    for url in browser.requests:
        assert urlsplit(url).netloc == own or url.startswith("data:"), url
    assert browser.complaints == []
    PICTURES.mkdir(parents=True, exist_ok=True)
    browser.screenshot(PICTURES / f"{name}.png")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_every_page_renders_whole_and_asks_nobody_else(tracker, width, scheme):
    with Browser(width=width, mobile=width == PHONE) as browser:
        feature = {"name": "prefers-color-scheme", "value": scheme}
        browser.call("Emulation.setEmulatedMedia", features=[feature])
        browser.open(tracker.url + "/")
        assert browser.value("document.querySelectorAll('.card').length") >= 4
        assert browser.value("document.querySelectorAll('.hour path.success').length") > 0
        assert browser.value("document.querySelectorAll('#stale li').length") == 25
        ground = browser.value("getComputedStyle(document.body).backgroundColor")
        assert ground == {"light": "rgb(244, 245, 247)", "dark": "rgb(14, 17, 22)"}[scheme]
        browser.value("document.querySelector('details').open = true")
        check(browser, tracker, f"all-{width}-{scheme}")
        for name, path in tracker.paths.items():
            browser.open(tracker.url + path)
            assert browser.value("document.querySelectorAll('svg.timeline').length") == 1, name
            check(browser, tracker, f"{name}-{width}-{scheme}")


def test_a_timeout_becomes_one_before_the_readers_eyes(tracker):
    with Browser(width=PHONE, mobile=True) as browser:
        browser.open(tracker.url + tracker.paths["timeout"])
        browser.until("document.querySelector('.state b').textContent === 'timeout'")


def test_what_came_in_shows_without_a_reload_and_the_reader_is_not_disturbed(tracker):
    with Browser(width=DESKTOP) as browser:
        browser.open(tracker.url + "/")
        browser.value("window.before = 1; document.querySelector('details').open = true")
        browser.value("document.querySelector('#to-stale').focus()")
        correlation_id = ulid(now_ms())
        start = checkpoint("ui_button_rebase", correlation_id, "start")
        assert not browser.value("Boolean(document.querySelector('#card-ui_button_rebase'))")
        tracker.send(start)
        browser.until(
            "document.querySelector('#card-ui_button_rebase .open b')?.textContent === '1'"
        )
        tracker.send(checkpoint("ui_button_rebase", correlation_id, "end"))
        browser.until(
            "document.querySelector('#card-ui_button_rebase .open b').textContent === '0'"
        )
        assert (
            browser.value("document.querySelectorAll('#card-ui_button_rebase path.success').length")
            == 1
        )
        assert browser.value("window.before === 1 && document.querySelector('details').open")
        assert browser.value("document.activeElement.id") == "to-stale"
        assert browser.complaints == []


def test_a_tab_in_the_background_does_not_ask(tracker):
    with Browser(width=DESKTOP) as browser:
        browser.call("Page.addScriptToEvaluateOnNewDocument", source=OBSERVED)
        browser.open(tracker.url + "/")
        assert browser.value("window.waiting.size") == 1
        turn = "document.dispatchEvent(new Event('visibilitychange'))"
        browser.value(f"window.looked = false; {turn}")
        assert browser.value("window.waiting.size") == 0, "nothing that could ask is left"
        asked = len(browser.requests)
        browser.value(f"window.looked = true; {turn}")
        browser.until_asked(asked + 1)


def test_an_outage_is_said_and_ends_by_itself():
    with Tracker() as tracker, Browser(width=PHONE, mobile=True) as browser:
        correlation_id = ulid(now_ms())
        tracker.send(checkpoint("run_pipeline", correlation_id, "start"))
        browser.open(tracker.url + "/")
        assert browser.value("document.querySelector('#trouble').textContent") == ""
        tracker.stop()
        browser.until(
            "document.querySelector('#trouble').textContent.startsWith('Not updated since')"
        )
        assert browser.value("document.querySelectorAll('.card').length") == 1, (
            "what was known stays"
        )
        assert browser.value("document.documentElement.scrollWidth <= innerWidth")
        tracker.start(tracker.address)
        browser.until("document.querySelector('#trouble').textContent === ''")


def test_without_scripts_the_page_is_whole_and_loads_itself_anew(tracker):
    with Browser(width=PHONE, mobile=True) as browser:
        browser.call("Emulation.setScriptExecutionDisabled", value=True)
        browser.open(tracker.url + "/")
        assert browser.value("document.querySelectorAll('.card').length") >= 4
        assert browser.value("document.querySelector('noscript meta').httpEquiv") == "refresh"
        assert browser.value("document.querySelector('noscript a').textContent") == "Reload"
        check(browser, tracker, "without-scripts")
