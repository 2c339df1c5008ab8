// The registry: types, instances and their health, and which of them would be chosen, and why.

import { call, every, follow } from "./api.js";
import { action, ago, badge, facts, h, link, put, say, section, sure, table } from "./dom.js";
import { field, form, valueOf } from "./form.js";

const BALANCERS = ["", "RR", "RND", "WRR", "WRND", "LL", "HASH"];
const TOGETHER = 500; // milliseconds within which changes are drawn at once

// Refreshes upon each change of the feed.
function live(view, refresh, type = null) {
  let due = null;
  const tell = () => {
    due ??= setTimeout(() => {
      due = null;
      if (!view.signal.aborted) refresh().catch(() => {});
    }, TOGETHER);
  };
  const path = `/registry/changes${type ? `?type=${encodeURIComponent(type)}` : ""}`;
  follow(path, tell, view.signal).catch(() => {});
}

const address = (each) => `${each.proto}://${each.host.includes(":") ? `[${each.host}]` : each.host}:${each.port}`;

export async function registry(page, view) {
  const list = h("div");
  page.append(h("h1", { tabindex: "-1" }, "Registry"),
    h("p", { class: "lead" }, "What is deployed is registered here by itself, and so is what registers itself. It is shown as it changes."), list);
  const load = () => every("/registry/service", "services", { signal: view.signal });
  live(view, await view.watch(list, load, types, 0));
}

function types(found) {
  const names = [...new Set(found.map((each) => each.type))].sort();
  names.more = found.more;
  const of = (type) => found.filter((each) => each.type === type);
  return table({
    caption: "Service types",
    rows: names,
    empty: [h("p", {}, "Nothing is registered."), h("p", {}, link("#/deploy", "Deploy a service"), ", or register one that runs elsewhere: ", h("code", {}, "gateway registry register TYPE HOST PORT"))],
    columns: [
      { label: "Type", of: (type) => link(`#/registry/${type}`, type, { id: `type-${type}` }), head: true },
      { label: "Instances", of: (type) => String(of(type).length) },
      { label: "Health", of: (type) => counted(of(type)) },
      { label: "Versions", of: (type) => [...new Set(of(type).map((each) => each.version))].filter(Boolean).join(", ") },
    ],
  });
}

function counted(instances) {
  const statuses = ["passing", "warning", "critical", "maintenance"];
  const count = (status) => instances.filter((each) => each.status === status).length;
  return statuses.filter(count).map((status) => h("span", { class: "counted" }, badge(status), ` ${count(status)} `));
}

export async function type(page, view, name) {
  const list = h("div");
  const path = `/registry/service/types/${encodeURIComponent(name)}`;
  page.append(h("p", { class: "back" }, link("#/registry", "All types")), h("h1", { tabindex: "-1" }, name), list,
    section("Which one would be chosen", best(path)));
  const load = () => every(`/registry/service?type=${encodeURIComponent(name)}`, "services", { signal: view.signal });
  const refresh = await view.watch(list, load, (found) => instances(found, () => refresh()), 0);
  live(view, refresh, name);
}

function instances(found, refresh) {
  return table({
    caption: "Instances",
    rows: found,
    empty: "No instance of this type is registered any more.",
    columns: [
      { label: "Name", of: (each) => link(`#/instances/${each.name}`, each.name, { id: `instance-${each.name}` }), head: true },
      { label: "Status", of: (each) => [badge(each.status), h("p", { class: "small" }, each.reason || each.output)] },
      { label: "Address", of: (each) => h("code", {}, address(each)) },
      { label: "Weight", of: (each) => String(each.weight) },
      { label: "Version", of: (each) => each.version || null },
      { label: "Since", of: (each) => ago(each.since) },
      { label: "Actions", of: (each) => maintenance(each, refresh) },
    ],
  });
}

function maintenance(each, refresh) {
  const enabled = each.status !== "maintenance";
  const turn = async () => {
    const body = enabled ? { enabled, reason: "by the page" } : { enabled };
    await call("PUT", `/registry/service/${each.name}/maintenance`, { body });
    say(enabled ? `${each.name} is in maintenance: nobody is sent to it.` : `${each.name} is back.`);
    await refresh();
  };
  const label = enabled ? "Take out" : "Let in";
  return action(label, turn, { id: `maintenance-${each.name}`, "aria-label": `${label} ${each.name}`, title: enabled ? "Maintenance: nobody is sent to it" : "End its maintenance" });
}

// Asks for the best, with the registry's reasons.
function best(path) {
  const shown = h("div", { id: "verdicts" });
  const send = async (made) => {
    const query = new URLSearchParams({ explain: "true" });
    for (const name of ["version", "tag", "balancer", "key"]) {
      const value = valueOf(made, name);
      if (value) query.set(name, value);
    }
    put(shown);
    try {
      const answer = await call("GET", `${path}/best?${query}`);
      put(shown, h("p", { class: "note" }, "The best now: ", link(`#/instances/${answer.name}`, answer.name), " at ", h("code", {}, address(answer))), verdicts(answer.explanation));
      say(`${answer.name} would be chosen.`);
    } catch (error) {
      if (error.body?.explanation) put(shown, verdicts(error.body.explanation));
      throw error;
    }
  };
  const options = BALANCERS.map((value) => ({ value, text: value || "the registry's own" }));
  return h("div", { class: "card" }, form("Ask for the best", send, h("div", { class: "pair" },
    field("Version", "version", { help: "Such as 1.2.0, or ~1.2 for all 1.2.x. Empty: any." }),
    field("Tag", "tag", { help: "Empty: any." }),
    field("Balancer", "balancer", { kind: "select", options }),
    field("Key", "key", { help: "For HASH: the same key, the same instance." }))), shown);
}

function verdicts(explanation) {
  return table({
    caption: "Why",
    rows: explanation,
    columns: [
      { label: "Instance", of: (each) => each.instance, head: true },
      { label: "Chosen", of: (each) => (each.won ? h("strong", {}, "yes") : "no") },
      { label: "Status", of: (each) => badge(each.status) },
      { label: "Weight", of: (each) => String(each.weight) },
      { label: "Why", of: (each) => each.why },
    ],
  });
}

export async function instance(page, view, name) {
  const path = `/registry/service/${encodeURIComponent(name)}`;
  const top = h("div");
  const load = async () => {
    const [found, seen] = await Promise.all([call("GET", path, { signal: view.signal }), call("GET", `${path}/readings`, { signal: view.signal })]);
    return { found, seen };
  };
  const refresh = await view.watch(top, load, (loaded) => one(loaded, view, path, () => refresh()));
  const type = name.replace(/-\d+$/, "");
  page.append(h("p", { class: "back" }, link(`#/registry/${type}`, `All of ${type}`)), h("h1", { tabindex: "-1" }, name), top);
}

function one({ found, seen }, view, path, refresh) {
  const remove = async () => {
    if (!(await sure(`Remove ${found.name}?`, "Nobody finds it any more; it runs on.", "Remove"))) return;
    await view.last(() => call("DELETE", path));
    view.go(`#/registry/${found.type}`);
  };
  return [
    h("p", { class: "state" }, badge(found.status), " since ", ago(found.since), found.held && " · held: too many fail together"),
    facts({
      Address: h("code", {}, address(found)),
      Version: found.version,
      Weight: String(found.weight),
      Tags: found.tags.join(", "),
      Routes: found.routes.join(", "),
      "Last check": found.output,
      "In maintenance": found.reason,
      "Checked by": `${seen.check.kind}, each ${seen.check.interval} s`,
      Deployment: found.deployment && link(`#/deployments/${found.deployment}`, found.deployment),
    }),
    h("div", { class: "buttons" }, maintenance(found, refresh), !found.deployment && action("Remove", remove, { id: "remove", class: "danger" })),
    section("Last readings", table({
      caption: "Readings of its check",
      under: true,
      rows: seen.readings,
      empty: "It was not checked yet.",
      columns: [
        { label: "When", of: (each) => ago(each.at), head: true },
        { label: "Well", of: (each) => badge(each.ok ? "passing" : "critical") },
        { label: "Took", of: (each) => `${(each.latency * 1000).toFixed(1)} ms` },
        { label: "What was seen", of: (each) => each.output },
      ],
    })),
  ];
}
