// Keeps a page as it is now: the server says that something has changed, the page is asked for again, and what
// differs is put in its place. All words and numbers come from the server, in the reader's language.
(() => {
  "use strict";
  const body = document.body;
  const lang = { en: "en-GB" }[document.documentElement.lang] || document.documentElement.lang; // no month before its day
  const ahead = Date.now() - Number(body.dataset.now); // of the server's clock
  const now = () => Date.now() - ahead;

  // ---- times ---------------------------------------------------------------------------------------------------
  const day = 86400000;
  const clock = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
  const date = { year: "numeric", month: "short", day: "numeric" };
  const formats = {
    short: new Intl.DateTimeFormat(lang, clock),
    full: new Intl.DateTimeFormat(lang, { ...date, ...clock }),
    exact: new Intl.DateTimeFormat(lang, { ...date, ...clock, fractionalSecondDigits: 3 }),
    precise: new Intl.DateTimeFormat(lang, { ...clock, fractionalSecondDigits: 3 }),
  };

  function duration(ms) {
    const s = Math.max(0, Math.round(ms / 1000));
    const minutes = Math.floor(s / 60), hours = Math.floor(s / 3600), days = Math.floor(s / 86400);
    if (s < 100) return `${s}\u00a0s`;
    if (minutes < 100) return `${minutes}\u00a0min`;
    const [large, one, small, other] = days < 2 ? [hours, "h", minutes % 60, "min"] : [days, "d", hours % 24, "h"];
    return `${large}\u00a0${one}` + (small ? ` ${small}\u00a0${other}` : "");
  }

  function say(time) {
    const at = Date.parse(time.dateTime), way = time.dataset.way;
    if (way === "ago") return body.dataset.ago.replace("%", duration(now() - at));
    if (way === "until") return duration(at - now());
    if (way === "full" && Math.abs(now() - at) < day) return formats.short.format(at);
    if (way === "exact" && Math.abs(now() - at) < day) return formats.precise.format(at);
    return (formats[way] || formats.full).format(at);
  }

  function tell(root) {
    for (const time of root.querySelectorAll("time[data-way]")) {
      const said = say(time);
      if (time.textContent !== said) time.textContent = said;
    }
  }

  // ---- colours -------------------------------------------------------------------------------------------------
  const theme = document.getElementById("theme");
  theme.closest("label").hidden = false;
  theme.value = document.documentElement.dataset.theme || "system";
  theme.addEventListener("change", () => {
    if (theme.value === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme.value;
    try { localStorage.setItem("theme", theme.value); } catch { /* storage is closed: until the next page */ }
    document.dispatchEvent(new Event("gantry:theme"));
  });

  // ---- what differs is put in its place ------------------------------------------------------------------------
  const keep = (name) => name === "open" || name.startsWith("data-own");

  function attributes(here, there) {
    for (const { name } of [...here.attributes]) if (!there.hasAttribute(name) && !keep(name)) here.removeAttribute(name);
    for (const { name, value } of [...there.attributes]) {
      if (!keep(name) && here.getAttribute(name) !== value) here.setAttribute(name, value);
    }
  }

  function become(here, there) {
    if (here.nodeType !== there.nodeType || here.nodeName !== there.nodeName) { here.replaceWith(there.cloneNode(true)); return; }
    if (here.nodeType !== Node.ELEMENT_NODE) { if (here.data !== there.data) here.data = there.data; return; }
    if (here.dataset && "still" in here.dataset) return; // a form under a person's hands, or a chart
    attributes(here, there);
    const mine = [...here.childNodes], theirs = [...there.childNodes];
    theirs.forEach((child, n) => (n < mine.length ? become(mine[n], child) : here.append(child.cloneNode(true))));
    for (const extra of mine.slice(theirs.length)) extra.remove();
  }

  let asking = false, again = false;

  async function refresh() {
    if (asking) { again = true; return; }
    asking = true;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" }, credentials: "same-origin" });
      if (!answer.ok || answer.redirected) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      tell(page);
      for (const part of page.querySelectorAll("[data-part]")) {
        const mine = document.getElementById(part.id);
        if (mine) become(mine, part);
      }
      tell(document);
      document.dispatchEvent(new Event("gantry:changed"));
    } catch { /* the stream says that the connection is gone */ } finally {
      asking = false;
      if (again) { again = false; refresh(); }
    }
  }

  // ---- the stream ----------------------------------------------------------------------------------------------
  const sign = document.getElementById("live");
  const main = document.getElementById("content");
  const every = Number(main.dataset.every || 0) * 1000; // how often a page may be asked for; 0: never
  const fresh = document.getElementById("fresh");
  let source = null, lost = 0, last = 0, due = 0, arrived = 0, retry = 0;

  function show(state, text) {
    if (sign.dataset.state !== state) sign.dataset.state = state;
    const word = sign.querySelector(".word");
    if (word.textContent !== text) word.textContent = text;
  }

  function soon() {
    if (!every || due) return;
    due = setTimeout(() => { due = 0; last = Date.now(); refresh(); }, Math.max(0, last + every - Date.now()));
  }

  function alive() {
    lost = 0;
    show("live", body.dataset.live);
  }

  function news(event) {
    alive();
    soon();
    if (!fresh) return;
    const said = JSON.parse(event.data);
    arrived += (said.lines || []).length + (said.more || 0);
    if (!arrived) return;
    fresh.hidden = false;
    fresh.querySelector("[data-own-count]").textContent = new Intl.NumberFormat(lang, { useGrouping: "always" }).format(arrived);
  }

  function open() {
    clearTimeout(retry);
    source = new EventSource("/api/live");
    source.addEventListener("open", () => { alive(); soon(); });
    source.addEventListener("status", () => { alive(); soon(); });
    source.addEventListener("lines", news);
    source.addEventListener("error", () => {
      lost = lost || Date.now();
      show("lost", body.dataset.disconnected.replace("%", formats.short.format(lost)));
      if (source && source.readyState === EventSource.CLOSED) {
        close();
        soon(); // there may be no room for another stream, and an answer all the same
        retry = setTimeout(open, 5000);
      }
    });
  }

  function close() {
    if (source) source.close();
    source = null;
  }

  document.addEventListener("visibilitychange", () => {
    clearTimeout(retry);
    if (document.hidden) { close(); show("paused", body.dataset.paused); } else if (!source) open();
  });
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => { if (event.persisted && !source) open(); });

  tell(document);
  setInterval(() => { if (!document.hidden) tell(document); }, 1000);
  if (!document.hidden) open();
})();
