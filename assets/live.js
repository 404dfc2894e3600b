// Keeps the picture up with the data: the server tells over a socket that they changed, and the
// picture of the same choices is asked for anew. Dash calls these by name (app/callbacks/live.py).
(() => {
  "use strict";

  // Dash fills this in later, when its renderer is there.
  const dash = (window.dash_clientside = window.dash_clientside || {});
  const put = (id, props) => dash.set_props(id, props);
  const byId = (id) => document.getElementById(id);

  const EVERY = 1000; // least time between two pictures [ms]
  const PATIENCE = 15000; // after which an answer is no longer waited for [ms]
  const REST = 400; // after a hand was at work, before anything moves under it [ms]
  const PAUSES = [500, 15000]; // before connecting again: the first, and the longest [ms]
  const GONE = 15000; // without a connection, after which the page says so [ms]
  const LOST = "The server no longer tells of new data; the picture may be old. Trying again…";
  const OVER = "The chosen range ends before the data do; choose a window to follow them";

  let wanted = false; // whether the reader wants the picture to move, and the server collects
  let chosen = null; // the reader's choices
  let shown = null; // the answer last drawn

  // --- the socket ----------------------------------------------------------------------------

  let socket = null;
  let failures = 0;
  let retry = 0;
  let lostAt = null; // since when there is no connection
  let known = {}; // what the server last told
  let movedAt = null; // when the data last moved

  function connect() {
    clearTimeout(retry);
    const symbol = wanted && chosen ? chosen.symbol : "";
    if (socket && socket.symbol === symbol) return;
    disconnect();
    if (!symbol) return;
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const mine = new WebSocket(
      `${scheme}://${location.host}/ws/changes?symbol=${encodeURIComponent(symbol)}`,
    );
    mine.symbol = symbol;
    mine.onmessage = (event) => { if (mine === socket) told(JSON.parse(event.data)); };
    mine.onclose = () => { if (mine === socket) closed(); };
    socket = mine;
  }

  function disconnect() {
    const old = socket;
    socket = null;
    if (old) old.close();
  }

  function closed() {
    socket = null;
    failures += 1;
    if (lostAt === null) {
      lostAt = Date.now();
      setTimeout(sayIfGone, GONE);
    }
    // Not all readers at the same moment, once a server is back.
    const pause = Math.min(PAUSES[0] * 2 ** (failures - 1), PAUSES[1]) * (0.5 + Math.random() / 2);
    retry = setTimeout(connect, pause);
    sign();
  }

  function sayIfGone() {
    if (wanted && lostAt !== null && Date.now() - lostAt >= GONE - 50) put("notice", { children: LOST });
  }

  function found() {
    lostAt = null;
    if (byId("notice").textContent === LOST) put("notice", { children: "" });
  }

  function told(state) {
    if (!state.watermark) return; // it says why it refuses
    failures = 0;
    found();
    const isFirst = known.symbol !== state.symbol;
    if (isFirst || known.watermark !== state.watermark) {
      // What came before anybody listened came at an unknown time.
      movedAt = isFirst ? null : Date.now();
      known = state;
      due = true;
    }
    sign();
    askSoon();
  }

  // --- the picture ---------------------------------------------------------------------------

  let due = false; // whether the data are newer than the picture
  let timer = 0;
  let pulse = 0;
  let asked = null; // the pulse that is being answered
  let askedAt = -EVERY;
  let held = null; // an answer that waits until the reader's hand is off

  function askSoon() {
    clearTimeout(timer);
    timer = setTimeout(ask, Math.max(0, askedAt + EVERY - performance.now()));
  }

  function ask() {
    if (!due || !wanted || document.hidden || isHandAtWork()) return;
    if (asked !== null || !shown || byId("frame").classList.contains("is-waiting")) return;
    due = false;
    if (isOver()) return;
    asked = pulse += 1;
    askedAt = performance.now();
    put("pulse", { data: { number: pulse } });
    setTimeout(giveUp, PATIENCE, pulse);
  }

  function giveUp(number) {
    if (asked !== number) return;
    asked = held = null;
    due = true;
    ask();
  }

  // A range of the reader's own that had ended before the new data began.
  function isOver() {
    if (!chosen || chosen.window !== "custom" || !shown || !shown.dataEnd) return false;
    return Date.parse(`${chosen.stop}Z`) <= shown.dataEnd;
  }

  function fresh(answer) {
    if (!answer || answer.pulse !== asked) return;
    held = answer;
    if (!isHandAtWork()) draw();
  }

  function draw() {
    if (!held) return;
    const { turn, props } = held;
    held = asked = null;
    // The reader has chosen something else meanwhile: that picture is on its way, and as new.
    if (!wanted || !chosen || turn !== chosen.turn) return;
    Object.entries(props).forEach(([id, values]) => put(id, values));
  }

  // --- the reader's hand ---------------------------------------------------------------------

  // A picture that changes under a drag or a turning wheel would end it.
  let pressed = false;
  let workedAt = -REST;

  const isHandAtWork = () => pressed || performance.now() - workedAt < REST;

  function atWork() {
    workedAt = performance.now();
    setTimeout(rested, REST + 10);
  }

  function rested() {
    if (isHandAtWork()) return;
    draw();
    ask();
  }

  document.addEventListener("pointerdown", () => { pressed = true; }, true);
  ["pointerup", "pointercancel"].forEach((name) =>
    document.addEventListener(name, () => { pressed = false; atWork(); }, true));
  window.addEventListener("blur", () => { pressed = false; atWork(); });
  document.addEventListener("wheel", atWork, { capture: true, passive: true });

  // --- what is said --------------------------------------------------------------------------

  function sign() {
    const element = byId("live-sign");
    if (!element) return;
    const state = !wanted || isOver() ? "paused" : lostAt !== null ? "reconnecting" : "live";
    const at = movedAt === null ? "" : ` · ${new Date(movedAt).toISOString().slice(11, 19)} UTC`;
    element.textContent = state === "live" ? state + at : state;
    element.dataset.state = state;
    element.title = wanted && isOver() ? OVER : "";
  }

  // --- events --------------------------------------------------------------------------------

  // The switch is hidden where the server does not collect.
  function live(values, hidden) {
    wanted = !hidden && Boolean(values && values.length);
    if (!wanted) {
      held = asked = null;
      found(); // nobody misses it
    }
    connect();
    sign();
    askSoon();
  }

  document.addEventListener("liqheat:chosen", (event) => {
    chosen = event.detail;
    connect();
    sign();
  });

  document.addEventListener("liqheat:drawn", (event) => {
    shown = event.detail;
    sign();
    askSoon();
  });

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    if (!socket) connect(); // now, not when the pause is over
    askSoon();
  });

  dash.live = { live, fresh };
})();
