// The broker's services: databases of the project's own, what there is to be had, and their logins.

import { call, every } from "./api.js";
import { action, ago, badge, facts, h, link, put, say, section, sure, table } from "./dom.js";
import { field, form, secretly, valueOf } from "./form.js";

// What was made on one page and is to be shown on the next, once.
let fresh = null;

export async function services(page, view) {
  const list = h("div");
  page.append(h("h1", { tabindex: "-1" }, "Services"),
    h("p", { class: "lead" }, "Databases and more that admins offer; a deployment uses them by name."), list);
  await view.watch(list, () => every("/v1/services", "services", { signal: view.signal }), drawn);
  const offers = offered(await every("/v1/providers", "providers", { signal: view.signal }));
  page.append(section("Have one made", catalogue(offers), offers.length > 0 && h("div", { class: "card" }, create(view, offers))));
}

function drawn(found) {
  return table({
    caption: "Services",
    under: true,
    rows: found,
    empty: "The project has none yet. What there is to be had stands below.",
    columns: [
      { label: "Name", of: (each) => link(`#/services/${each.name}`, each.name, { id: `service-${each.name}` }), head: true },
      { label: "Status", of: (each) => [badge(each.status), each.fault && h("p", { class: "small" }, each.fault.message)] },
      { label: "Type", of: (each) => each.type },
      { label: "Plan", of: (each) => each.plan },
      { label: "Provider", of: (each) => each.provider },
      { label: "Made", of: (each) => ago(each.created_at) },
    ],
  });
}

// {type, plan, provider, offer, health}, one for each plan.
function offered(providers) {
  return providers.flatMap((provider) => Object.entries(provider.offers).flatMap(([type, plans]) =>
    Object.entries(plans).map(([plan, offer]) => ({ type, plan, provider: provider.name, offer, health: provider.health }))));
}

function catalogue(offers) {
  const limits = ({ connections, statement_timeout: timeout }) =>
    [connections && `${connections} connections`, timeout && `statements of ${timeout} s`].filter(Boolean).join(", ");
  return table({
    caption: "Catalogue",
    rows: offers,
    empty: "Nothing is offered: an admin attaches providers, with “gateway provider create”.",
    columns: [
      { label: "Type", of: (each) => each.type, head: true },
      { label: "Plan", of: (each) => each.plan },
      { label: "Provider", of: (each) => each.provider },
      { label: "Health", of: (each) => each.health && badge(each.health.status) },
      { label: "What it is", of: (each) => [each.offer.description, limits(each.offer)].filter(Boolean).join(" · ") || null },
    ],
  });
}

function create(view, offers) {
  const options = offers.map((each, number) => ({ value: String(number), text: `${each.type}, ${each.plan}, of ${each.provider}` }));
  const send = async (made) => {
    const { type, plan, provider } = offers[Number(valueOf(made, "service.plan"))];
    const name = valueOf(made, "service.name");
    const answer = await call("POST", "/v1/services", { body: { service: { type, plan, provider, ...(name && { name }) } } });
    fresh = answer.service;
    view.go(`#/services/${answer.service.name}`);
  };
  return form("Have it made", send,
    field("Plan", "service.plan", { kind: "select", options }),
    field("Name", "service.name", { help: "a-z, 0-9 and -. Left empty: one is made up." }));
}

export async function service(page, view, name) {
  const path = `/v1/services/${encodeURIComponent(name)}`;
  const top = h("div");
  const list = h("div");
  const credentials = h("div", { id: "credentials" });
  const show = (found, what) => put(credentials, secrets(found, what));
  const refresh = await view.watch(top, async () => without(await call("GET", path, { signal: view.signal })), (found) => head(found, path, view, show));
  const refreshLogins = await view.watch(list, () => every(`${path}/bindings`, "bindings", { signal: view.signal }),
    (found) => logins(found, path, show, () => refreshLogins()));
  const add = async () => {
    const { binding } = await call("POST", `${path}/bindings`, { body: {} });
    show(binding.credentials, `login ${binding.id}`);
    await refreshLogins();
  };
  const rotate = async () => {
    if (!(await sure(`New credentials for ${name}?`, "Those that there are work no more; deployments that bind it get the new ones.", "Rotate"))) return;
    const answer = await call("POST", `${path}/rotate`, { body: {} });
    show(answer.service.credentials, name);
    await Promise.all([refresh(), refreshLogins()]);
  };
  page.append(h("p", { class: "back" }, link("#/services", "All services")), h("h1", { tabindex: "-1" }, name), top, credentials,
    section("Logins", list, h("div", { class: "buttons" }, action("Bind: another login", add, { id: "bind" }), action("Rotate", rotate, { id: "rotate" }))));
  if (fresh?.name === name && fresh.credentials) show(fresh.credentials, name);
  fresh = null;
}

// Credentials are shown when asked for, not drawn with the rest.
function without({ service: { credentials, ...rest } }) {
  return { ...rest, shows: Boolean(credentials) };
}

function head(found, path, view, show) {
  const reveal = async () => show((await call("GET", path)).service.credentials, found.name);
  const remove = async () => {
    if (!(await sure(`Delete ${found.name}?`, "What is in it is gone then.", "Delete"))) return;
    await view.last(() => call("DELETE", path));
    say(`${found.name} is deleted.`);
    view.go("#/services");
  };
  return [
    h("p", { class: "state" }, badge(found.status), " made ", ago(found.created_at)),
    found.fault && h("div", { class: "problem" }, h("p", {}, found.fault.message), h("p", { class: "small" }, found.fault.code)),
    facts({
      Type: found.type,
      Plan: found.plan,
      Provider: found.provider,
      Size: found.size === null ? null : `${(found.size / 1024 ** 2).toFixed(1)} MiB`,
      "Used by": found.deployments?.map((each) => each.service ?? each.id).join(", "),
    }),
    h("div", { class: "buttons" },
      found.shows && action("Show its credentials", reveal, { id: "show" }),
      action("Delete", remove, { id: "delete", class: "danger" })),
  ];
}

function secrets(credentials, what) {
  if (!credentials) return h("p", { class: "note" }, "There are no credentials yet: it is still being made.");
  say(`The credentials of ${what} are shown.`);
  const hide = () => document.getElementById("credentials").replaceChildren();
  return section("Credentials", h("div", { class: "card" },
    h("p", {}, `Of ${what}. They are shown until you leave this page, and nowhere else on it.`),
    facts(Object.fromEntries(Object.entries(credentials).map(([name, value]) => [name, secretly(name, String(value))]))),
    h("button", { type: "button", onclick: hide }, "Hide them")));
}

function logins(found, path, show, refresh) {
  const reveal = async (each) => show((await call("GET", `${path}/bindings/${each.id}`)).binding.credentials, `login ${each.id}`);
  const remove = async (each) => {
    if (!(await sure(`Delete login ${each.id}?`, "Who uses it is thrown out.", "Delete"))) return;
    await call("DELETE", `${path}/bindings/${each.id}`);
    await refresh();
  };
  return table({
    caption: "Logins",
    under: true,
    rows: found,
    empty: "It has no login: bind one.",
    columns: [
      { label: "Login", of: (each) => h("code", {}, each.id), head: true },
      { label: "Status", of: (each) => badge(each.status) },
      { label: "Made", of: (each) => ago(each.created_at) },
      { label: "Actions", of: (each) => h("div", { class: "buttons" },
        action("Show", () => reveal(each), { id: `show-${each.id}`, "aria-label": `Show the credentials of login ${each.id}` }),
        action("Delete", () => remove(each), { id: `unbind-${each.id}`, class: "danger", "aria-label": `Delete login ${each.id}` })) },
    ],
  });
}
