// Runs before the first paint, so that a light page doesn't begin dark.
document.documentElement.dataset.bsTheme =
  new URLSearchParams(location.search).get("theme") === "light" ? "light" : "dark";
