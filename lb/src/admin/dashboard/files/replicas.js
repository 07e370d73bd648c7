// The table of seats. Rows are updated in place to keep the focus.

import { keyShare, loadOf, nameOf, store } from "/dashboard/store.js";
import { badge } from "/dashboard/key.js";
import { color } from "/dashboard/colors.js";
import { $, count, duration, el, ms, percent, plural, rate, show, text } from "/dashboard/dom.js";

/** A limit for the browser's sake. */
const SHOWN = 100;

const GLYPHS = {
  ready: "●", starting: "◌", suspect: "▲", dead: "✕", leaving: "◒", draining: "◒", stopping: "■", vacant: "○",
};

const rows = new Map();

/** A row's button calls `manage(seat)`, the pointer `pointed(seat or null)`. */
export function drawReplicas({ manage, pointed }) {
  const { fleet, traffic } = store;
  if (!fleet) return;
  const wanted = $("filter").value.trim().toLowerCase();
  const words = (seat) => `${seat.seat} ${nameOf(seat) ?? ""} ${phaseOf(seat.replica ?? seat.drained)}`;
  const matches = (seat) => words(seat).toLowerCase().includes(wanted);
  const matching = wanted === "" ? fleet.seats : fleet.seats.filter(matches);
  const shown = matching.slice(0, SHOWN);
  const kept = new Set(shown.map(({ seat }) => seat));
  for (const [seat, row] of rows) {
    if (kept.has(seat)) continue;
    row.node.remove();
    rows.delete(seat);
  }
  const top = Math.max(0.001, ...shown.map((seat) => Math.max(keyShare(seat), loadOf(seat.replica)?.load_share ?? 0)));
  shown.forEach((seat, index) => {
    if (!rows.has(seat.seat)) rows.set(seat.seat, newRow(seat.seat, manage, pointed));
    const { node } = rows.get(seat.seat);
    if ($("rows").children[index] !== node) $("rows").insertBefore(node, $("rows").children[index] ?? null);
    fill(rows.get(seat.seat), seat, top);
  });
  show($("filter"), fleet.seats.length > 12);
  show($("empty"), fleet.seats.length === 0);
  show($("table"), fleet.seats.length > 0);
  const hidden = matching.length - shown.length;
  const note = hidden > 0 ? `the first ${SHOWN} of ${count(matching.length)}` : plural(fleet.seats.length, "seat");
  text($("replicas-note"), traffic ? `${note}, load of the last ${traffic.seconds} s` : note);
  drawOthers(fleet.others);
}

function newRow(seat, manage, pointed) {
  const parts = {};
  const part = (name, tag, properties = {}) => (parts[name] = el(tag, properties));
  const bar = (name, title) => {
    const fill = part(`${name}Bar`, "i");
    return el("div", { class: `share ${name}`, title }, el("span", { class: "bar" }, fill),
      el("span", { class: "sr" }, `${title} `), part(name, "b"));
  };
  const cell = (label, properties, ...children) => el("td", { "data-label": label, ...properties }, ...children);
  const button = part("button", "button", { onclick: () => manage(seat) });
  button.append("Manage");
  const node = el("tr", { "data-seat": seat },
    el("th", { scope: "row" }, badge(seat)),
    cell("Replica", { class: "identity" }, part("name", "b"), part("note", "small")),
    cell("Phase", { class: "state" }, part("phase", "span"), part("skip", "small", { class: "skipped" })),
    cell("In flight", { class: "n" }, part("flight", "span")),
    cell("Req/s", { class: "n" }, part("rate", "span")),
    cell("p50 / p99", { class: "n" }, part("p50", "span"), " / ", part("p99", "span")),
    cell("Keys against load", { class: "shares" }, bar("keys", "share of keys"), bar("load", "share of load")),
    cell("", { class: "action" }, button));
  parts.keysBar.style.background = color(seat);
  for (const event of ["pointerenter", "focusin"]) node.addEventListener(event, () => pointed(seat));
  for (const event of ["pointerleave", "focusout"]) node.addEventListener(event, () => pointed(null));
  return { node, parts };
}

function fill({ node, parts }, seat, top) {
  const replica = seat.replica ?? seat.drained;
  const load = loadOf(replica);
  const phase = phaseOf(replica);
  const name = nameOf(seat);
  text(parts.name, name ?? "–");
  parts.name.title = name ?? "";
  text(parts.note, [age(seat.replica), seat.weight === 100 ? "" : `weight ${seat.weight}`].filter(Boolean).join(" · "));
  text(parts.phase, `${GLYPHS[phase] ?? "·"} ${phase}`);
  text(parts.skip, !replica ? seat.last_error ?? "" : replica.drained ? (phase === "dead" ? "drained" : "by hand") : replica.skip ?? "");
  node.dataset.phase = phase;
  text(parts.flight, replica ? count(load?.in_flight ?? replica.in_flight) : "–");
  text(parts.rate, rate(load?.requests_per_second));
  text(parts.p50, ms(load?.p50_ms));
  text(parts.p99, ms(load?.p99_ms));
  for (const [name, share] of [["keys", keyShare(seat)], ["load", load?.load_share]]) {
    text(parts[name], percent(share === null || share === undefined ? null : share * 100));
    parts[`${name}Bar`].style.width = `${Math.min(100, (100 * (share ?? 0)) / top)}%`;
  }
  const label = `Manage seat ${seat.seat}, ${name ?? "vacant"}`;
  if (parts.button.getAttribute("aria-label") !== label) parts.button.setAttribute("aria-label", label);
}

const phaseOf = (replica) => replica?.phase ?? "vacant";

/** Time since a replica is ready. */
export function age(replica) {
  if (!replica?.ready_at) return "";
  return `for ${duration((Date.now() - Date.parse(replica.ready_at)) / 1000)}`;
}

function drawOthers(others) {
  const leaving = others.filter(({ drained }) => !drained);
  show($("others"), leaving.length > 0);
  const item = ({ name, phase, in_flight: inFlight }) =>
    el("li", {}, el("b", {}, name), ` ${GLYPHS[phase] ?? "·"} ${phase}, ${count(inFlight)} in flight`);
  const list = $("others").querySelector("ul");
  if (leaving.length > 0 || list.children.length > 0) list.replaceChildren(...leaving.slice(0, SHOWN).map(item));
}
