// Keeps the page current: loads itself, and takes over what differs. A page
// that cannot be loaded is said to be old, and stays as it was.
(() => {
  "use strict";
  const EVERY_MS = 5000;
  const PATIENCE_MS = 10000;
  const byId = (id) => document.getElementById(id);
  let updated = new Date();
  let timer = 0;
  let loading = false;

  // The reader's own clock; the tooltip keeps what the logs say.
  const localise = (root) => {
    const today = new Date().toDateString();
    for (const time of root.querySelectorAll("time")) {
      const date = new Date(time.dateTime);
      const far = date.toDateString() !== today;
      time.title = time.dateTime;
      time.textContent = far ? date.toLocaleString() : date.toLocaleTimeString();
    }
  };

  // Makes `old` like `next`, touching nothing that is the same already: focus,
  // a selection and what is unfolded survive.
  const adopt = (old, next) => {
    if (old.isEqualNode(next)) return;
    if (old.nodeName !== next.nodeName || (old.id || "") !== (next.id || "")) {
      old.replaceWith(next.cloneNode(true));
      return;
    }
    if (old.nodeType !== Node.ELEMENT_NODE) {
      old.nodeValue = next.nodeValue;
      return;
    }
    for (const { name } of [...old.attributes]) {
      if (!next.hasAttribute(name) && name !== "open") old.removeAttribute(name);
    }
    for (const { name, value } of next.attributes) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    const kept = new Set([...next.children].map((child) => child.id).filter(Boolean));
    for (const child of [...old.children]) {
      if (child.id && !kept.has(child.id)) child.remove();
    }
    const here = new Map([...old.children].filter((c) => c.id).map((c) => [c.id, c]));
    [...next.childNodes].forEach((child, index) => {
      const place = old.childNodes[index] || null;
      const same = child.id ? here.get(child.id) : undefined;
      if (same && same !== place) old.insertBefore(same, place);
      if (same || (place && !place.id)) adopt(same || place, child);
      else old.insertBefore(child.cloneNode(true), place);
    });
    while (old.childNodes.length > next.childNodes.length) old.lastChild.remove();
  };

  const say = (trouble) => {
    const text = trouble && `Not updated since ${updated.toLocaleTimeString()}: ${trouble}`;
    if (byId("trouble").textContent !== text) byId("trouble").textContent = text;
    document.documentElement.classList.toggle("old", Boolean(trouble));
  };

  const troubleOf = (status) => {
    if (status === 401 || status === 403) return "this browser is not let in any more; load the page anew";
    if (status === 404) return "the tracker remembers it no longer";
    if (status === 503) return "the tracker cannot read its store now; trying again";
    return `the tracker answers ${status}; trying again`;
  };

  const load = async () => {
    const answer = await fetch(location.href, {
      cache: "no-store",
      redirect: "error",
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    const next = new DOMParser().parseFromString(await answer.text(), "text/html");
    // A page that tells of trouble is not news where that trouble is shown
    // already, and no reason to take away what was known before.
    const shown = document.documentElement.dataset;
    if (!answer.ok && next.documentElement.dataset.status !== shown.status) return troubleOf(answer.status);
    if (!next.getElementById("live")) return troubleOf(answer.status);
    // Another version brings another script, which only a load can start.
    if (next.documentElement.dataset.version !== shown.version) location.reload();
    localise(next);
    for (const id of ["fresh", "live"]) adopt(byId(id), next.getElementById(id));
    shown.status = next.documentElement.dataset.status;
    document.title = next.title;
    updated = new Date();
    return "";
  };

  const update = async () => {
    clearTimeout(timer);
    if (loading || document.hidden) return;
    loading = true;
    say(await load().catch(() => "the tracker does not answer; trying again"));
    loading = false;
    // Nobody sees a tab in the background: it asks again when it is looked at.
    if (!document.hidden) timer = setTimeout(update, EVERY_MS);
  };

  document.addEventListener("visibilitychange", update);
  document.documentElement.classList.add("scripted");
  localise(document);
  timer = setTimeout(update, EVERY_MS);
})();
