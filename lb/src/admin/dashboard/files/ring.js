// The ring on a canvas: slots clockwise from the top, by runs.

import { color, hatch, ink } from "/dashboard/colors.js";
import { drawDense } from "/dashboard/dense.js";
import { compare, runAt, runsOf } from "/dashboard/slots.js";
import { drawWalk } from "/dashboard/walk.js";

const TURN = 2 * Math.PI;
const TOP = -Math.PI / 2;
/** Margin; the default is for the marks of a walk. */
const MARGIN = 26;
/** Pixels from which a run has a gap beside it, and a number in it. */
const GAPPED = 5;
const LABELLED = 17;
const THINNEST = 1;

/** Beyond this, pixels are drawn. */
const DENSE = 4_000;

export class Ring {
  /** Calls `pointed(seat or null)` for the pointer and arrow keys. */
  constructor(canvas, pointed = () => {}, margin = MARGIN) {
    this.canvas = canvas;
    this.pointed = pointed;
    this.margin = margin;
    this.bands = [];
    this.slots = 0;
    this.vacant = new Set();
    this.highlit = null;
    this.markedWalk = null;
    this.picture = document.createElement("canvas");
    this.stale = true;
    this.pending = false;
    new ResizeObserver(() => this.redraw(true)).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw(true));
    canvas.addEventListener("pointermove", (event) => this.point(event));
    canvas.addEventListener("pointerdown", (event) => this.point(event));
    canvas.addEventListener("pointerleave", () => this.highlight(null));
    canvas.addEventListener("blur", () => this.highlight(null));
    canvas.addEventListener("keydown", (event) => this.step(event));
  }

  /** The slot map; the slots of `vacant` seats are drawn as a thin band. */
  set(owners, vacant) {
    this.bands = [{ runs: runsOf(owners), vacant, inner: 0, outer: 1 }];
    this.measure();
  }

  /** A change: before inside, after outside; unmoved slots are faint. */
  compare(before, after) {
    const parts = compare(before, after);
    const band = (side, inner, outer) => ({
      runs: parts.map((part) => ({
        seat: part[side], from: part.from, to: part.to, faint: part.before === part.after,
      })),
      vacant: new Set(), inner, outer,
    });
    this.bands = [band("before", 0, 0.46), band("after", 0.54, 1)];
    this.measure();
  }

  measure() {
    this.slots = this.bands[0].runs.at(-1)?.to ?? 0;
    const seats = new Set();
    for (const { runs } of this.bands) for (const { seat } of runs) if (seat !== null) seats.add(seat);
    this.seats = [...seats].sort((a, b) => a - b);
    this.redraw(true);
  }

  /** `{slot, walk: [{seat, taken}]}`: a key's slot and its seats in order, or null. */
  mark(markedWalk) {
    this.markedWalk = markedWalk;
    this.redraw();
  }

  /** Shows one seat's slots, and fades all others. */
  highlight(seat) {
    if (this.highlit === seat) return;
    this.highlit = seat;
    this.redraw();
    this.pointed(seat);
  }

  /** Draws with the next frame. */
  redraw(bands = false) {
    this.stale ||= bands;
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => {
      this.pending = false;
      this.draw();
    });
  }

  draw() {
    const { canvas, picture } = this;
    const size = canvas.clientWidth;
    if (size === 0 || this.slots === 0) return;
    const scale = devicePixelRatio || 1;
    const pixels = Math.round(size * scale);
    this.outer = size / 2 - this.margin;
    this.depth = Math.max(24, this.outer * 0.27);
    if (this.stale || picture.width !== pixels) {
      canvas.width = canvas.height = picture.width = picture.height = pixels;
      this.style = getComputedStyle(canvas);
      const context = this.context(picture, scale, size);
      for (const band of this.bands) this.place(band);
      if (this.bands[0].runs.length > DENSE) this.drawDense(context, scale);
      else for (const band of this.bands) this.drawBand(context, band, null);
      canvas.dataset.runs = this.bands[0].runs.length;
      canvas.dataset.slots = this.slots;
      canvas.dataset.seats = this.seats.length;
      canvas.dataset.inner = this.outer - this.depth;
      canvas.dataset.outer = this.outer;
      this.stale = false;
    }
    const context = canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, pixels, pixels);
    const lit = this.highlit !== null && this.seats.includes(this.highlit);
    context.globalAlpha = lit ? 0.22 : 1;
    context.drawImage(picture, 0, 0);
    context.globalAlpha = 1;
    this.context(canvas, scale, size);
    if (lit) for (const band of this.bands) this.drawBand(context, band, this.highlit);
    if (this.markedWalk) drawWalk(context, this);
    canvas.dataset.highlit = this.highlit ?? "";
    canvas.dataset.drawn = Number(canvas.dataset.drawn ?? 0) + 1;
  }

  context(canvas, scale, size) {
    const context = canvas.getContext("2d");
    context.setTransform(scale, 0, 0, scale, (size * scale) / 2, (size * scale) / 2);
    return context;
  }

  place(band) {
    const inside = this.outer - this.depth;
    band.r0 = inside + this.depth * band.inner;
    band.r1 = inside + this.depth * band.outer;
  }

  drawDense(context, scale) {
    const bands = this.bands.map((band) => ({ ...band, r0: band.r0 * scale, r1: band.r1 * scale }));
    drawDense(context, bands, this.slots, this.style.backgroundColor);
  }

  /** All seats, or `only` one. */
  drawBand(context, band, only) {
    const { r0, r1 } = band;
    const bySeat = new Map();
    for (const run of band.runs) {
      if (only !== null && run.seat !== only) continue;
      const key = run.faint ? -(run.seat ?? 0) : run.seat ?? 0;
      if (!bySeat.has(key)) bySeat.set(key, []);
      bySeat.get(key).push(run);
    }
    for (const runs of bySeat.values()) {
      const { seat, faint } = runs[0];
      const path = new Path2D();
      const thin = band.vacant.has(seat) ? (r1 - r0) * 0.32 : 0;
      for (const run of runs) this.addRun(path, run, r0 + thin, r1 - thin);
      context.globalAlpha = faint && only === null ? 0.2 : 1;
      context.fillStyle = seat === null ? this.style.borderTopColor : color(seat);
      context.fill(path);
      if (seat !== null && hatch(seat) > 0) this.fillHatch(context, path, seat);
      if (seat !== null && !faint) this.drawNumbers(context, runs, (r0 + r1) / 2, r1 - r0 - 2 * thin);
    }
    context.globalAlpha = 1;
  }

  angle(slot) {
    return TOP + (TURN * slot) / this.slots;
  }

  addRun(path, { from, to }, r0, r1) {
    const pixels = (TURN * r1 * (to - from)) / this.slots;
    // Thin runs are widened, so that they are visible without gaps.
    const gap = (pixels >= GAPPED ? 0.7 : Math.min(-0.2, (pixels - THINNEST) / 2)) / r1;
    const [start, end] = [this.angle(from) + gap, this.angle(to) - gap];
    path.moveTo(r0 * Math.cos(start), r0 * Math.sin(start));
    path.arc(0, 0, r1, start, end);
    path.arc(0, 0, r0, end, start, true);
    path.closePath();
  }

  fillHatch(context, path, seat) {
    const size = 8;
    const tile = document.createElement("canvas");
    tile.width = tile.height = size;
    const lines = tile.getContext("2d");
    lines.strokeStyle = ink(seat);
    lines.globalAlpha = 0.45;
    lines.lineWidth = 1.4;
    for (const offset of [-size, 0, size]) {
      if (hatch(seat) & 1) lines.moveTo(offset, 0), lines.lineTo(offset + size, size);
      if (hatch(seat) & 2) lines.moveTo(offset, size), lines.lineTo(offset + size, 0);
    }
    lines.stroke();
    context.fillStyle = context.createPattern(tile, "repeat");
    context.fill(path);
  }

  drawNumbers(context, runs, radius, depth) {
    if (depth < 11) return;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.font = `600 ${depth < 18 ? 9 : 11}px ${this.style.fontFamily}`;
    for (const { seat, from, to } of runs) {
      if ((TURN * radius * (to - from)) / this.slots < LABELLED) continue;
      const at = this.angle((from + to) / 2);
      const [x, y] = [radius * Math.cos(at), radius * Math.sin(at)];
      if (hatch(seat) > 0) {
        context.fillStyle = color(seat);
        context.beginPath();
        context.arc(x, y, 8, 0, TURN);
        context.fill();
      }
      context.fillStyle = ink(seat);
      context.fillText(seat, x, y);
    }
  }

  /** The run under the pointer, or null. */
  at(x, y) {
    const radius = Math.hypot(x, y);
    if (radius > this.outer || radius < this.outer - this.depth) return null;
    const slot = Math.floor((((Math.atan2(y, x) - TOP + TURN) % TURN) / TURN) * this.slots);
    const share = (radius - this.outer + this.depth) / this.depth;
    const runs = (this.bands.find((band) => share <= band.outer) ?? this.bands[0]).runs;
    return runAt(runs, slot);
  }

  point(event) {
    const half = this.canvas.clientWidth / 2;
    this.highlight(this.at(event.offsetX - half, event.offsetY - half)?.seat ?? null);
  }

  step(event) {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") this.highlight(null);
    if (!by || !this.seats?.length) return;
    event.preventDefault();
    const n = this.seats.length;
    const now = this.seats.indexOf(this.highlit);
    this.highlight(this.seats[now < 0 ? (by > 0 ? 0 : n - 1) : (now + by + n) % n]);
  }
}
