// A ring of more runs than pixels: each column of pixels stacks the slots of its angle from inside to outside.

import { color, rgb } from "/dashboard/colors.js";

const TURN = 2 * Math.PI;

/** The background's part of the colour of faint slots, and of a vacant seat's. */
const FAINT = 0.85;
const VACANT = 0.6;

/** `bands` as in {@link Ring}, with the radii `r0` and `r1` in pixels; `card` is the colour behind. */
export function drawDense(context, bands, slots, card) {
  const size = context.canvas.width;
  const image = context.createImageData(size, size);
  const pixels = new Uint32Array(image.data.buffer);
  for (const band of bands) fill(pixels, size, band, slots, colorsOf(band, slots, card.match(/\d+/g).map(Number)));
  context.putImageData(image, 0, 0);
}

function fill(pixels, size, { r0, r1 }, slots, colors) {
  const half = size / 2;
  const columns = Math.ceil(TURN * r1);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const [dx, dy] = [x + 0.5 - half, y + 0.5 - half];
      const radius = Math.hypot(dx, dy);
      if (radius < r0 || radius >= r1) continue;
      // Clockwise from the top.
      const turn = (Math.atan2(dx, -dy) / TURN + 1) % 1;
      const column = Math.floor(turn * columns);
      const first = Math.floor((column * slots) / columns);
      const after = Math.max(first + 1, Math.floor(((column + 1) * slots) / columns));
      pixels[y * size + x] = colors[first + Math.floor(((radius - r0) / (r1 - r0)) * (after - first))];
    }
  }
}

/** Per slot its pixel: alpha, blue, green, red. */
function colorsOf({ runs, vacant }, slots, card) {
  const colors = new Uint32Array(slots);
  const known = new Map();
  for (const { seat, from, to, faint } of runs) {
    const through = faint ? FAINT : seat === null ? 1 : vacant.has(seat) ? VACANT : 0;
    const key = `${seat} ${through}`;
    if (!known.has(key)) known.set(key, pixel(seat === null ? card : rgb(color(seat)), card, through));
    colors.fill(known.get(key), from, to);
  }
  return colors;
}

function pixel(above, below, through) {
  const [r, g, b] = above.map((channel, at) => Math.round(channel * (1 - through) + below[at] * through));
  return (255 << 24) | (b << 16) | (g << 8) | r;
}
