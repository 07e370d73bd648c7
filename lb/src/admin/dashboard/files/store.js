// The state of the balancer, and its subscribers.

import { get } from "/dashboard/api.js";

/** Delay of a refresh in ms, to merge changes. */
const GATHER = 120;

export const store = {
  /** /api/state; seats also have `drained`: the replica drained from it, or null. */
  fleet: null,
  /** /api/ring. */
  ring: null,
  /** The last event `traffic`. */
  traffic: null,
  /** Replicas of `traffic` by incarnation. */
  loads: new Map(),
};

/** Whether an action is supported. */
export const can = (action) => store.fleet.actions.includes(action);

/** The replica in or drained from a seat, or the server's name. */
export const nameOf = (seat) => (seat.replica ?? seat.drained)?.name ?? seat.name;

const listeners = [];

/** Calls `changed("fleet" | "ring" | "traffic")` for each change. */
export const subscribe = (changed) => listeners.push(changed);

const notify = (what) => listeners.forEach((changed) => changed(what));

export function setFleet(fleet) {
  const drained = new Map(fleet.others.filter((other) => other.drained).map((other) => [other.seat, other]));
  for (const seat of fleet.seats) seat.drained = drained.get(seat.seat) ?? null;
  store.fleet = fleet;
  notify("fleet");
  if (store.ring?.digest !== fleet.digest) refreshRing();
}

export function setTraffic(traffic) {
  store.traffic = traffic;
  store.loads = new Map(traffic.replicas.map((replica) => [String(replica.incarnation), replica]));
  notify("traffic");
}

let gathering = null;

/** Fetches the state soon; calls are merged. */
export function refresh() {
  gathering ??= setTimeout(() => {
    gathering = null;
    refreshFleet();
  }, GATHER);
}

/** Fetches the state now. */
export const refreshFleet = () => get("/api/state").then(setFleet, () => {});

let asking = null;

/** Fetches the slot map; concurrent calls share it. */
export function refreshRing() {
  asking ??= get("/api/ring")
    .then((ring) => {
      store.ring = ring;
      notify("ring");
    }, () => {})
    .finally(() => (asking = null));
  return asking;
}

/** A replica's traffic, if any. */
export const loadOf = (replica) => store.loads.get(String(replica?.incarnation));

/** A seat's share of all slots. */
export const keyShare = (seat) => seat.slots / store.fleet.layout.slots;
