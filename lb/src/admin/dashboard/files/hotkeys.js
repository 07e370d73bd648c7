// The hot keys of the last minutes, their seats and their effect on the balance.

import { get } from "/dashboard/api.js";
import { $, count, duration, el, percent, ratio, show, text } from "/dashboard/dom.js";
import { badge } from "/dashboard/key.js";

const SHOWN = 10;

/** The smallest share of a hot key. */
const LEAST = 0.005;

let drawn = "";

/** `ask(key)` explains a key. */
export async function drawHotKeys(ask) {
  const hot = await get(`/api/hot-keys?limit=${SHOWN}`).catch(() => null);
  show($("hot"), Boolean(hot?.requests));
  if (!hot?.requests) return;
  const { peak_to_average: peak, without_hot_keys: without } = hot.imbalance;
  text($("hot-note"), `${count(hot.requests)} requests in ${duration(hot.seconds)} · ` +
    `peak to average ${ratio(peak)}, without the hottest keys ${ratio(without)}`);
  const heavy = hot.keys.filter(({ share }) => share >= LEAST);
  const state = JSON.stringify(heavy);
  if (state === drawn) return;
  drawn = state;
  // --log-key: a hashed or hidden key has no explanation.
  const plain = heavy.some(({ key }) => key !== null && !/^[0-9a-f]{16}$/.test(key));
  const item = ({ key, share, seat, slot, replica }) => {
    const name = el("code", { title: key }, key ?? `slot ${slot}`);
    const shown = plain ? el("button", { type: "button", onclick: () => ask(key) }, name) : name;
    return el("li", {}, seat ? badge(seat) : null, shown, el("b", {}, percent(share * 100)), el("small", {}, replica));
  };
  const list = $("hot-keys");
  // Keeps the keyboard focus.
  const focused = [...list.children].findIndex((item) => item.contains(document.activeElement));
  const items = heavy.map(item);
  list.replaceChildren(...(items.length > 0 ? items : [el("li", {}, "No key stands out.")]));
  list.children[focused]?.querySelector("button")?.focus();
}
