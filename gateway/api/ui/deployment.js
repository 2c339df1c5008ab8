// One deployment as it goes: its steps, what they print, where it runs, and what can be done with it.

import { ApiError, call, follow } from "./api.js";
import { action, ago, badge, clock, h, link, problem, put, say, section, sure, table, took } from "./dom.js";

const UNFINISHED = ["pending", "running", "finishing", "reverting", "deleting"];
const MOST_LINES = 2000;
const TOGETHER = 150; // milliseconds within which changes are drawn at once

export async function deployment(page, view, id) {
  const path = `/v1/deployments/${encodeURIComponent(id)}`;
  const title = h("h1", { tabindex: "-1" }, "Deployment");
  const parts = { head: h("div"), wish: h("div"), buttons: h("div"), steps: h("div"), more: h("div") };
  const lines = h("ol");
  const log = h("div", { class: "log", role: "log", "aria-label": "Log", tabindex: "0" }, lines);
  const load = async () => {
    try {
      return (await call("GET", path, { signal: view.signal })).deployment;
    } catch (error) {
      if (error instanceof ApiError && error.status === 404 && title.dataset.known) return null;
      throw error;
    }
  };
  let refresh;
  const draw = (found) => {
    if (!found) return gone(page, title);
    title.dataset.known = "yes";
    title.textContent = `${found.service} ${found.version}`;
    put(parts.head, head(found));
    if (title.dataset.release !== String(found.release)) put(parts.wish, wish(found)); // else it stays open
    title.dataset.release = found.release;
    put(parts.buttons, buttons(found, path, () => refresh()));
    put(parts.steps, steps(found));
    put(parts.more, instances(found), releases(found, path, () => refresh()));
    if (UNFINISHED.includes(found.status)) followed.begin();
    return [];
  };
  const followed = following(path, lines, view, () => refresh?.());
  refresh = await view.watch(h("div"), load, draw);
  page.append(h("p", { class: "back" }, link("#/deployments", "All deployments")), title, parts.head, parts.wish, parts.buttons,
    section("Steps", parts.steps), section("Log", log), parts.more, section("What the service prints", journal(path, view)));
  followed.begin();
}

function gone(page, title) {
  const name = title.textContent;
  page.replaceChildren(h("h1", { tabindex: "-1" }, `${name} is gone`),
    h("p", {}, "Nothing is left of it on any server. ", link("#/deployments", "All deployments")));
  say(`${name} is gone.`);
}

function head(found) {
  return [
    h("p", { class: "state" }, badge(found.status), " release ", String(found.release), " · ", String(found.replicas),
      found.replicas === 1 ? " server" : " servers", " · made ", ago(found.created_at)),
    found.fault && h("div", { class: "problem" },
      h("p", {}, found.fault.message),
      h("p", { class: "small" }, found.fault.code, found.fault.step && ` · at ${found.fault.step}`, " · request id ", h("code", {}, found.request_id))),
  ];
}

function wish(found) {
  return h("details", {}, h("summary", {}, "What was asked for"),
    h("pre", { tabindex: "0" }, JSON.stringify(found.spec, null, 2)));
}

function buttons(found, path, refresh) {
  const cancel = async () => {
    await call("POST", `${path}/cancel`, { body: {} });
    await refresh();
  };
  const remove = async () => {
    if (!(await sure(`Delete ${found.service}?`, "It is stopped, and the servers that were booted for it are deleted.", "Delete"))) return;
    await call("DELETE", path);
    await refresh();
  };
  return h("div", { class: "buttons" },
    ["pending", "running"].includes(found.status) && action("Cancel", cancel, { id: "cancel" }),
    found.status !== "deleting" && action("Delete", remove, { id: "delete", class: "danger" }));
}

function steps(found) {
  return table({
    caption: "Steps",
    under: true,
    rows: found.steps,
    empty: "No step has begun.",
    columns: [
      { label: "Step", of: (step) => step.name.replaceAll("_", " "), head: true },
      { label: "Server", of: (step) => (step.target === null ? null : `#${step.target}`) },
      { label: "State", of: (step) => badge(step.state) },
      { label: "Took", of: (step) => step.finished_at && took(step.started_at, step.finished_at) },
      { label: "What it did", of: (step) => step.detail },
    ],
  });
}

function instances(found) {
  return section("Where it runs", table({
    caption: "Instances",
    rows: found.instances,
    columns: [
      { label: "Instance", of: (each) => (each.instance ? link(`#/instances/${each.instance}`, each.instance) : `#${each.number ?? ""}`), head: true },
      { label: "Address", of: (each) => each.url && h("a", { href: each.url, rel: "noreferrer" }, each.url) },
      { label: "Server", of: (each) => each.server_id && h("code", { class: "id" }, each.server_id) },
      { label: "Host key", of: (each) => each.trust?.replaceAll("_", " ") },
    ],
  }));
}

function releases(found, path, refresh) {
  const back = async (release) => {
    await call("POST", `${path}/rollback`, { body: { release: release.number } });
    say(`Going back to ${release.version}.`);
    await refresh();
  };
  const settled = !UNFINISHED.includes(found.status);
  return section("Releases", table({
    caption: "Releases",
    under: true,
    rows: found.releases,
    columns: [
      { label: "Release", of: (each) => String(each.number), head: true },
      { label: "Version", of: (each) => each.version },
      { label: "State", of: (each) => badge(each.state) },
      { label: "Made", of: (each) => ago(each.created_at) },
      { label: "Actions", of: (each) => each.state === "old" && settled
        ? action("Go back to it", () => back(each), { id: `back-${each.number}`, "aria-label": `Go back to release ${each.number}` }) : null },
    ],
  }));
}

// The log, line by line as it is written; what happens to steps has them drawn anew.
function following(path, lines, view, changed) {
  let last = 0;
  let goes = false;
  let due = null;
  const soon = () => {
    due ??= setTimeout(() => {
      due = null;
      if (!view.signal.aborted) changed();
    }, TOGETHER);
  };
  const tell = (name, data, id) => {
    last = Number(id ?? last);
    if (name === "log") add(lines, data);
    else soon();
    if (name === "step" && data.state !== "pending") say(`${data.step.replaceAll("_", " ")}: ${data.state}`);
    if (name === "end") say(`The deployment has ended: ${data.status.replaceAll("_", " ")}.`);
  };
  const begin = async () => {
    if (goes) return;
    goes = true;
    try {
      await follow(`${path}/log?follow=true&marker=${last}`, tell, view.signal);
    } catch (error) {
      if (error.status !== 404) lines.append(h("li", {}, problem(error)));
    }
    goes = false;
  };
  return { begin };
}

function add(lines, { at, step, target, text }) {
  const log = lines.parentElement;
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  const place = target === null ? step : `${step} #${target}`;
  lines.append(h("li", {}, h("time", { datetime: at }, clock(at)), h("span", { class: "place" }, place ?? ""), h("span", {}, text)));
  while (lines.childElementCount > MOST_LINES) lines.firstElementChild.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

function journal(path, view) {
  const lines = h("div");
  const read = async () => {
    const found = (await call("GET", `${path}/journal?lines=100`, { signal: view.signal })).journal;
    put(lines, found.length
      ? h("div", { class: "log", role: "group", tabindex: "0", "aria-label": "Journal" }, h("ol", {}, found.map((line) => h("li", {}, h("time", { datetime: line.at }, clock(line.at)), h("span", {}, line.text)))))
      : h("div", { class: "empty" }, "It has printed nothing yet."));
    say(`${found.length} lines are shown.`);
  };
  return [h("p", {}, action("Read its last 100 lines", read, { id: "journal" })), lines];
}
