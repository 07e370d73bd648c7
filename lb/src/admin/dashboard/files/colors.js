// A seat's colour depends on its number only: a replacement keeps it.

/** Okabe and Ito's palette for colour-blind readers, for both themes. */
const BASE = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#8c8c8c"];

/** Further seats: hues far from the previous ones. */
const GOLDEN_ANGLE = 137.508;
const LIGHTNESS = [0.42, 0.6, 0.74];

export function color(seat) {
  return seat <= BASE.length ? BASE[seat - 1] : hex(...golden(seat - BASE.length));
}

/** 0: none; 1: falling lines; 2: rising lines. */
export const hatch = (seat) => Math.floor((seat - 1) / BASE.length) % 3;

/** The channels of a colour like #0072b2. */
export const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

/** Black or white: readable on a seat's colour. */
export function ink(seat) {
  const [r, g, b] = rgb(color(seat)).map((channel) => (channel / 255) ** 2.2);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000" : "#fff";
}

const golden = (n) => [(n * GOLDEN_ANGLE) % 360, 0.6, LIGHTNESS[n % LIGHTNESS.length]];

function hex(hue, saturation, lightness) {
  const spread = saturation * Math.min(lightness, 1 - lightness);
  const channel = (n) => {
    const k = (n + hue / 30) % 12;
    const value = lightness - spread * Math.max(-1, Math.min(k - 3, 9 - k, 1));
    return Math.round(value * 255).toString(16).padStart(2, "0");
  };
  return `#${channel(0)}${channel(8)}${channel(4)}`;
}
