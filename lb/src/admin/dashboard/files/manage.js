// Operations on one seat and its replica, and on all in turn.

import { change, stream } from "/dashboard/api.js";
import { age } from "/dashboard/replicas.js";
import { openDialog } from "/dashboard/dialog.js";
import { openRemove, openWeight } from "/dashboard/change.js";
import { count, el, text } from "/dashboard/dom.js";
import { can, nameOf, refresh, store } from "/dashboard/store.js";

/** Lines of a log at first, and characters that are kept. */
const TAIL = 200;
const KEPT = 200_000;

export function openSeat(number) {
  const seat = store.fleet.seats.find(({ seat }) => seat === number);
  if (!seat) return;
  const replica = seat.replica ?? seat.drained;
  const button = (label, action, danger) =>
    el("button", { type: "button", class: danger ? "danger" : null, onclick: action }, label);
  const actions = [button("Weight …", () => openWeight(seat))];
  if (replica) {
    const [verb, ...texts] = replica.drained ? undrain(replica) : drain(replica);
    actions.push(
      button(`${verb} …`, () => openSteer(verb, replica, ...texts)),
    );
    if (can("replace")) actions.push(button("Replace …", () => openSteer("Replace", replica, ...replace(replica))));
    if (can("logs")) actions.push(button("Logs", () => openLogs(replica)));
  }
  actions.push(button("Remove …", () => openRemove(seat), true));
  const facts = replica && {
    Phase: `${replica.phase}${replica.drained ? ", drained by hand" : ` ${age(replica)}`}`,
    "Passed over": replica.skip ?? "no",
    Address: replica.address ?? "–",
    Id: replica.id ?? "–",
    Incarnation: String(replica.incarnation),
  };
  const vacant = seat.reason && { Vacant: seat.reason, "Last error": seat.last_error };
  const all = { ...facts, ...vacant, Weight: count(seat.weight), Slots: `${count(seat.slots)} of ${count(store.fleet.layout.slots)}` };
  const list = Object.entries(all).map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)));
  openDialog({
    title: `Seat ${number}: ${nameOf(seat) ?? "vacant"}`,
    body: [el("div", { class: "actions" }, ...actions), el("dl", {}, ...list)],
  });
}

const drain = ({ name }) => ["Drain",
  "It gets no new request and finishes what it has; its keys go to the next seats, and its seat waits. " +
  "It is kept alive: undrain brings it and its keys back.",
  `${name} is draining.`];

const undrain = ({ name, phase }) => ["Undrain",
  `${phase === "dead" ? "It has died: a new replica starts for its seat" : "It takes its seat again"}, and its keys come home.`,
  `The seat of ${name} is taken again.`];

const replace = ({ name, seat }) => [
  `A new replica starts for seat ${seat}; once it is ready it takes the seat over, and ${name} is drained and stopped. ` +
  "No key changes its seat.",
  `${name} is replaced.`];

const pathOf = (replica, what) => `/api/replicas/${encodeURIComponent(replica.name)}/${what}`;

function openSteer(verb, replica, words, done) {
  const label = `${verb} ${replica.name}`;
  openConfirm({ title: `${label}?`, words, label, path: pathOf(replica, verb.toLowerCase()), done });
}

function openConfirm({ title, words, label, path, done }) {
  const run = async () => {
    await change("POST", path);
    refresh();
    return done;
  };
  openDialog({ title, body: [el("p", {}, words)], confirm: { label, run } });
}

export function openRolling() {
  openConfirm({
    title: "Replace every replica, one after the other?",
    words: "Each new replica is ready before the next old one leaves. No key changes its seat; the events show the progress.",
    label: "Replace all",
    path: "/api/rolling-replace",
    done: "The rolling replacement has begun.",
  });
}

function openLogs(replica) {
  const shown = el("pre", { tabindex: "0", "aria-label": `Log of ${replica.name}` }, "It has written nothing yet.");
  const ended = new AbortController();
  const dialog = openDialog({
    title: `Log of ${replica.name}`, body: [shown], wide: true, closed: () => ended.abort(),
  });
  const read = async () => {
    const reader = await stream(`${pathOf(replica, "logs")}?tail=${TAIL}&follow=true`, {}, ended.signal);
    let log = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      log = (log + value).slice(-KEPT);
      const atEnd = shown.scrollTop + shown.clientHeight >= shown.scrollHeight - 4;
      text(shown, log);
      if (atEnd) shown.scrollTop = shown.scrollHeight;
    }
  };
  read().catch((error) => error.name !== "AbortError" && dialog.fail(error.message));
}
