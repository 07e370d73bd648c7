// Add, remove, weight: shows the plan on the ring, then confirms the change.

import { change } from "/dashboard/api.js";
import { count, el, percent, plural, ratio, text } from "/dashboard/dom.js";
import { badge } from "/dashboard/key.js";
import { openDialog } from "/dashboard/dialog.js";
import { Ring } from "/dashboard/ring.js";
import { can, nameOf, refresh, refreshFleet, refreshRing, store, subscribe } from "/dashboard/store.js";

/** From the last input to the plan's request, in ms. */
const TYPING = 200;
const MOVES = 8;

let renew = () => {};
let planned = null;
subscribe((what) => what === "fleet" && planned !== null && planned !== store.fleet.epoch && renew());

export function openAdd() {
  if (!can("add")) return openUpstream();
  const n = el("input", { type: "number", min: 1, max: 1000, value: 1, id: "add-n", required: true });
  const names = el("input", { id: "add-names", placeholder: "random names", autocomplete: "off", spellcheck: "false" });
  openPlan({
    title: "Add replicas",
    fields: [
      el("label", {}, "How many ", n), el("label", {}, "Names, separated by commas ", names),
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

function openUpstream() {
  const spec = el("input", { id: "upstream", placeholder: "name=host:port*weight" });
  openPlan({
    title: "Add upstream",
    fields: [el("label", {}, "Server ", spec)],
    inputs: [spec],
    label: () => "Add upstream",
    request: () => ["POST", "/api/upstreams", { upstream: spec.value.trim() }],
    wait: "It gets requests once it answers.",
    done: () => `Added: ${spec.value}.`,
  });
}

export function openRemove(of) {
  const { seat, replica } = of;
  const name = nameOf(of);
  openPlan({
    title: name ? `Remove ${name} and its seat ${seat}` : `Remove seat ${seat}`,
    fields: [],
    inputs: [],
    danger: true,
    label: () => `Remove ${name ?? `seat ${seat}`}`,
    request: () => of.name
      ? ["DELETE", "/api/upstreams", { name }]
      : ["POST", "/api/remove", { n: 1, ...(name ? { hostnames: [name] } : { seats: [seat] }) }],
    wait: `It leaves the ring at once${replica ? " and finishes what it has" : ""}.`,
    done: () => `${name ?? `Seat ${seat}`} has left the ring.`,
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
    wait: "It lasts until the balancer stops, unless the configuration file says so too.",
    done: () => `Seat ${seat} has weight ${input.value}.`,
  });
}

function openPlan({ title, fields, inputs, label, danger, request, wait, done }) {
  const canvas = el("canvas", { role: "img", "aria-label": "The slots that would move" });
  const figures = el("div", { class: "figures", "aria-live": "polite" }, "…");
  const legend = el("p", { class: "legend" });
  const picture = el("div", { class: "drawing" }, canvas, legend);
  const send = (more) => {
    const [method, path, body] = request();
    return change(method, path, { ...body, ...more });
  };
  const run = async () => {
    // Only the plan that is shown can be confirmed.
    const seen = shown;
    if (outcome(await plan()) !== seen) throw new Error("The fleet has changed: this is what it would do now.");
    await send();
    refresh();
    return done();
  };
  let shown = null;
  let typing;
  let latest = 0;
  const sheet = el("div", { class: "plan" }, picture, el("div", {}, ...fields, figures, el("p", { class: "hint" }, wait)));
  const dialog = openDialog({
    title, body: [sheet], wide: true,
    confirm: { label: label(), danger, run },
    closed: () => {
      clearTimeout(typing);
      planned = null;
      renew = () => {};
    },
  });
  inputs[0]?.select();
  const ring = new Ring(canvas, undefined, 2);
  const plan = async () => {
    const mine = ++latest;
    const plan = await send({ dry_run: true, owners: true });
    if (store.ring?.epoch !== plan.epoch) await Promise.all([refreshRing(), refreshFleet()]);
    if (mine === latest && dialog.open()) {
      outdated(false);
      [planned, shown] = [plan.epoch, outcome(plan)];
      ring.compare(store.ring.owners, plan.owners);
      canvas.dataset.moved = plan.slots_moved;
      figures.replaceChildren(...describe(plan));
    }
    return plan;
  };
  const ask = async () => {
    dialog.relabel(label());
    outdated(true);
    if (inputs.some((input) => !input.checkValidity())) return refuse("Give a whole number in range.");
    const mine = latest + 1;
    await plan().then(() => mine === latest && dialog.allow(true), (error) => mine === latest && refuse(error.message));
  };
  const refuse = (why) => {
    text(legend, "");
    figures.replaceChildren();
    dialog.allow(false, why);
  };
  const outdated = (is) => {
    sheet.classList.toggle("outdated", is);
    text(legend, is ? "planning …" : "inside: now · outside: then · faint: stays");
    if (!is) return;
    latest++; // ignores plans under way
    dialog.allow(false);
  };
  renew = () => dialog.busy || ask();
  for (const input of inputs) {
    input.addEventListener("input", () => {
      outdated(true);
      clearTimeout(typing);
      typing = setTimeout(ask, TYPING);
    });
  }
  ask();
}

/** Equal for plans with the same effect. */
const outcome = ({ digest, moves }) => digest + JSON.stringify(moves);

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
  const end = (seat) => (seat === null ? "none" : badge(seat));
  const moves = [...plan.moves].sort((one, two) => two.slots - one.slots);
  const list = moves.slice(0, MOVES).map(({ from, to, slots }) =>
    el("li", {}, end(from), " → ", end(to), ` ${plural(slots, "slot")}`));
  if (moves.length > MOVES) list.push(el("li", {}, `and ${plural(moves.length - MOVES, "more move")}`));
  return [facts, el("ul", { class: "moves" }, ...list)];
}
