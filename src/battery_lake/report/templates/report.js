// Draws every chart in the colours of the reader's scheme, and again when the scheme changes.
(() => {
  "use strict";
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const specs = read("chart-specs");
  const themes = read("chart-themes");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const drawn = new Map();
  let queue = Promise.resolve();

  async function draw(place, scheme) {
    drawn.get(place)?.finalize();
    try {
      drawn.set(place, await window.vegaEmbed(place, specs[place.dataset.chart], {
        ast: true, // expressions are interpreted: the page's policy allows no eval
        actions: false,
        renderer: "svg",
        config: themes[scheme],
        tooltip: { theme: scheme },
      }));
      place.dataset.scheme = scheme;
    } catch (error) {
      place.textContent = "This chart could not be drawn.";
      console.error(place.dataset.chart, error);
    }
  }

  async function drawAll() {
    const scheme = dark.matches ? "dark" : "light";
    for (const place of document.querySelectorAll("[data-chart]")) await draw(place, scheme);
  }

  const again = () => { queue = queue.then(drawAll); };
  dark.addEventListener("change", again);
  again();
})();
