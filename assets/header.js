// The header that all pages share. Dash calls these by name (app/callbacks/header.py).
(() => {
  "use strict";

  // Dash fills this in later, when its renderer is there.
  const dash = (window.dash_clientside = window.dash_clientside || {});
  const put = (id, props) => dash.set_props(id, props);
  const byId = (id) => document.getElementById(id);

  // The heatmap's address is written with all else that it holds (page.js).
  const writesItsAddress = () => Boolean(byId("heatmap"));

  function toggleTheme() {
    return document.documentElement.dataset.bsTheme === "light" ? "dark" : "light";
  }

  function theme(chosen) {
    const root = document.documentElement.dataset;
    const now = chosen || root.bsTheme;
    root.bsTheme = now;
    document.querySelectorAll(".to-page").forEach((link) => {
      link.search = now === "light" ? "?theme=light" : "";
    });
    if (chosen && !writesItsAddress()) {
      const query = new URLSearchParams(location.search);
      query.delete("theme");
      if (now === "light") query.set("theme", now);
      const search = query.toString();
      history.replaceState(history.state, "", location.pathname + (search ? `?${search}` : ""));
    }
    document.dispatchEvent(new CustomEvent("liqheat:theme", { detail: now }));
  }

  function toggle(_clicks, open) {
    return !open;
  }

  function notice(text) {
    put("notice-bar", { hidden: !text });
  }

  function closeNotice() {
    put("notice-bar", { hidden: true });
  }

  dash.header = { theme, toggleTheme, toggle, notice, closeNotice };
})();
