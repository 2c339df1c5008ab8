// Every deployment of the project, newest first.

import { every } from "./api.js";
import { ago, badge, h, link, table } from "./dom.js";

export async function deployments(page, view) {
  const list = h("div");
  page.append(
    h("div", { class: "title" }, h("h1", { tabindex: "-1" }, "Deployments"), link("#/deploy", "Deploy a service", { class: "button main" })),
    list);
  await view.watch(list, () => every("/v1/deployments", "deployments", { signal: view.signal }), drawn, 3);
}

function drawn(found) {
  return table({
    caption: "Deployments",
    under: true,
    rows: found,
    empty: [h("p", {}, "Nothing is deployed yet."), h("p", {}, link("#/deploy", "Deploy a service"), ": from a flavor, an image and a network to its address in one go.")],
    columns: [
      { label: "Service", of: (each) => link(`#/deployments/${each.id}`, each.service, { id: `deployment-${each.id}` }), head: true },
      { label: "Status", of: (each) => [badge(each.status), each.fault && h("p", { class: "small" }, each.fault.message)] },
      { label: "Version", of: (each) => each.version },
      { label: "Release", of: (each) => String(each.release) },
      { label: "Servers", of: (each) => String(each.replicas) },
      { label: "Made", of: (each) => ago(each.created_at) },
    ],
  });
}
