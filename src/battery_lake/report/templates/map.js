// Draws the fleet's squares over outlines on a canvas; colours are those of the page's scheme.
(() => {
  "use strict";
  const place = document.getElementById("fleet-map");
  const { lines, squares } = JSON.parse(document.getElementById("map-data").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const colour = (role) => getComputedStyle(document.documentElement).getPropertyValue(`--${role}`).trim();
  const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  const map = L.map(place, {
    preferCanvas: true, worldCopyJump: false, maxZoom: 11, scrollWheelZoom: false, dragging: !L.Browser.mobile,
    zoomAnimation: !still, fadeAnimation: !still, inertia: !still,
  });
  map.attributionControl.setPrefix(false).addAttribution("Outlines: Natural Earth");
  // The view first: a canvas layer has no place without one.
  map.fitBounds(L.latLngBounds(squares.map(([north, east]) => [north, east])).pad(0.3), { maxZoom: 9 });
  const outlines = L.polyline(lines, { weight: 1, interactive: false }).addTo(map);
  const marks = squares.map(([north, east, vehicles, below, said]) => {
    const mark = L.circleMarker([north, east], { radius: Math.min(4 + 2 * Math.sqrt(vehicles), 24), weight: 2 });
    mark.bindTooltip(document.createTextNode(said).textContent.replace(/[<&]/g, "")).addTo(map);
    return [mark, below > 0];
  });
  function paint() {
    outlines.setStyle({ color: colour("soft"), opacity: 0.8 });
    for (const [mark, isBelow] of marks) {
      const role = colour(isBelow ? "bad" : "accent");
      mark.setStyle({ color: role, fillColor: role, fillOpacity: isBelow ? 0.85 : 0.35 });
    }
    place.dataset.squares = String(marks.length);
  }
  dark.addEventListener("change", paint);
  paint();
})();
