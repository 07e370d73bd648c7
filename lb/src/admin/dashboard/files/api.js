// Requests to the admin API.

/** A failed request; `message` is for people. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** GET; returns the JSON. */
export const get = (path) => call(path, { headers: { accept: "application/json" } });

/** A change or a plan. */
export const change = (method, path, body) =>
  call(path, {
    method,
    // A cross-site form cannot send this.
    headers: { "content-type": "application/json", "X-LB-Admin": "1" },
    body: JSON.stringify(body ?? {}),
  });

/** A reader of the text of a path; `signal` aborts it. */
export async function stream(path, headers, signal) {
  const answer = await reach(path, { headers, signal });
  if (!answer.ok) throw await refusal(answer);
  return answer.body.pipeThrough(new TextDecoderStream()).getReader();
}

async function call(path, init) {
  const answer = await reach(path, init);
  if (!answer.ok) throw await refusal(answer);
  return answer.json();
}

async function reach(path, init) {
  let answer;
  try {
    answer = await fetch(path, { cache: "no-store", ...init });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, "The balancer does not answer.");
  }
  if (answer.status === 401) {
    location.assign("/login");
    throw new Refused(401, "Log in first.");
  }
  return answer;
}

async function refusal(answer) {
  const body = await answer.json().catch(() => ({}));
  const message = typeof body.message === "string" ? body.message.replace(/^<Error> /, "") : "";
  return new Refused(answer.status, message || `The balancer answered ${answer.status}.`);
}
