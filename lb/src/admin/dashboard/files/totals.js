// The totals of the fleet, and the requests of the last minutes as a line.

import { store } from "/dashboard/store.js";
import { $, count, el, ms, rate, ratio, text } from "/dashboard/dom.js";

/** The line's length in s. */
const SHOWN = 120;

const rates = [];
const tiles = new Map();

function tile(name, title, value, note = "", bad = false) {
  if (!tiles.has(name)) {
    tiles.set(name, el("div", { class: "tile", "data-total": name }, el("span", {}, title), el("b"), el("small")));
    $("totals").append(tiles.get(name));
  }
  const node = tiles.get(name);
  const [, shown, small] = node.children;
  text(shown, value);
  text(small, note);
  node.classList.toggle("bad", bad);
}

export function drawTotals() {
  const { fleet, traffic } = store;
  if (!fleet) return;
  const serving = fleet.seats.filter(({ replica }) => ["ready", "suspect"].includes(replica?.phase)).length;
  const measured = traffic !== null;
  const note = serving === 0 ? "requests get 503" : serving < fleet.target ? "below target" : "on target";
  tile("ready", "Ready", `${count(serving)} / ${count(fleet.target)}`, note, note !== "on target");
  const errors = traffic?.errors_per_second;
  tile("rate", "Requests / s", rate(traffic?.requests_per_second), measured ? `${rate(errors)} errors / s` : "", errors > 0);
  tile("p99", "p99", ms(traffic?.p99_ms), measured ? `p50 ${ms(traffic.p50_ms)}` : "");
  const inFlight = fleet.seats.reduce((sum, { replica }) => sum + (replica?.in_flight ?? 0), 0);
  tile("flight", "In flight", count(traffic?.in_flight ?? inFlight));
  tile("peak", "Peak / average", ratio(traffic?.peak_to_average), measured ? "load, last minute" : "");
  tile("epoch", "Epoch", count(fleet.epoch), `slot map ${fleet.digest.slice(0, 8)}`);
}

/** Adds a second of traffic. */
export function drawLine() {
  rates.push(store.traffic.requests_per_second ?? 0);
  if (rates.length > SHOWN) rates.shift();
  const at = tiles.get("rate");
  if (!at) return;
  const canvas = at.querySelector("canvas") ?? at.appendChild(el("canvas", { role: "img", "aria-label": "requests a second" }));
  const scale = devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  canvas.width = width * scale;
  canvas.height = height * scale;
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  const top = Math.max(1, ...rates);
  const style = getComputedStyle(canvas);
  context.strokeStyle = context.fillStyle = style.color;
  context.lineWidth = 1.5;
  context.beginPath();
  rates.forEach((value, at) => {
    const x = width - ((rates.length - 1 - at) * width) / (SHOWN - 1);
    context.lineTo(x, height - 1 - (value / top) * (height - 3));
  });
  context.stroke();
  context.lineTo(width, height);
  context.lineTo(width - ((rates.length - 1) * width) / (SHOWN - 1), height);
  context.globalAlpha = 0.15;
  context.fill();
}
