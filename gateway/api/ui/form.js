// Forms whose mistakes the API finds: it names the field, and what it says is shown there.

import { ApiError } from "./api.js";
import { h, problem, say } from "./dom.js";

let count = 0;

// A labelled control. place: its field as the API names it; help: a line below; given: attributes.
export function field(label, place, { kind = "input", help, options, value = "", ...given } = {}) {
  const id = `field-${++count}`;
  const told = [help && `${id}-help`, `${id}-wrong`].filter(Boolean).join(" ");
  const all = { id, name: place, "data-place": place, "aria-describedby": told, ...given };
  const control = {
    input: () => h("input", { type: "text", autocomplete: "off", spellcheck: "false", value, ...all }),
    textarea: () => h("textarea", { rows: "3", spellcheck: "false", ...all }, value),
    select: () => h("select", all, options.map((each) => h("option", { value: each.value, selected: each.value === value }, each.text))),
  }[kind]();
  return h("div", { class: "field" },
    h("label", { for: id }, label),
    control,
    help && h("p", { class: "help", id: `${id}-help` }, help),
    h("p", { class: "wrong", id: `${id}-wrong` }));
}

// One of several, or some of them, as boxes. options: {value, text, help}
export function boxes(legend, place, type, options, { help, chosen = [], onchange } = {}) {
  const id = `field-${++count}`;
  return h("fieldset", { class: "boxes", "data-place": place, tabindex: "-1", "aria-describedby": `${id}-wrong` },
    h("legend", {}, legend),
    help && h("p", { class: "help" }, help),
    options.map((each, number) => h("div", { class: "box" },
      h("input", { type, id: `${id}-${number}`, name: place, value: each.value, checked: chosen.includes(each.value), onchange }),
      h("label", { for: `${id}-${number}` }, each.text))),
    h("p", { class: "wrong", id: `${id}-wrong` }));
}

export const valueOf = (form, place) => form.elements[place]?.value.trim() ?? "";
export const chosenOf = (form, place) => [...form.querySelectorAll(`input[name="${place}"]:checked`)].map((box) => box.value);

// send() does what the form is for, from what is in it; what it raises is shown at its field.
export function form(submit, send, ...children) {
  const place = h("div", { class: "outcome" });
  const button = h("button", { type: "submit", class: "main" }, submit);
  const made = h("form", { novalidate: true }, place, children, h("div", { class: "buttons" }, button));
  made.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.getAttribute("aria-disabled")) return;
    button.setAttribute("aria-disabled", "true");
    clear(made, place);
    try {
      await send(made);
    } catch (error) {
      if (error.name !== "AbortError") show(made, place, error);
    }
    button.removeAttribute("aria-disabled");
  });
  return made;
}

function clear(made, place) {
  place.replaceChildren();
  for (const wrong of made.querySelectorAll(".wrong")) wrong.textContent = "";
  for (const control of made.querySelectorAll("[aria-invalid]")) control.removeAttribute("aria-invalid");
}

function show(made, place, error) {
  const control = error instanceof ApiError ? meant(made, error) : null;
  if (!control || control.closest("[hidden]")) {
    const box = problem(error);
    place.replaceChildren(box);
    box.focus();
    return;
  }
  const wrong = control.closest(".field, fieldset").querySelector(".wrong");
  wrong.textContent = worded(error);
  const shown = control.closest("details");
  if (shown) shown.open = true;
  control.setAttribute("aria-invalid", "true");
  control.focus();
  say(`Not accepted: ${worded(error)}`);
}

// The control of a field, of what it is in, or of what is missing there: the schema says that of the whole.
function meant(made, error) {
  const missing = /'(\w+)' is a required property/.exec(error.message)?.[1];
  let place = [error.field, missing].filter(Boolean).join(".");
  while (place) {
    const control = made.querySelector(`[data-place="${CSS.escape(place)}"]`);
    if (control) return control;
    place = place.includes(".") ? place.slice(0, place.lastIndexOf(".")) : "";
  }
  return null;
}

function worded(error) {
  if (/is a required property/.test(error.message)) return "This is needed.";
  const text = error.message.replace(/^[\w.]+: /, "");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export function secretly(label, text) {
  const copied = h("span", { class: "small", role: "status" });
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    copied.textContent = "copied";
  };
  const able = navigator.clipboard && h("button", { type: "button", class: "small", "aria-label": `Copy ${label}`, onclick: copy }, "Copy");
  return h("span", { class: "secret" }, h("code", {}, text), able, copied);
}
