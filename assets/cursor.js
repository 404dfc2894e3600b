// The cursor over the figure: time, price and distance at once, the cell's content from the server.
(() => {
  "use strict";

  const dash = (window.dash_clientside = window.dash_clientside || {});
  const put = (id, props) => dash.set_props(id, props);
  const byId = (id) => document.getElementById(id);
  const graph = () => document.querySelector("#heatmap .js-plotly-plot");
  const PATIENCE = 3000; // after which a lost answer is no longer waited for [ms]

  let shown = null;
  let cell = null; // the cell under the cursor
  let asked = null; // the cell that the server is reading
  let askedAt = 0;
  let pinned = false;
  let visible = false;
  let pressed = null;
  let pointer = [0, 0];

  // --- where -----------------------------------------------------------------------------------

  function axes() {
    const plot = graph();
    const layout = plot && plot._fullLayout;
    if (!layout || !layout.xaxis || !shown || !shown.time) return null;
    return { x: layout.xaxis, y: layout.yaxis, profile: layout.xaxis2, box: plot.getBoundingClientRect() };
  }

  function cellAt(clientX, clientY) {
    const at = axes();
    if (!at) return null;
    const x = clientX - at.box.left - at.x._offset;
    const y = clientY - at.box.top - at.y._offset;
    const right = at.profile ? at.profile._offset + at.profile._length - at.x._offset : at.x._length;
    if (x < 0 || x > right || y < 0 || y > at.y._length) return null;
    const [start, stop] = shown.time;
    const step = (stop - start) / shown.columns;
    // Over the profile the cursor reads what is open at the end.
    const time = x > at.x._length ? stop - step / 2 : at.x.p2l(x);
    return cellOf(time, at.y.p2l(y));
  }

  function cellOf(time, price) {
    const [start, stop] = shown.time;
    const column = Math.floor(((time - start) / (stop - start)) * shown.columns);
    const [low, high] = shown.price;
    const row = Math.floor(((price - low) / (high - low)) * shown.buckets);
    return inside(column, row) ? { column, row } : null;
  }

  const inside = (column, row) =>
    column >= 0 && column < shown.columns && row >= 0 && row < shown.buckets;

  function middle({ column, row }) {
    const [start, stop] = shown.time;
    const [low, high] = shown.price;
    return {
      time: start + ((stop - start) * (column + 0.5)) / shown.columns,
      price: low + ((high - low) * (row + 0.5)) / shown.buckets,
    };
  }

  // --- what ------------------------------------------------------------------------------------

  function show(next) {
    if (!next) return hide();
    const key = `${shown.turn}.${shown.pulse || 0}:${next.column}:${next.row}`;
    if (cell && cell.key === key) return;
    cell = { ...next, key, ...middle(next) };
    place();
    write();
    byId("reading-card").classList.add("is-stale");
    ask();
  }

  // The picture moved on by itself: a cursor stays under the pointer, a pinned one at its time and
  // price, and what it said stays readable until it is read anew.
  function follow() {
    if (!cell || !axes()) return;
    const anchor = cell.anchor || cell; // cells move, and their middles with them
    const next = pinned ? cellOf(anchor.time, anchor.price) : cellAt(...pointer);
    const wasStale = byId("reading-card").classList.contains("is-stale");
    show(next);
    if (!next) return;
    cell.anchor = anchor;
    byId("reading-card").classList.toggle("is-stale", wasStale);
  }

  function hide() {
    cell = null;
    pinned = false;
    byId("frame").classList.remove("has-cursor", "is-pinned");
    reveal(false);
  }

  function place() {
    const at = axes();
    const frame = byId("frame");
    const frameBox = frame.getBoundingClientRect();
    const left = at.box.left - frameBox.left + at.x._offset + at.x.l2p(cell.time);
    const top = at.box.top - frameBox.top + at.y._offset + at.y.l2p(cell.price);
    frame.style.setProperty("--plot-top", `${at.box.top - frameBox.top + at.y._offset}px`);
    frame.style.setProperty("--cursor-left", `${left}px`);
    frame.style.setProperty("--cursor-top", `${top}px`);
    frame.classList.add("has-cursor");
    frame.classList.toggle("cursor-right", left > frameBox.width * 0.55);
    frame.classList.toggle("cursor-low", top > frameBox.height * 0.55);
    reveal(true);
  }

  function reveal(wanted) {
    if (wanted !== visible) put("reading-card", { hidden: !wanted });
    visible = wanted;
  }

  function write() {
    const price = cell.price.toLocaleString("en-US", {
      minimumFractionDigits: shown.digits,
      maximumFractionDigits: shown.digits,
    });
    const share = (cell.price / shown.lastPrice - 1) * 100;
    const distance = `${share >= 0 ? "+" : "−"}${Math.abs(share).toFixed(2)}%`;
    const [start, stop] = columnTimes(cell.column);
    const time = `${start}–${stop.slice(0, 10) === start.slice(0, 10) ? stop.slice(11) : stop}`;
    const head = document.querySelector(".reading-head");
    head.replaceChildren(
      element("span", "reading-price", price),
      element("span", "reading-distance", distance),
      element("span", "reading-time", `${time} UTC`),
    );
    document.querySelector(".crosshair-price").dataset.label = price;
    document.querySelector(".crosshair-time").dataset.label = stop;
  }

  function columnTimes(column) {
    const [start, stop] = shown.time;
    const step = (stop - start) / shown.columns;
    return [column, column + 1].map((edge) =>
      new Date(start + step * edge).toISOString().slice(0, 16).replace("T", " "));
  }

  function element(tag, className, text) {
    const made = document.createElement(tag);
    made.className = className;
    made.textContent = text;
    return made;
  }

  // One question at a time: what was passed over meanwhile is never asked.
  function ask() {
    if (!cell || (asked && performance.now() - askedAt < PATIENCE)) return;
    asked = cell.key;
    askedAt = performance.now();
    put("cursor", { data: { time: cell.time, price: cell.price, key: cell.key } });
  }

  function answered(key) {
    asked = null;
    if (!cell) return;
    if (key === cell.key) byId("reading-card").classList.remove("is-stale");
    else ask();
  }

  // --- events ----------------------------------------------------------------------------------

  const overFrame = (event) => event.target.closest && event.target.closest("#frame");

  document.addEventListener("mousemove", (event) => {
    pointer = [event.clientX, event.clientY];
    if (!overFrame(event)) {
      if (cell && !pinned) hide();
    } else if (!pinned && event.buttons === 0) {
      show(cellAt(event.clientX, event.clientY));
    }
  });

  document.addEventListener("pointerdown", (event) => {
    pressed = overFrame(event) ? [event.clientX, event.clientY] : null;
  }, true);

  document.addEventListener("pointerup", (event) => {
    if (!pressed) return;
    const [x, y] = pressed;
    pressed = null;
    if (Math.hypot(event.clientX - x, event.clientY - y) > 4) return;
    pin(cellAt(event.clientX, event.clientY));
  }, true);

  function pin(next) {
    if (pinned || !next) return hide();
    show(next);
    pinned = true;
    byId("frame").classList.add("is-pinned");
  }

  const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

  document.addEventListener("keydown", (event) => {
    if (event.target.id !== "frame" || !shown || !shown.time) return;
    if (event.key === "Escape") return hide();
    const step = STEPS[event.key];
    if (!step) return;
    event.preventDefault();
    const stride = event.shiftKey ? 10 : 1;
    const from = cell || lastPriceCell();
    const column = Math.min(shown.columns - 1, Math.max(0, from.column + step[0] * stride));
    const row = Math.min(shown.buckets - 1, Math.max(0, from.row + step[1] * stride));
    show({ column, row });
    pinned = true;
  });

  function lastPriceCell() {
    const [low, high] = shown.price;
    const row = Math.floor(((shown.lastPrice - low) / (high - low)) * shown.buckets);
    return { column: shown.columns - 1, row: Math.min(shown.buckets - 1, Math.max(0, row)) };
  }

  document.addEventListener("liqheat:drawn", (event) => {
    shown = event.detail;
    if (!cell) return;
    if (!shown.pulse || !shown.time) hide();
    // Two frames later the axes are those of the new picture.
    else requestAnimationFrame(() => requestAnimationFrame(follow));
  });

  dash.cursor = { answered };
})();
