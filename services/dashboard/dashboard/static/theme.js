// Before the first paint: the reader's choice of colours, and that scripts run.
(() => {
  "use strict";
  const root = document.documentElement;
  root.classList.add("js");
  let chosen = "system";
  try { chosen = localStorage.getItem("theme") || "system"; } catch { /* storage is closed: as the system */ }
  if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;
})();
