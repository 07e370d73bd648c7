// Elements and formats of numbers. Text is never parsed as HTML.

export const $ = (id) => document.getElementById(id);

/** An element with properties (`on…` are listeners) and children, which are elements or text. */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "class") node.className = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

/** Sets a text if it differs: avoids a layout and a repeated announcement. */
export function text(node, value) {
  if (node.textContent !== value) node.textContent = value;
}

export function show(node, shown) {
  if (node.hidden === shown) node.hidden = !shown;
}

const known = (value) => value !== null && value !== undefined && Number.isFinite(value);
const formats = [0, 1, 2].map((digits) =>
  new Intl.NumberFormat("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }));
const rounded = (value, digits) => formats[digits].format(value);

export const count = (value) => (known(value) ? rounded(value, 0) : "–");
export const ratio = (value) => (known(value) ? rounded(value, 2) : "–");
export const percent = (value) => (known(value) ? `${rounded(value, value > 0 && value < 1 ? 2 : 1)} %` : "–");
export const rate = (value) => (known(value) ? rounded(value, value > 0 && value < 99.95 ? 1 : 0) : "–");

export function ms(value) {
  if (!known(value)) return "–";
  if (value >= 9999.5) return `${rounded(value / 1000, 1)} s`;
  return `${rounded(value, value < 9.95 ? (value < 0.995 ? 2 : 1) : 0)} ms`;
}

/** A duration in its two largest units. */
export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const first = units.findIndex(([size]) => whole >= size);
  if (first < 0) return "0 s";
  const [size, name] = units[first];
  const next = units[first + 1];
  const rest = next ? Math.floor((whole % size) / next[0]) : 0;
  return `${Math.floor(whole / size)} ${name}${rest ? ` ${rest} ${next[1]}` : ""}`;
}

export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

let hiding;

/** Shows a message for a moment. */
export function toast(message) {
  text($("toast"), message);
  show($("toast"), true);
  clearTimeout(hiding);
  hiding = setTimeout(() => show($("toast"), false), 6000);
}
