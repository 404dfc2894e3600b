// Keyboard shortcuts; the help dialog lists them (components/dialogs.py).
(() => {
  "use strict";

  const dash = (window.dash_clientside = window.dash_clientside || {});
  const put = (id, props) => dash.set_props(id, props);
  const byId = (id) => document.getElementById(id);
  const ticked = (id) => [...byId(id).querySelectorAll("input:checked")].map((i) => i.value);

  function next(select) {
    // A browser's select may begin with an option that stands for no choice.
    const values = [...byId(select).options].map((option) => option.value).filter(Boolean);
    const place = values.indexOf(byId(select).value);
    put(select, { value: values[(place + 1) % values.length] });
  }

  function toggleHeat() {
    const layers = ticked("layers");
    const without = layers.filter((layer) => layer !== "active");
    put("layers", { value: without.length < layers.length ? without : [...layers, "active"] });
  }

  function chooseWindow(digit) {
    const input = byId("window").querySelectorAll("input")[Number(digit) - 1];
    if (input) put("window", { value: input.value });
  }

  function toggleLive() {
    if (!byId("live-control").hidden) put("live", { value: ticked("live").length ? [] : ["live"] });
  }

  const ACTIONS = {
    m: () => next("preset"),
    l: () => put("mapping", { value: ticked("mapping")[0] === "log" ? "linear" : "log" }),
    h: toggleHeat,
    p: () => next("palette"),
    v: toggleLive,
    s: () => byId("copy-link").click(),
    "?": () => byId("help").click(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (isWriting(event.target) || document.querySelector(".modal.show")) return;
    if (event.key !== "?" && !byId("heatmap")) return; // a page that has nothing of these
    if (/^[1-9]$/.test(event.key)) chooseWindow(event.key);
    else if (ACTIONS[event.key.toLowerCase()]) ACTIONS[event.key.toLowerCase()]();
    else return;
    event.preventDefault();
  });

  function isWriting(element) {
    if (element.matches("input[type=radio], input[type=checkbox]")) return false;
    return element.matches("input, textarea, select, [contenteditable], [role=listbox] *");
  }
})();
