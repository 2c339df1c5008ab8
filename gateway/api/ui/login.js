// The form to log in. The password goes to the gateway, which asks Keystone, and is kept by nobody.

import { call } from "./api.js";
import { h } from "./dom.js";
import { field, form, valueOf } from "./form.js";

// start(session) goes on from there; why: what is said first.
export function login(start, why) {
  const projects = h("div");
  const send = async (made) => {
    const wanted = {};
    for (const name of ["username", "password", "domain", "project"]) {
      const value = name === "password" ? made.elements["session.password"].value : valueOf(made, `session.${name}`);
      if (value) wanted[name] = value;
    }
    const answer = await call("POST", "/v1/session", { body: { session: wanted } });
    if (answer.session) return start(answer.session);
    return choose(projects, answer.projects);
  };
  return h("div", { class: "view narrow" },
    h("h1", { tabindex: "-1" }, "Log in"),
    h("p", { class: "lead" }, "With your user of OpenStack: the gateway asks Keystone, and keeps no password."),
    why && h("p", { class: "note", role: "status" }, why),
    h("div", { class: "card" }, form("Log in", send,
      field("User name", "session.username", { autocomplete: "username" }),
      field("Password", "session.password", { type: "password", autocomplete: "current-password" }),
      field("Domain", "session.domain", { value: "Default", help: "Of your user. Mostly: Default." }),
      projects,
      field("Project", "session.project", { help: "Its name or id. Left empty: the only one you have, or you are asked." }))));
}

// In place of the field to type one.
function choose(place, projects) {
  const made = place.closest("form");
  const typed = made.querySelector("[data-place='session.project']").closest(".field");
  const options = projects.map((each) => ({ value: each.id, text: each.name }));
  const chosen = field("Project", "session.project", { kind: "select", options, help: "You have roles in several: choose one." });
  typed.replaceWith(chosen);
  chosen.querySelector("select").focus();
}
