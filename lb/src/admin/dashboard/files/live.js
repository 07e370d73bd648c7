// Server-sent events with reconnects. EventSource hides status codes and unknown events.

import { Refused, stream } from "/dashboard/api.js";

/** In ms; the balancer sends at least every 15 s. */
const SILENCE = 40_000;
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 5_000;

/** Reads `path` for ever: `onEvent(name, data)` for each event, `sign()` for any bytes, `lost(why)` when the
 *  connection ends. */
export async function follow(path, { onEvent, sign, lost }) {
  let last = null;
  let pause = FIRST_PAUSE;
  for (;;) {
    const silent = new AbortController();
    let timer;
    const alive = () => {
      clearTimeout(timer);
      timer = setTimeout(() => silent.abort(), SILENCE);
    };
    try {
      alive();
      const reader = await stream(path, last === null ? {} : { "Last-Event-ID": last }, silent.signal);
      for await (const frame of frames(reader, () => (alive(), sign()))) {
        pause = FIRST_PAUSE;
        const event = parse(frame);
        last = event.id ?? last;
        if (event.data !== null) onEvent(event.name, event.data);
      }
      lost("The connection ended.");
    } catch (error) {
      lost(error instanceof Refused ? error.message : "The connection broke.");
    }
    clearTimeout(timer);
    await new Promise((resume) => setTimeout(resume, pause));
    pause = Math.min(2 * pause, LONGEST_PAUSE);
  }
}

async function* frames(reader, sign) {
  let buffer = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    sign();
    const whole = (buffer + value).split("\n\n");
    buffer = whole.pop();
    yield* whole;
  }
}

function parse(frame) {
  const event = { id: null, name: "message", data: null };
  const data = [];
  for (const line of frame.split("\n")) {
    const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line);
    if (field === "id") event.id = value;
    else if (field === "event") event.name = value;
    else if (field === "data") data.push(value);
  }
  if (data.length > 0) event.data = JSON.parse(data.join("\n"));
  return event;
}
