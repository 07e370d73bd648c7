// The timeline: events as sentences, newest first.

import { get } from "/dashboard/api.js";
import { $, el } from "/dashboard/dom.js";

const SHOWN = 200;

/** A phase's sentence and severity. */
const PHASES = {
  starting: ["new", "is starting in"],
  ready: ["good", "is ready in"],
  suspect: ["warn", "misses heartbeats in"],
  dead: ["bad", "is dead in"],
  leaving: ["quiet", "leaves"],
  draining: ["quiet", "finishes what it has in"],
  stopping: ["quiet", "is being stopped in"],
};
const GLYPHS = { good: "✓", bad: "✕", warn: "▲", new: "+", quiet: "·" };

/** Reasons that are not shown. */
const TERSE = /^(\w+=\d+|heartbeat)$/;

/** An event as `[severity, sentence]`. */
function sentence({ name, seat, replica, now, done, total }) {
  const place = seat ? `seat ${seat}` : "the fleet";
  const subject = replica ?? "A replica";
  switch (name) {
    case "phase": {
      const [tone, verb] = PHASES[now] ?? ["quiet", now ? `is ${now} in` : "is gone from"];
      return [tone, `${subject} ${verb} ${place}`];
    }
    case "join":
      return ["new", `${place} joins the ring${replica ? ` with ${replica}` : ", vacant"}`];
    case "occupy":
      return ["good", `${subject} takes ${place}: its keys come home`];
    case "handover":
      return ["good", `${subject} takes ${place} over`];
    case "vacate":
      return ["bad", `${place} is vacant: its keys go to the next seats`];
    case "leave":
      return ["quiet", `${place} leaves the ring`];
    case "drain":
      return ["warn", `${subject} is drained: the keys of ${place} go to the next seats`];
    case "unreachable":
      return ["bad", `${subject} does not answer`];
    case "weigh":
      return ["new", `${place} has another weight`];
    case "ejected":
      return ["warn", `${subject} in ${place} is passed over by a router`];
    case "readmitted":
      return ["good", `${subject} in ${place} is passed over no longer`];
    case "not_repeated":
      return ["warn", `A request is not repeated: replicas were lost under it, last ${subject} in ${place}`];
    case "rolling":
      return ["new", `Rolling replacement: ${done} of ${total} done`];
    default:
      return ["quiet", [name, place, replica, now].filter(Boolean).join(", ")];
  }
}

/** Inserts an event in order; ignores a duplicate. */
export function tellEvent(event) {
  const list = $("timeline");
  const older = [...list.children].find((item) => Number(item.dataset.id) <= event.id) ?? null;
  if (Number(older?.dataset.id) === event.id) return;
  const [tone, words] = sentence(event);
  const time = new Date(event.time);
  const item = el("li", { class: tone, "data-id": event.id, "data-event": event.name },
    el("time", { datetime: event.time, title: time.toLocaleString() }, time.toLocaleTimeString("en-GB")),
    el("b", { "aria-hidden": "true" }, GLYPHS[tone]),
    el("span", {}, words.replace(/^seat /, "Seat "),
      event.why && !TERSE.test(event.why) ? el("small", {}, ` – ${event.why}`) : null));
  list.insertBefore(item, older);
  while (list.children.length > SHOWN) list.lastChild.remove();
}

/** Events before this page was opened. */
export async function loadHistory() {
  const { events } = await get(`/api/history?limit=${SHOWN}`).catch(() => ({ events: [] }));
  events.forEach(tellEvent);
  // Announce only new events.
  $("timeline").setAttribute("aria-live", "polite");
}
