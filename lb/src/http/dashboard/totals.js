// The totals of the fleet, and the requests of the last minutes as a line.

import { store } from "/dashboard/store.js";
import { $, count, el, ms, rate, ratio, text } from "/dashboard/dom.js";

/** Seconds that the line shows. */
const SHOWN = 120;

const rates = [];
const tiles = new Map();

function tile(name, title) {
  if (!tiles.has(name)) {
    const value = el("b");
    const note = el("small");
    $("totals").append(el("div", { class: "tile", "data-total": name }, el("span", {}, title), value, note));
    tiles.set(name, { value, note });
  }
  return tiles.get(name);
}

function set(name, title, value, note = "") {
  const { value: shown, note: small } = tile(name, title);
  text(shown, value);
  text(small, note);
}

export function drawTotals() {
  const { fleet, traffic } = store;
  if (!fleet) return;
  const serving = fleet.seats.filter(({ replica }) => ["ready", "suspect"].includes(replica?.phase)).length;
  const measured = traffic !== null;
  set("ready", "Ready", `${count(serving)} / ${count(fleet.target)}`, serving < fleet.target ? "below target" : "on target");
  tiles.get("ready").value.parentNode.classList.toggle("bad", serving < fleet.target);
  const errors = traffic?.errors_per_second;
  set("rate", "Requests / s", rate(traffic?.requests_per_second), measured ? `${rate(errors)} errors / s` : "");
  tiles.get("rate").value.parentNode.classList.toggle("bad", errors > 0);
  set("p99", "p99", ms(traffic?.p99_ms), measured ? `p50 ${ms(traffic.p50_ms)}` : "");
  const inFlight = fleet.seats.reduce((sum, { replica }) => sum + (replica?.in_flight ?? 0), 0);
  set("flight", "In flight", count(traffic?.in_flight ?? inFlight));
  set("peak", "Peak to average", ratio(traffic?.peak_to_average), measured ? "of the load" : "");
  set("epoch", "Epoch", count(fleet.epoch), fleet.digest.slice(0, 8));
}

/** One more second of traffic. */
export function drawLine() {
  rates.push(store.traffic.requests_per_second ?? 0);
  if (rates.length > SHOWN) rates.shift();
  const { value } = tile("rate", "");
  let canvas = value.parentNode.querySelector("canvas");
  if (!canvas) value.parentNode.append((canvas = el("canvas", { role: "img", "aria-label": "requests a second" })));
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
