// What can be done with one seat and its replica, and with all of them in turn.

import { change, stream } from "/dashboard/api.js";
import { age } from "/dashboard/replicas.js";
import { openDialog } from "/dashboard/dialog.js";
import { openRemove, openWeight } from "/dashboard/change.js";
import { count, el, text } from "/dashboard/dom.js";
import { refresh, store } from "/dashboard/store.js";

/** How much of a log is shown: its tail when it is opened, and what the page keeps of it. */
const TAIL = 200;
const KEPT = 200_000;

export function openSeat(number) {
  const seat = store.fleet.seats.find(({ seat }) => seat === number);
  if (!seat) return;
  const { replica, drained } = seat;
  const button = (label, action, danger) =>
    el("button", { type: "button", class: danger ? "danger" : null, onclick: action }, label);
  const actions = [button("Weight …", () => openWeight(seat))];
  // Drained, and dead since: the seat still has its name.
  const named = replica ?? (drained && { name: drained });
  if (named) {
    actions.push(
      drained ? button("Undrain …", () => openUndrain(named)) : button("Drain …", () => openDrain(named)),
      button("Replace …", () => openReplace(number, named)),
      button("Remove …", () => openRemove(number, named), true),
    );
  }
  if (replica) actions.splice(-1, 0, button("Logs", () => openLogs(replica)));
  const facts = replica && {
    Phase: `${replica.phase} ${age(replica)}`,
    "Passed over": replica.skip ?? "no",
    Address: replica.address ?? "–",
    Id: replica.id ?? "–",
    Incarnation: String(replica.incarnation),
  };
  const all = { ...facts, Weight: count(seat.weight), Slots: `${count(seat.slots)} of ${count(store.fleet.layout.slots)}` };
  const list = Object.entries(all).map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)));
  openDialog({
    title: `Seat ${number}: ${named?.name ?? "vacant"}`,
    body: [el("div", { class: "actions" }, ...actions), el("dl", { class: "facts" }, ...list)],
  });
}

function openConfirm({ title, words, label, danger, method = "POST", path, done }) {
  const run = async () => {
    await change(method, path);
    refresh();
    return done;
  };
  openDialog({ title, body: words.map((word) => el("p", {}, word)), confirm: { label, danger, run } });
}

const pathOf = (replica, what) => `/api/replicas/${encodeURIComponent(replica.name)}/${what}`;

function openDrain(replica) {
  openConfirm({
    title: `Drain ${replica.name}?`,
    words: [
      "It gets no new request and finishes what it has; its keys go to the next seats, and its seat waits.",
      "It is kept alive: undrain brings it and its keys back.",
    ],
    label: `Drain ${replica.name}`,
    path: pathOf(replica, "drain"),
    done: `${replica.name} is draining.`,
  });
}

function openUndrain(replica) {
  openConfirm({
    title: `Undrain ${replica.name}?`,
    words: ["It takes its seat again, and its keys come home."],
    label: `Undrain ${replica.name}`,
    path: pathOf(replica, "undrain"),
    done: `${replica.name} has its seat again.`,
  });
}

function openReplace(seat, replica) {
  openConfirm({
    title: `Replace ${replica.name}?`,
    words: [
      `A new replica starts for seat ${seat}; once it is ready it takes the seat over, and ${replica.name} is drained and stopped.`,
      "No key changes its seat.",
    ],
    label: `Replace ${replica.name}`,
    path: pathOf(replica, "replace"),
    done: `${replica.name} is replaced.`,
  });
}

export function openRolling() {
  openConfirm({
    title: "Replace every replica, one after the other?",
    words: ["Each new replica is ready before the next old one leaves. No key changes its seat; the events tell how far it is."],
    label: "Replace all",
    path: "/api/rolling-replace",
    done: "The rolling replacement has begun.",
  });
}

function openLogs(replica) {
  const shown = el("pre", { tabindex: "0", "aria-label": `Log of ${replica.name}` }, "…");
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
    if (log === "") text(shown, "It has written nothing.");
  };
  read().catch((error) => error.name !== "AbortError" && dialog.fail(error.message));
}
