// The path of a key: key → hash → slot → seat → replica, and the next seats.

import { get } from "/dashboard/api.js";
import { color, hatch, ink } from "/dashboard/colors.js";
import { $, el, show } from "/dashboard/dom.js";

const STOPS = 4;

/** A seat's number on its colour. */
export function badge(seat) {
  const node = el("span", { class: `badge hatch${hatch(seat)}`, title: `seat ${seat}` }, el("i", {}, String(seat)));
  node.style.setProperty("--seat", color(seat));
  node.style.setProperty("--ink", ink(seat));
  return node;
}

/** The box; `ring` draws the walk. Returns `explain(key)`, and `again()` for the same. */
export function keyBox(ring) {
  let current = null;
  let drawn = "";
  const again = async () => {
    if (current === null) return;
    const key = current;
    try {
      const explained = await get(`/api/explain?key=${encodeURIComponent(key)}`);
      const state = JSON.stringify({ ...explained, epoch: null });
      // Announce only changes.
      if (key !== current || state === drawn) return;
      drawn = state;
      $("walk").replaceChildren(...describe(explained));
      ring.mark({ slot: explained.slot, walk: stops(explained) });
    } catch (error) {
      drawn = "";
      ring.mark(null);
      $("walk").replaceChildren(el("p", { class: "error" }, error.message));
    }
  };
  const explain = (key) => {
    current = $("key").value = key;
    show($("key-clear"), true);
    again();
  };
  $("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if ($("key").value === "") return $("key").focus();
    explain($("key").value);
  });
  $("key-clear").addEventListener("click", () => {
    [current, drawn] = [null, ""];
    $("key").value = "";
    $("walk").replaceChildren();
    show($("key-clear"), false);
    ring.mark(null);
    $("key").focus();
  });
  return { explain, again };
}

const stops = ({ walk, chosen }) =>
  walk.slice(0, STOPS).map(({ seat }) => ({ seat, taken: seat === chosen?.seat }));

function describe(explained) {
  const { key, number, slot, walk, chosen, policy = "hash" } = explained;
  const step = (name, ...value) => el("li", {}, el("small", {}, name), el("b", {}, ...value));
  const steps = [
    step("key", shorten(key, 12)), step("number", shorten(number, 8)), step("slot", String(slot)),
    step("seat", chosen ? badge(chosen.seat) : "–"), step("replica", chosen?.replica ?? (policy === "hash" ? "none: 503" : `as ${policy} has it`)),
  ];
  // None chosen: all are skipped, or the walk is for retries only.
  const at = chosen ? walk.findIndex(({ seat }) => seat === chosen.seat) : policy === "hash" ? walk.length : -1;
  const passed = walk.slice(0, Math.max(0, at)).slice(0, STOPS);
  const next = walk.slice(at + 1, at + STOPS);
  const place = ({ seat, replica, skip }) =>
    el("li", {}, badge(seat), ` ${replica ?? ""} `, skip ? el("em", {}, skip) : null);
  const list = (title, places) =>
    places.length > 0 ? el("div", { class: "places" }, el("small", {}, title), el("ul", {}, ...places.map(place))) : null;
  const nodes = [el("ol", { class: "steps", "data-slot": slot, "data-seat": chosen?.seat }, ...steps),
    list("passed over", passed), list("then", next)];
  return nodes.filter((node) => node !== null);
}

const shorten = (text, most) => (text.length > most ? `${text.slice(0, most / 2)}…${text.slice(1 - most / 2)}` : text);
