// The gateway's API, as everybody calls it. The browser's cookie is the token; the header makes it believed.

const HEADER = { "X-Gateway-Page": "1" };
const COME_BACK = 1000; // milliseconds
const MOST = 2000;

export class ApiError extends Error {
  // status 0: there was no answer. field: the place in what was sent.
  constructor(status, { code = "", detail, field = null, request_id = null }, body = {}) {
    super(detail);
    Object.assign(this, { status, code, field, requestId: request_id, body });
  }
}

let onLoggedOut = () => {};

export function whenLoggedOut(callback) {
  onLoggedOut = callback;
}

async function ask(method, path, { body, type, headers, signal } = {}) {
  const sent = { ...HEADER, Accept: "application/json", ...headers };
  if (body !== undefined) sent["Content-Type"] = type ?? "application/json";
  try {
    return await fetch(path, {
      method,
      signal,
      headers: sent,
      body: body === undefined || type ? body : JSON.stringify(body),
      credentials: "same-origin",
      cache: "no-store",
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, { detail: "The gateway does not answer. Is it running?" });
  }
}

async function failure(answer) {
  let body = {};
  try {
    body = await answer.json();
  } catch {
    // a proxy's page, perhaps
  }
  const said = body.errors?.[0] ?? { detail: `The answer was ${answer.status} ${answer.statusText}.` };
  const error = new ApiError(answer.status, said, body);
  if (error.code === "gateway.auth.token") onLoggedOut();
  return error;
}

// The answer's JSON, null for none. Raises ApiError.
export async function call(method, path, options) {
  const answer = await ask(method, path, options);
  if (!answer.ok) throw await failure(answer);
  const text = await answer.text();
  return text ? JSON.parse(text) : null;
}

// The members of a list, page by page, as many as people can look at; ``more`` says that there are others.
export async function every(path, name, options) {
  const found = [];
  while (path) {
    if (found.length >= MOST) return Object.assign(found, { more: true });
    const page = await call("GET", path, options);
    found.push(...page[name]);
    const next = page[`${name}_links`]?.find((link) => link.rel === "next");
    const url = next && new URL(next.href, location.href);
    path = url ? url.pathname + url.search : null;
  }
  return found;
}

// Server-sent events until "end" or the signal: tell(name, data, id). Comes back by itself where it was cut off.
export async function follow(path, tell, signal) {
  let last = null;
  while (!signal.aborted) {
    try {
      const headers = { Accept: "text/event-stream", ...(last && { "Last-Event-ID": last }) };
      const answer = await ask("GET", path, { headers, signal });
      if (answer.status === 204) return;
      if (!answer.ok) throw await failure(answer);
      for await (const event of events(answer.body)) {
        if (event.id) last = event.id;
        if (event.data) tell(event.event ?? "message", JSON.parse(event.data), event.id);
        if (event.event === "end") return;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApiError && error.status >= 400 && error.status < 500) throw error;
    }
    await new Promise((done) => setTimeout(done, COME_BACK));
  }
}

async function* events(stream) {
  let rest = "";
  for await (const chunk of chunks(stream.pipeThrough(new TextDecoderStream()))) {
    const blocks = (rest + chunk).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      yield Object.fromEntries(block.split("\n").map((line) => split(line)));
    }
  }
}

async function* chunks(stream) {
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

function split(line) {
  const colon = line.indexOf(":");
  return [line.slice(0, colon), line.slice(colon + 1).trimStart()];
}
