// Everything on the page is made here, of elements and text: no HTML is ever parsed.

// h("p", {class: "note", onclick: …}, "text", element, null): null and false are left out.
export function h(tag, given = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((each) => each !== null && each !== undefined && each !== false));
  return node;
}

export const link = (href, text, given = {}) => h("a", { href, ...given }, text);

// To people who listen.
export function say(text) {
  document.getElementById("said").textContent = text;
}

// Puts nodes in place of what is in a container; who was on one of the old ones is on the new one of its id.
export function put(container, ...nodes) {
  const had = container.contains(document.activeElement) ? document.activeElement.id : "";
  container.replaceChildren(...nodes.flat(Infinity).filter(Boolean));
  if (had) document.getElementById(had)?.focus();
}

const GOOD = ["passing", "succeeded", "done", "active", "ready", "ACTIVE", "available"];
const BAD = ["critical", "failed", "ERROR", "unreachable"];
const WARN = ["warning", "reverting", "reverted", "rolled_back", "deleting", "maintenance", "SHUTOFF"];
const BUSY = ["running", "finishing", "creating", "updating", "BUILD", "deploying"];

function mood(status) {
  const moods = { good: GOOD, bad: BAD, warn: WARN, busy: BUSY };
  return Object.keys(moods).find((name) => moods[name].includes(status)) ?? "idle";
}

export const badge = (status) => h("span", { class: `badge ${mood(status)}` }, status.replaceAll("_", " "));

// columns: {label, of: row => text or node, head: true for the one that names the row}. under: a heading says
// the same as the caption, which is then for those who listen.
export function table({ caption, under, columns, rows, empty }) {
  if (!rows.length) return h("div", { class: "empty" }, empty ?? "There is nothing here yet.");
  const head = columns.map(({ label }) => h("th", { scope: "col", role: "columnheader" }, label));
  // the roles are those that they have anyway, but for narrow screens, where rows are laid out as cards
  const id = `table-${caption.toLowerCase().replaceAll(" ", "-")}`;
  return h("div", { class: "scroll", id, tabindex: "0", role: "group", "aria-label": caption },
    rows.more && h("p", { class: "note" }, `There are more: these are the first ${rows.length}.`),
    h("table", { role: "table" },
      h("caption", { class: under ? "unseen" : null }, caption),
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, head)),
      h("tbody", { role: "rowgroup" }, rows.map((row) => h("tr", { role: "row" }, columns.map((column) => cell(column, row))))),
    ));
}

function cell({ label, of, head }, row) {
  const value = of(row) || null;
  const given = { "data-label": label, class: value ? null : "none" };
  const content = h("div", {}, value ?? "–");
  if (head) return h("th", { scope: "row", role: "rowheader", ...given }, content);
  return h("td", { role: "cell", ...given }, content);
}

// Pairs of a name and a value, without those of no value.
export function facts(pairs) {
  const known = Object.entries(pairs).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return h("dl", { class: "facts" }, known.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

export function section(title, ...children) {
  const id = `of-${title.toLowerCase().replace(/[^a-z]+/g, "-")}`;
  return h("section", { "aria-labelledby": id }, h("h2", { id }, title), children);
}

const SECOND = 1000;

function age(iso) {
  const seconds = Math.max(0, Math.round((Date.now() - new Date(iso)) / SECOND));
  const steps = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const [size, unit] = steps.find(([size]) => seconds >= size) ?? [1, "s"];
  return `${Math.floor(seconds / size)} ${unit} ago`;
}

// "3 min ago", with the time itself for who points at it.
export function ago(iso) {
  return iso ? h("time", { class: "ago", datetime: iso, title: new Date(iso).toLocaleString() }, age(iso)) : null;
}

// All of these, as time goes by.
export function grow() {
  for (const time of document.querySelectorAll("time.ago")) time.textContent = age(time.dateTime);
}

export const clock = (iso) => new Date(iso).toLocaleTimeString([], { hour12: false });

export function took(begin, end) {
  if (!begin) return null;
  return `${((new Date(end ?? Date.now()) - new Date(begin)) / SECOND).toFixed(1)} s`;
}

// What went wrong, as the API says it; focused, so that it is heard and found.
export function problem(error) {
  const id = error.requestId;
  return h("div", { class: "problem", role: "alert", tabindex: "-1" },
    h("p", {}, error.message),
    (error.code || id) && h("p", { class: "small" }, error.code, id && [" · request id ", h("code", {}, id)]));
}

// A button whose call may fail: it is told beside it, and the button waits meanwhile.
export function action(label, act, given = {}) {
  const place = h("span", { class: "outcome" });
  const button = h("button", { type: "button", ...given, onclick: () => acted(button, place, act) }, label);
  return h("span", { class: "action" }, button, place);
}

async function acted(button, place, act) {
  if (button.getAttribute("aria-disabled")) return;
  button.setAttribute("aria-disabled", "true");
  place.replaceChildren();
  try {
    await act();
  } catch (error) {
    if (error.name !== "AbortError") place.replaceChildren(problem(error));
  }
  button.removeAttribute("aria-disabled");
}

// Asks before what cannot be undone. True for yes.
export function sure(title, text, yes) {
  const box = h("dialog", { class: "sure", "aria-labelledby": "sure-title", "aria-describedby": "sure-text" },
    h("h2", { id: "sure-title" }, title),
    h("p", { id: "sure-text" }, text),
    h("div", { class: "buttons" },
      h("button", { type: "button", autofocus: true, onclick: () => box.close("no") }, "Keep it"),
      h("button", { type: "button", class: "danger", onclick: () => box.close("yes") }, yes)));
  document.body.append(box);
  box.showModal();
  return new Promise((decided) => {
    box.addEventListener("close", () => {
      box.remove();
      decided(box.returnValue === "yes");
    });
  });
}
