// The state of the balancer, and its subscribers.

import { get } from "/dashboard/api.js";

/** How long changes are gathered before the state is asked for. */
const GATHER = 120;

export const store = {
  /** As /api/state has it; each seat has also `drained`: who was drained from it, or null. */
  fleet: null,
  /** As /api/ring has it. */
  ring: null,
  /** As the event `traffic` has it. */
  traffic: null,
  /** By incarnation, of `traffic`. */
  loads: new Map(),
};

/** Whether changes of this kind are possible. */
export const can = (action) => store.fleet.actions.includes(action);

/** Who has a seat, was drained from it, or is to have it. */
export const nameOf = (seat) => (seat.replica ?? seat.drained)?.name ?? seat.name;

const listeners = [];

/** `changed(what)` is told of each change: "fleet", "ring" or "traffic". */
export const subscribe = (changed) => listeners.push(changed);

const tell = (what) => listeners.forEach((changed) => changed(what));

export function setFleet(fleet) {
  const drained = new Map(fleet.others.filter((other) => other.drained).map((other) => [other.seat, other]));
  for (const seat of fleet.seats) seat.drained = drained.get(seat.seat) ?? null;
  store.fleet = fleet;
  tell("fleet");
  if (store.ring?.digest !== fleet.digest) refreshRing();
}

export function setTraffic(traffic) {
  store.traffic = traffic;
  store.loads = new Map(traffic.replicas.map((replica) => [String(replica.incarnation), replica]));
  tell("traffic");
}

let gathering = null;

/** Asks for the state soon; many wishes are one question. */
export function refresh() {
  gathering ??= setTimeout(() => {
    gathering = null;
    refreshFleet();
  }, GATHER);
}

/** Asks for the state now. */
export const refreshFleet = () => get("/api/state").then(setFleet, () => {});

let asking = null;

/** Asks for the slot map; a second wish shares the first one's answer. */
export function refreshRing() {
  asking ??= get("/api/ring")
    .then((ring) => {
      store.ring = ring;
      tell("ring");
    }, () => {})
    .finally(() => (asking = null));
  return asking;
}

/** What is measured of a replica, if anything is. */
export const loadOf = (replica) => store.loads.get(String(replica?.incarnation));

/** A seat's share of all slots. */
export const keyShare = (seat) => seat.slots / store.fleet.layout.slots;
