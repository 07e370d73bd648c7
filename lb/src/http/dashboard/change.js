// Add, remove, weight: the plan, drawn on the ring, before the change is confirmed.

import { change } from "/dashboard/api.js";
import { count, el, percent, plural, ratio } from "/dashboard/dom.js";
import { badge } from "/dashboard/key.js";
import { openDialog } from "/dashboard/dialog.js";
import { Ring } from "/dashboard/ring.js";
import { refresh, refreshRing, store, subscribe } from "/dashboard/store.js";

/** How long typing may go on before a plan is asked for. */
const TYPING = 200;
const MOVES = 8;

let renew = () => {};
let planned = null;
subscribe((what) => what === "fleet" && planned !== null && planned !== store.fleet.epoch && renew());

export function openAdd() {
  const n = el("input", { type: "number", min: 1, max: 1000, value: 1, id: "add-n", required: true });
  const names = el("input", { id: "add-names", placeholder: "random names", autocomplete: "off", spellcheck: "false" });
  openPlan({
    title: "Add replicas",
    fields: [
      el("label", {}, "How many ", n), el("label", {}, "Names, by commas ", names),
    ],
    inputs: [n, names],
    label: () => `Add ${plural(Number(n.value), "replica")}`,
    request: () => {
      const hostnames = names.value.split(",").map((name) => name.trim()).filter((name) => name !== "");
      return ["POST", "/api/add", { n: n.valueAsNumber, hostnames }];
    },
    wait: "Started, and added once all are ready.",
    done: () => `Added: ${plural(Number(n.value), "replica")}.`,
  });
}

export function openRemove(seat, replica) {
  openPlan({
    title: `Remove ${replica.name} and its seat ${seat}`,
    fields: [],
    inputs: [],
    danger: true,
    label: () => `Remove ${replica.name}`,
    request: () => ["POST", "/api/remove", { n: 1, hostnames: [replica.name] }],
    wait: "It leaves the ring at once, finishes what it has, and is stopped.",
    done: () => `${replica.name} has left the ring.`,
  });
}

export function openWeight({ seat, weight, replica }) {
  const input = el("input", { type: "number", min: 1, max: 1000, value: weight, id: "weight", required: true });
  openPlan({
    title: `Weight of seat ${seat}${replica ? `, ${replica.name}` : ""}`,
    fields: [el("label", {}, "Weight, 100 is usual ", input)],
    inputs: [input],
    label: () => `Set weight ${input.value}`,
    request: () => ["PUT", `/api/seats/${seat}/weight`, { weight: input.valueAsNumber }],
    wait: "It lasts until the balancer ends, unless the configuration file says so too.",
    done: () => `Seat ${seat} has weight ${input.value}.`,
  });
}

function openPlan({ title, fields, inputs, label, danger, request, wait, done }) {
  const canvas = el("canvas", { role: "img", "aria-label": "The slots that would move" });
  const figures = el("div", { class: "figures", "aria-live": "polite" }, "…");
  const legend = el("p", { class: "legend" }, "inside: now · outside: then · faint: stays");
  const picture = el("div", { class: "drawing" }, canvas, legend);
  const [method, path] = request();
  const run = async () => {
    const [, , body] = request();
    await change(method, path, body);
    refresh();
    return done();
  };
  let typing;
  let latest = 0;
  const body = [el("div", { class: "plan" }, picture, el("div", {}, ...fields, figures, el("p", { class: "hint" }, wait)))];
  const dialog = openDialog({
    title, body, wide: true,
    confirm: { label: label(), danger, run },
    closed: () => {
      clearTimeout(typing);
      planned = null;
      renew = () => {};
    },
  });
  inputs[0]?.select();
  const ring = new Ring(canvas, undefined, 2);
  const ask = async () => {
    const mine = ++latest;
    dialog.relabel(label());
    if (inputs.some((input) => !input.checkValidity())) return dialog.allow(false, "Give a whole number in range.");
    const [, , body] = request();
    try {
      const plan = await change(method, path, { ...body, dry_run: true, owners: true });
      if (store.ring?.epoch !== plan.epoch) await refreshRing();
      if (mine !== latest || !dialog.open()) return;
      planned = plan.epoch;
      ring.compare(store.ring.owners, plan.owners);
      canvas.dataset.moved = plan.slots_moved;
      figures.replaceChildren(...describe(plan));
      if (!dialog.busy) dialog.allow(true);
    } catch (error) {
      if (mine !== latest || !dialog.open()) return;
      figures.replaceChildren();
      dialog.allow(false, error.message);
    }
  };
  renew = () => !dialog.busy && ask();
  for (const input of inputs) {
    input.addEventListener("input", () => {
      dialog.allow(false);
      clearTimeout(typing);
      typing = setTimeout(ask, TYPING);
    });
  }
  ask();
}

function describe(plan) {
  const fact = (name, value, note) =>
    el("div", {}, el("dt", {}, name), el("dd", {}, el("b", {}, value), note ? el("small", {}, ` ${note}`) : null));
  const { before, after } = plan.peak_to_average;
  const slots = store.ring.slots;
  const facts = el("dl", {},
    fact("Slots moved", count(plan.slots_moved), `of ${count(slots)}`),
    fact("Keys moved", percent(plan.moved_percent), `${percent(plan.ideal_percent)} would be ideal`),
    fact("Peak to average", `${ratio(before)} → ${ratio(after)}`, "of the slots"),
    fact("Seats", `${count(store.fleet.seats.length)} → ${count(plan.seats.length)}`));
  const end = (seat) => (seat === null ? "nobody" : badge(seat));
  const moves = [...plan.moves].sort((one, two) => two.slots - one.slots);
  const list = moves.slice(0, MOVES).map(({ from, to, slots }) =>
    el("li", {}, end(from), " → ", end(to), ` ${plural(slots, "slot")}`));
  if (moves.length > MOVES) list.push(el("li", {}, `and ${plural(moves.length - MOVES, "more move")}`));
  return [facts, el("ul", { class: "moves" }, ...list)];
}
