// Runs before the page is drawn: a visitor who chose no theme gets the device's.
(() => {
  const root = document.documentElement, device = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => { if (root.dataset.theme === "auto") root.classList.toggle("dark", device.matches); };
  apply();
  device.addEventListener("change", apply);
})();
