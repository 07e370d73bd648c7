// Wires the parts of the dashboard together.

import { openAdd } from "/dashboard/change.js";
import { $, count, duration, percent, show, text } from "/dashboard/dom.js";
import { loadHistory, tellEvent } from "/dashboard/events.js";
import { drawHotKeys } from "/dashboard/hotkeys.js";
import { keyBox } from "/dashboard/key.js";
import { follow } from "/dashboard/live.js";
import { openRolling, openSeat } from "/dashboard/manage.js";
import { drawReplicas } from "/dashboard/replicas.js";
import { Ring } from "/dashboard/ring.js";
import { can, keyShare, nameOf, refresh, setFleet, setTraffic, store, subscribe } from "/dashboard/store.js";
import { drawLine, drawTotals } from "/dashboard/totals.js";

/** The state is polled at this interval, in ms, for what no event reports. */
const POLL = 5_000;

/** Data older than this, in ms, is stale. */
const STALE = { traffic: 4_000, silence: 20_000 };

const ring = new Ring($("ring-canvas"), drawCenter);
const { explain, again: explainAgain } = keyBox(ring);
const pointed = (seat) => ring.highlight(seat);

subscribe((what) => {
  if (what === "fleet") {
    drawHeader();
    drawRing();
    explainAgain();
  }
  if (what === "ring") drawRing();
  drawTotals();
  if (what === "traffic") drawLine();
  drawReplicas({ manage: openSeat, pointed });
  drawCenter(ring.highlit);
});

function drawHeader() {
  const { cluster, layout } = store.fleet;
  const parts = [layout.name, `${count(layout.slots)} slots`, layout.hash];
  if (layout.virtual_nodes) parts.push(`${layout.virtual_nodes} virtual nodes`);
  if (layout.slot_cap) parts.push(`cap ${layout.slot_cap}`);
  text($("layout"), parts.join(" · "));
  text($("cluster"), cluster === "default" ? "" : cluster);
  const { rolling } = store.fleet;
  text($("rolling"), rolling ? `Replacing ${rolling.done} of ${rolling.total}` : "Rolling replace");
  $("rolling").disabled = Boolean(rolling);
  show($("rolling"), can("replace"));
  if (!can("add")) text($("add"), "Add upstream");
  document.title = cluster === "default" ? "lb" : `lb ${cluster}`;
}

let drawn = "";

/** Redraws for a new slot map or vacant seat. */
function drawRing() {
  const { fleet, ring: map } = store;
  if (!fleet || !map) return;
  const away = fleet.seats.filter(({ replica }) => !["ready", "suspect"].includes(replica?.phase));
  const vacant = new Set(away.map(({ seat }) => seat));
  const state = `${map.digest} ${[...vacant]}`;
  if (state === drawn) return;
  drawn = state;
  ring.set(map.owners, vacant);
  $("ring-canvas").setAttribute("aria-label", `The ring of ${count(map.slots)} slots. Arrow keys go through the seats.`);
}

/** The centre: one seat, or the totals. */
function drawCenter(highlit) {
  const { fleet } = store;
  if (!fleet) return;
  const seat = fleet.seats.find(({ seat }) => seat === highlit);
  const lines = seat
    ? [`seat ${seat.seat}`, seat.replica?.name ?? [nameOf(seat), seat.drained ? "drained" : "vacant"].filter(Boolean).join(", "),
       `${count(seat.slots)} slots, ${percent(100 * keyShare(seat))}`]
    : [count(fleet.seats.length), fleet.seats.length === 1 ? "seat" : "seats", `${count(fleet.layout.slots)} slots`];
  const center = $("ring-center");
  const shown = ["b", "span", "small"].map((tag, at) => {
    const node = center.children[at] ?? center.appendChild(document.createElement(tag));
    text(node, lines[at]);
    return node;
  });
  shown[0].className = seat ? "seat" : "";
}

let alive = null;
let lost = "connecting …";
let measured = false;

function drawLive() {
  const age = alive === null ? Infinity : Date.now() - alive;
  const stale = lost !== "" || age > (measured ? STALE.traffic : STALE.silence);
  $("live").dataset.live = lost !== "" ? (alive === null ? "connecting" : "lost") : stale ? "stale" : "live";
  text($("live"), lost !== "" ? lost : stale ? "stale" : "live");
  // Not in the live region: no announcement each second.
  text($("age"), stale && alive !== null ? `last data ${duration(age / 1000)} ago` : "");
  document.body.classList.toggle("stale", stale);
}

follow("/api/events?traffic=1", {
  onEvent(name, data) {
    if (name === "state") setFleet(data);
    else if (name === "traffic") {
      measured = true;
      setTraffic(data);
    } else if (name === "reset") loadHistory();
    else {
      tellEvent(data);
      refresh();
    }
  },
  sign() {
    if (lost !== "" && alive !== null) refresh();
    [alive, lost] = [Date.now(), ""];
    drawLive();
  },
  lost(why) {
    lost = `${why.replace(/\.$/, "")}, reconnecting …`;
    drawLive();
  },
});
loadHistory();
setInterval(drawLive, 1_000);
setInterval(() => document.hidden || lost !== "" || (refresh(), drawHotKeys(explain)), POLL);
drawHotKeys(explain);

$("add").addEventListener("click", openAdd);
$("rolling").addEventListener("click", openRolling);
$("filter").addEventListener("input", () => drawReplicas({ manage: openSeat, pointed }));

const THEMES = { auto: ["◐", "as the system"], light: ["☀", "light"], dark: ["☾", "dark"] };

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  const [glyph, words] = THEMES[theme];
  text($("theme"), glyph);
  for (const name of ["aria-label", "title"]) $("theme").setAttribute(name, `Theme: ${words}`);
  ring.redraw(true);
}

$("theme").addEventListener("click", () => {
  const names = Object.keys(THEMES);
  const next = names[(names.indexOf(document.documentElement.dataset.theme) + 1) % names.length];
  localStorage.setItem("lb-theme", next);
  setTheme(next);
});
const kept = localStorage.getItem("lb-theme");
setTheme(kept in THEMES ? kept : "auto");
