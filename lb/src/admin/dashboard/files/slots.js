// Slot maps as runs.

/** `[seat, number of slots]` → runs `{seat, from, to}`; `to` is exclusive. */
export function runsOf(owners) {
  let from = 0;
  return owners.map(([seat, slots]) => ({ seat, from, to: (from += slots) }));
}

/** Compares two maps: runs `{from, to, before, after}`, also of unmoved slots. */
export function compare(before, after) {
  const parts = [];
  const [one, two] = [runsOf(before), runsOf(after)];
  for (let i = 0, j = 0, from = 0; i < one.length && j < two.length; ) {
    const to = Math.min(one[i].to, two[j].to);
    parts.push({ from, to, before: one[i].seat, after: two[j].seat });
    from = to;
    if (one[i].to === to) i++;
    if (two[j].to === to) j++;
  }
  return parts;
}

/** The run that contains a slot. */
export function runAt(runs, slot) {
  let [low, high] = [0, runs.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (runs[middle].to <= slot) low = middle + 1;
    else high = middle;
  }
  return runs[low] ?? null;
}

/** Distance from `slot` to a seat's next slot, of `slots`; null if it owns none. */
export function distance(runs, slot, seat, slots) {
  let first = null;
  for (const { seat: owner, from, to } of runs) {
    if (owner !== seat) continue;
    if (slot >= from && slot < to) return 0;
    const after = (from - slot + slots) % slots;
    first = first === null ? after : Math.min(first, after);
  }
  return first;
}
