// A key's walk around the ring: clockwise from its slot to the first slot of each seat.

import { color, ink } from "/dashboard/colors.js";
import { distance } from "/dashboard/slots.js";

const TURN = 2 * Math.PI;

/** Distance of the stops from the ring, and their size. */
const AWAY = 15;
const SIZE = 8;

/** `ring.markedWalk` is `{slot, walk: [{seat, taken}]}`; the context's origin is the ring's centre. */
export function drawWalk(context, ring) {
  const { slot, walk } = ring.markedWalk;
  const { color: line, backgroundColor: card } = ring.style;
  const start = ring.angle(slot + 0.5);
  drawKey(context, start, ring.outer - ring.depth - 10, ring.outer + 6, line);
  const stops = walk
    .map(({ seat, taken }) => ({ seat, taken, after: distance(ring.bands[0].runs, slot, seat, ring.slots) }))
    .filter(({ after }) => after !== null);
  const angles = stops.map(({ after }) => start + (TURN * after) / ring.slots);
  context.beginPath();
  context.arc(0, 0, ring.outer + 6, start, angles.at(-1) ?? start);
  context.setLineDash([2, 3]);
  context.stroke();
  context.setLineDash([]);
  context.textAlign = "center";
  context.textBaseline = "middle";
  let last = -Infinity;
  stops.forEach(({ seat, taken }, index) => {
    // Side by side where they would overlap.
    last = Math.max(angles[index], last + (2 * SIZE + 1) / (ring.outer + AWAY));
    const [x, y] = [Math.cos(last) * (ring.outer + AWAY), Math.sin(last) * (ring.outer + AWAY)];
    dot(context, x, y, SIZE + 1, card);
    dot(context, x, y, SIZE, taken ? color(seat) : card);
    context.strokeStyle = taken ? line : color(seat);
    context.stroke();
    context.fillStyle = taken ? ink(seat) : line;
    context.font = `600 ${[0, 10, 10, 8, 6][String(seat).length] ?? 5}px ${ring.style.fontFamily}`;
    context.fillText(seat, x, y + 0.5);
  });
}

/** A pin from inside the ring through the slot. */
function drawKey(context, angle, from, to, line) {
  const [x, y] = [Math.cos(angle), Math.sin(angle)];
  context.strokeStyle = line;
  context.lineWidth = 2;
  context.beginPath();
  context.moveTo(from * x, from * y);
  context.lineTo(to * x, to * y);
  context.stroke();
  dot(context, from * x, from * y, 4, line);
}

function dot(context, x, y, size, fill) {
  context.beginPath();
  context.arc(x, y, size, 0, TURN);
  context.fillStyle = fill;
  context.fill();
}
