// What the page does without asking the server. Dash calls these by name (app/callbacks/browser.py).
(() => {
  "use strict";

  // Dash fills this in later, when its renderer is there.
  const dash = (window.dash_clientside = window.dash_clientside || {});
  const put = (id, props) => dash.set_props(id, props);
  const byId = (id) => document.getElementById(id);
  const graph = () => document.querySelector("#heatmap .js-plotly-plot");

  // Choices that are only about looks: going back in the browser's history skips them.
  const LOOKS = ["mapping", "palette", "layers", "intensity", "theme", "zoom", "live"];
  const ALL = "all";
  const CUSTOM = "custom";
  const OWN = "own";
  const PATIENCE = 3000; // before asking whether the server is still there [ms]

  let chosen = null; // the state last sent
  let shown = null; // what the server last drew
  let turn = 0;
  let silent = false; // whether the server was found gone

  // --- the state -----------------------------------------------------------------------------

  function state(symbol, exchanges, span, start, stop, preset, model, profile, side, mapping,
    palette, layers, theme, zoom, assumed, presets, previous) {
    if (span == null || theme == null || preset == null) return dash.no_update;
    put("custom-range", { hidden: span !== CUSTOM });
    showPreset(preset, presets);
    if (previous && preset !== previous.preset && startPreset(preset, previous, presets)) {
      return dash.no_update;
    }
    if (span === CUSTOM && !(start && stop) && shown && shown.time) {
      // Begin from what is on the screen; the fields' change brings us here again.
      put("start", { value: fieldTime(shown.time[0]) });
      put("stop", { value: fieldTime(shown.time[1]) });
      return dash.no_update;
    }
    const next = {
      // What a link assumes of its model and no control shows; another model is taken as it is.
      ...(assumed && assumed.model === model ? assumed : {}),
      symbol: symbol || "",
      exchanges: wantedExchanges(exchanges || [], previous),
      window: span,
      start: span === CUSTOM ? start : "",
      stop: span === CUSTOM ? stop : "",
      preset,
      model,
      profile: profile === CUSTOM ? (previous ? previous.profile : "") : notOwn(profile),
      side_rule: notOwn(side),
      mapping,
      palette,
      layers: layers || [],
      theme,
      zoom: keepsZoom(symbol, span, start, stop, previous) ? zoom || null : null,
      compact: window.matchMedia("(max-width: 640px)").matches,
    };
    if (!next.zoom && zoom) put("zoom", { data: null });
    if (previous && same(next, previous)) return dash.no_update;
    document.documentElement.dataset.bsTheme = theme;
    byId("frame").classList.add("is-waiting");
    chosen = { ...next, turn: (turn += 1) };
    setTimeout(askIfUp, PATIENCE, turn);
    document.dispatchEvent(new CustomEvent("liqheat:chosen", { detail: chosen }));
    return chosen;
  }

  function showPreset(preset, presets) {
    put("custom-model", { hidden: preset !== CUSTOM });
    put("preset-note", { children: presets[preset].summary });
  }

  // Each preset has colours of its own; Custom begins with what the preset before it assumed.
  // Returns whether controls that the state is made of were changed, which brings us here again.
  function startPreset(preset, previous, presets) {
    const triggered = dash.callback_context.triggered.map((t) => t.prop_id);
    if (!triggered.includes("preset.value") || triggered.includes("window.value")) return false;
    put("intensity", { value: presets[preset].intensity });
    const before = presets[previous.preset].assumptions;
    if (preset !== CUSTOM) return false;
    const wanted = [before.model, before.profile || OWN, before.side_rule || OWN];
    const controls = ["model", "profile", "side-rule"];
    const changed = controls.filter((id, i) => byId(id).value !== wanted[i]);
    changed.forEach((id) => put(id, { value: wanted[controls.indexOf(id)] }));
    return changed.length > 0;
  }

  // An answer may take its time; a server that is gone never gives one, and Dash doesn't tell.
  function askIfUp(asked) {
    const frame = byId("frame");
    if (chosen.turn !== asked || !frame.classList.contains("is-waiting")) return;
    fetch("/health").then(
      () => setTimeout(askIfUp, PATIENCE, asked),
      () => {
        frame.classList.remove("is-waiting");
        silent = true;
        put("notice", { children: "The server does not answer. Start it again, then reload." });
      },
    );
  }

  const notOwn = (choice) => (choice === OWN ? "" : choice || "");

  function same(next, previous) {
    return Object.keys(next).every((k) => JSON.stringify(next[k]) === JSON.stringify(previous[k]));
  }

  // "All" and single exchanges exclude each other; the one touched last wins.
  function wantedExchanges(ticked, previous) {
    const single = ticked.filter((name) => name !== ALL);
    const wasAll = !previous || previous.exchanges.length === 0;
    const all = single.length === 0 || (ticked.includes(ALL) && !wasAll);
    const wanted = all ? [ALL] : single;
    if (JSON.stringify(wanted) !== JSON.stringify(ticked)) put("exchanges", { value: wanted });
    return all ? [] : single.sort();
  }

  // A zoom belongs to one window of one symbol; a link or going back brings its own.
  function keepsZoom(symbol, span, start, stop, previous) {
    const triggered = dash.callback_context.triggered.map((t) => t.prop_id);
    if (!previous || triggered.includes("zoom.data")) return true;
    return (
      symbol === previous.symbol &&
      span === previous.window &&
      (span !== CUSTOM || (start === previous.start && stop === previous.stop))
    );
  }

  function fieldTime(milliseconds) {
    return new Date(milliseconds).toISOString().slice(0, 16);
  }

  // --- the answer ----------------------------------------------------------------------------

  function drawn(answer) {
    if (!answer) return;
    shown = answer;
    if (silent) put("notice", { children: "" });
    silent = false;
    if (!chosen || answer.turn === chosen.turn) byId("frame").classList.remove("is-waiting");
    if (answer.symbol) {
      const price = answer.lastPrice.toLocaleString("en-US", {
        minimumFractionDigits: answer.digits,
        maximumFractionDigits: answer.digits,
      });
      document.title = `${price} ${answer.symbol} · Liquidation heatmap`;
    } else {
      document.title = "Liquidation heatmap";
    }
    sayIfNoLiquidations(answer.liquidations === 0);
    document.documentElement.classList.toggle("has-positions", answer.positions > 0);
    document.dispatchEvent(new CustomEvent("liqheat:drawn", { detail: answer }));
  }

  function sayIfNoLiquidations(none) {
    const chip = document.querySelector("#layers input[value=liquidations] + label");
    if (chip) chip.title = none ? "No liquidations are stored for this view" : "";
  }

  // --- zoom ----------------------------------------------------------------------------------

  function zoom(relayout) {
    const plot = graph();
    const moved = relayout && Object.keys(relayout).some((key) => /^[xy]axis\.range/.test(key));
    if (!moved || !plot || !shown || !shown.time) return;
    const { xaxis, yaxis } = plot._fullLayout;
    const [start, stop] = xaxis.range.map((edge) => new Date(xaxis.r2l(edge)).toISOString());
    const [low, high] = yaxis.range;
    put("zoom", { data: { start, stop, low, high } });
  }

  document.addEventListener("liqheat:drawn", () => {
    const plot = graph();
    if (!plot || plot.liqheatReset) return;
    plot.liqheatReset = true;
    plot.on("plotly_doubleclick", () => put("zoom", { data: null }));
  });

  // --- the legend ----------------------------------------------------------------------------

  let range = [0, 255];
  let restyling = 0;

  function intensity(dragged, settled, legend) {
    const triggered = dash.callback_context.triggered.map((t) => t.prop_id);
    range = (triggered.includes("intensity.drag_value") ? dragged : settled) || range;
    const element = byId("legend");
    if (!element) return;
    element.style.setProperty("--low", `${(range[0] / 255) * 100}%`);
    element.style.setProperty("--high", `${(range[1] / 255) * 100}%`);
    if (legend) {
      element.style.setProperty("--gradient", legend.gradient);
      document.documentElement.style.setProperty("--swatch", legend.swatch);
      document.documentElement.style.setProperty("--consumed", legend.consumed);
      element.querySelector(".legend-unit").textContent = legend.unit;
      element.querySelector(".legend-low").textContent = legend.labels[range[0]];
      element.querySelector(".legend-high").textContent = `≥ ${legend.labels[range[1]]}`;
      nameHandles(element, legend);
    }
    cancelAnimationFrame(restyling);
    restyling = requestAnimationFrame(restyle);
  }

  function nameHandles(element, legend) {
    element.querySelectorAll("[role=slider]").forEach((handle, i) => {
      handle.setAttribute("aria-label", i ? "Drawn as most" : "Drawn as least");
      handle.setAttribute("aria-valuetext", legend.labels[range[i]]);
    });
  }

  function restyle() {
    const plot = graph();
    const heat = plot && plot.data && plot.data[0];
    if (!heat || heat.type !== "heatmap") return;
    if (heat.zmin === range[0] && heat.zmax === range[1]) return;
    window.Plotly.restyle(plot, { zmin: range[0], zmax: range[1] }, [0]);
  }

  // --- the address ---------------------------------------------------------------------------

  function address(search) {
    if (search == null) return;
    const first = !history.state || !history.state.liqheat; // as the reader came, or a link had it
    if (!first && search === location.search) return;
    const method = first || onlyLooks(location.search, search) ? "replaceState" : "pushState";
    history[method]({ liqheat: true }, "", location.pathname + search);
  }

  function onlyLooks(before, after) {
    const question = (search) => {
      const query = new URLSearchParams(search);
      LOOKS.forEach((name) => query.delete(name));
      return query.toString();
    };
    return question(before) === question(after);
  }

  window.addEventListener("popstate", () => {
    put("arrival", { data: { search: location.search, at: Date.now() } });
  });

  // --- buttons and dialogs -------------------------------------------------------------------

  function copyLink() {
    const button = byId("copy-link");
    const said = (text) => {
      button.dataset.said = text;
      setTimeout(() => delete button.dataset.said, 1600);
    };
    const clipboard = navigator.clipboard;
    if (!clipboard) {
      said("Copy it from the address bar"); // only pages from this machine, or over https, may
      return;
    }
    clipboard.writeText(location.href).then(
      () => said("Link copied"),
      () => said("Copy it from the address bar"),
    );
  }

  // Opened by "Custom…", closed by another choice, its own "Apply" among them, or by "Cancel".
  function openProfile(profile, _cancelled, open) {
    const triggered = dash.callback_context.triggered.map((t) => t.prop_id);
    const wanted = triggered.includes("profile.value") && profile === CUSTOM;
    return wanted === Boolean(open) ? dash.no_update : wanted;
  }

  // However the editor was left, the select must not go on saying "Custom…".
  function forgetProfile() {
    put("profile", { value: (chosen && chosen.profile) || OWN });
  }

  dash.page = {
    state, drawn, zoom, intensity, address, copyLink, openProfile,
    profileClosed: (open) => { if (!open) forgetProfile(); },
  };
})();
