// The Data page: liquidations as they come, buttons of jobs, a tab that nobody looks at.
// Dash calls some of these by name (app/callbacks/data_page.py).
(() => {
  "use strict";

  // Dash fills this in later, when its renderer is there.
  const dash = (window.dash_clientside = window.dash_clientside || {});
  const put = (id, props) => dash.set_props(id, props);
  const byId = (id) => document.getElementById(id);
  const isHere = () => Boolean(byId("recent-rows"));

  const ALL = "all";
  const MOST = 50; // rows shown
  const FIRST_WAIT = 500; // before a broken socket is opened anew, doubled by each failure [ms]
  const LONGEST_WAIT = 15000;
  const STEADY = 5000; // a socket that was open for longer was sound [ms]
  const GONE = "The server does not answer, so what stands here may be old. Trying again…";

  let rows = []; // the newest first
  let known = new Set();
  let waiting = []; // came while the list stood still
  let wanted = { exchange: "", symbol: "" };
  let looks = {}; // name and colour of exchanges
  let collecting = false;
  let simulated = false;
  let socket = null;
  let refusal = "";
  let failures = 0;
  let retry = 0; // the timer of the next try
  let isGone = false; // the server
  let isPaused = false;
  let drawing = 0;

  // --- what is stored --------------------------------------------------------------------------

  // Answers what was asked for: the newest at first, after a change of the filter and after a
  // break, in which some may have been missed.
  function recent(answer) {
    if (!answer || !isHere()) return;
    if (answer.exchange !== wanted.exchange || answer.symbol !== wanted.symbol) return;
    looks = answer.looks;
    merge(answer.rows);
    simulated = answer.simulated;
    if (answer.collecting && !collecting) {
      collecting = true;
      connect();
    }
    if (document.hidden) rest(); // opened in a tab behind
    say();
    draw();
  }

  function filter(exchange, symbol) {
    const next = { exchange: exchange === ALL ? "" : exchange || "", symbol: spelled(symbol) };
    if (next.exchange === wanted.exchange && next.symbol === wanted.symbol) return;
    wanted = next;
    rows = [];
    known = new Set();
    waiting = [];
    failures = 0;
    if (collecting) connect();
    ask();
    draw();
  }

  const spelled = (symbol) => (symbol || "").toUpperCase().replace(/[^A-Z0-9_]/g, "");

  function ask() {
    put("recent-asked", { data: { ...wanted, at: Date.now() } });
  }

  const key = (row) =>
    [row.exchange, row.symbol, row.time, row.side, row.price, row.quantity, row.trade_id].join(" ");
  // What is live stands by when it came, for exchanges may tell of it late.
  const moment = (row) => row.received || row.time;

  function merge(more) {
    const fresh = more.filter((row) => !known.has(key(row)));
    if (!fresh.length) return 0;
    fresh.forEach((row) => known.add(key(row)));
    rows = [...fresh, ...rows]
      .map((row, place) => ({ row, place }))
      .sort((a, b) => (moment(a.row) === moment(b.row) ? a.place - b.place
        : moment(a.row) < moment(b.row) ? 1 : -1))
      .map(({ row }) => row);
    rows.splice(MOST).forEach((row) => known.delete(key(row)));
    return fresh.length;
  }

  // --- what comes ------------------------------------------------------------------------------

  function connect() {
    clearTimeout(retry);
    if (socket) {
      socket.onclose = socket.onmessage = socket.onopen = null;
      socket.close();
    }
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const query = new URLSearchParams();
    if (wanted.exchange) query.set("exchanges", wanted.exchange);
    if (wanted.symbol) query.set("symbols", wanted.symbol);
    socket = new WebSocket(`${scheme}://${location.host}/ws/liquidations?${query}`);
    let opened = 0;
    socket.onopen = () => {
      opened = Date.now();
      refusal = "";
      ask(); // what came before it was open
      say();
    };
    socket.onmessage = (message) => take(JSON.parse(message.data));
    socket.onclose = () => {
      socket = null;
      // One that is opened and closed at once is refused, and must not be asked all the time.
      failures = opened && Date.now() - opened > STEADY ? 1 : failures + 1;
      const wait = Math.min(FIRST_WAIT * 2 ** (failures - 1), LONGEST_WAIT);
      retry = setTimeout(connect, wait * (0.75 + 0.5 * Math.random()));
      say();
    };
    say();
  }

  function take(row) {
    if (!row.exchange) {
      refusal = row.detail || ""; // why it will be closed
      return;
    }
    if (isPaused) {
      waiting.push(row);
      if (waiting.length > MOST) waiting.shift();
      say();
      return;
    }
    const fresh = { ...row, isFresh: true };
    if (merge([fresh])) draw();
  }

  // --- what is seen ----------------------------------------------------------------------------

  function say() {
    const status = byId("recent-status");
    if (!status) return;
    const state = !collecting ? "off"
      : isPaused ? "paused"
      : socket && socket.readyState === WebSocket.OPEN ? "live"
      : failures ? "broken" : "connecting";
    status.dataset.state = state;
    // Without the server nobody knows how exchanges are connected: what stands there is old.
    const isCut = state === "broken" && !refusal;
    byId("exchange-cards").classList.toggle("is-stale", isGone || isCut);
    byId("jobs").classList.toggle("is-stale", isGone);
    status.textContent = {
      off: simulated ? "Simulated" : "Not collecting",
      paused: waiting.length ? `Paused, ${waiting.length} new` : "Paused",
      live: "Live",
      broken: refusal ? `Refused: ${refusal}` : "Connection lost, trying again…",
      connecting: "Connecting…",
    }[state];
  }

  function draw() {
    if (drawing) return;
    // A tab that is not looked at draws no frames, and must be up to date when it is.
    drawing = document.hidden ? setTimeout(drawNow) : requestAnimationFrame(drawNow);
  }

  function drawNow() {
    drawing = 0;
    const body = byId("recent-rows");
    if (!body) return;
    body.replaceChildren(...rows.map(line));
    rows.forEach((row) => { row.isFresh = false; });
    const empty = byId("recent-empty");
    empty.hidden = rows.length > 0;
    empty.textContent = wanted.exchange || wanted.symbol
      ? "No liquidations of these are stored."
      : "No liquidations are stored yet.";
  }

  function line(row) {
    const tr = document.createElement("tr");
    tr.className = `is-${row.side}${row.isFresh ? " is-fresh" : ""}`;
    const { name, colour } = looks[row.exchange] || { name: row.exchange, colour: "gray" };
    const dot = document.createElement("i");
    dot.className = "dot";
    dot.style.background = colour;
    const [day, time] = row.time.replace("Z", "").split("T");
    const second = time.slice(0, 8);
    const rest = document.createElement("small");
    rest.textContent = time.slice(8);
    tr.append(
      cell("time", day === today() ? second : `${day.slice(5)} ${second}`, `${day} ${time} UTC`),
      cell("exchange", dot),
      cell("symbol", row.symbol),
      cell("side", row.side),
      cell("price", price(row.price)),
      cell("usd", usd(row.notional), row.notional.toLocaleString("en-US")),
    );
    tr.querySelector(".time").append(rest);
    tr.querySelector(".exchange").append(name);
    return tr;
  }

  function cell(name, content, title) {
    const td = document.createElement("td");
    td.className = name;
    td.append(content);
    if (title) td.title = title;
    return td;
  }

  const today = () => new Date().toISOString().slice(0, 10);

  // As components/formats.py does.
  function price(value) {
    const digits = value >= 10000 ? 1 : value >= 10 ? 2 : value >= 1 ? 4
      : value > 0 ? 4 - Math.floor(Math.log10(value)) : 2;
    return value.toLocaleString("en-US", {
      minimumFractionDigits: digits, maximumFractionDigits: digits,
    });
  }

  function usd(value) {
    for (const [size, unit] of [[1e9, "B"], [1e6, "M"], [1e3, "k"]]) {
      if (value >= size * 0.9995) {
        const scaled = value / size;
        return `$${scaled.toFixed(scaled >= 99.95 ? 0 : 1)}${unit}`;
      }
    }
    return `$${value.toFixed(0)}`;
  }

  // --- pausing ---------------------------------------------------------------------------------

  // Only a mouse: a finger that has touched the list would pause it for good.
  function hover(event) {
    if (event.pointerType !== "mouse" || !(event.target instanceof Element)) return;
    const frame = byId("recent-frame");
    if (frame) pause(frame.contains(event.target));
  }

  function pause(wish) {
    if (wish === isPaused) return;
    isPaused = wish;
    if (!wish) {
      const came = waiting.reverse().map((row) => ({ ...row, isFresh: true }));
      waiting = [];
      if (merge(came)) draw();
    }
    say();
  }

  document.addEventListener("pointerover", hover);
  document.addEventListener("pointerleave", () => pause(false));
  document.documentElement.addEventListener("mouseleave", () => pause(false));

  // --- jobs, and a tab that nobody looks at ----------------------------------------------------

  // Written into the list that is there: one that is drawn anew each second would lose clicks.
  function progress(jobs) {
    (jobs || []).forEach(({ number, part, said }) => {
      const job = document.querySelector(`.job[data-job="${number}"]`);
      if (!job) return;
      const bar = job.querySelector(".job-bar");
      bar.setAttribute("aria-valuenow", Math.round(100 * part));
      bar.firstChild.style.width = `${100 * part}%`;
      job.querySelector(".job-state").textContent = said;
    });
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest && event.target.closest("button[data-action]");
    if (!button) return;
    alive();
    const { action, number } = button.dataset;
    put("job-action", { data: { action, number: Number(number), at: Date.now() } });
  });

  // Dash says nothing where nobody answers, and jobs would seem to run for ever.
  function alive() {
    if (!isHere()) return;
    fetch("/health").then(() => hear(false), () => hear(true));
  }

  function hear(gone) {
    if (gone === isGone) return;
    isGone = gone;
    if (gone) put("notice", { children: GONE });
    else if (byId("notice").textContent === GONE) put("notice", { children: "" });
    say();
  }

  document.addEventListener("submit", alive);

  function rest() {
    if (!isHere()) return;
    ["data-tick", "jobs-tick"].forEach((id) => put(id, { disabled: document.hidden }));
  }

  document.addEventListener("visibilitychange", rest);

  // The table follows the page's theme.
  const follow = () => {
    document.documentElement.dataset.agThemeMode = document.documentElement.dataset.bsTheme;
  };
  new MutationObserver(follow).observe(document.documentElement, {
    attributes: true, attributeFilter: ["data-bs-theme"],
  });
  follow();

  dash.data = { recent, filter, progress, alive };
})();
