// The project's servers: what there is, one more, one less.

import { call, every } from "./api.js";
import { action, ago, badge, h, say, section, sure, table } from "./dom.js";
import { field, form, valueOf } from "./form.js";
import { choices } from "./launch.js";

export async function servers(page, view) {
  const list = h("div");
  page.append(h("h1", { tabindex: "-1" }, "Servers"),
    h("p", { class: "lead" }, "Those of the project, also of deployments and of others."), list);
  const refresh = await view.watch(list, () => every("/v1/servers", "servers", { signal: view.signal }), (found) => drawn(found, () => refresh()));
  page.append(section("Boot a server", h("div", { class: "card" }, await boot(view, () => refresh()))));
}

function drawn(found, refresh) {
  const remove = async (server) => {
    if (!(await sure(`Delete ${server.name}?`, "The server and what is on its disk are gone then.", "Delete"))) return;
    await call("DELETE", `/v1/servers/${server.id}`);
    say(`${server.name} is being deleted.`);
    await refresh();
  };
  return table({
    caption: "Servers",
    under: true,
    rows: found,
    empty: "The project has no server. Boot one below, or deploy a service, which boots its own.",
    columns: [
      { label: "Name", of: (server) => server.name, head: true },
      { label: "Status", of: (server) => [badge(server.status), server.fault && h("p", { class: "small" }, server.fault)] },
      { label: "Addresses", of: (server) => server.addresses.map((each) => h("div", {}, h("code", {}, each.address))) },
      { label: "Flavor", of: (server) => server.flavor.name },
      { label: "Image", of: (server) => server.image?.name },
      { label: "Made", of: (server) => ago(server.created_at) },
      { label: "Actions", of: (server) => action("Delete", () => remove(server), { id: `delete-${server.id}`, class: "danger", "aria-label": `Delete ${server.name}` }) },
    ],
  });
}

async function boot(view, refresh) {
  const { flavors, images, networks } = await choices(view);
  const send = async (made) => {
    const wanted = {};
    for (const name of ["name", "flavor", "image", "network", "key_name"]) {
      const value = valueOf(made, `server.${name}`);
      if (value) wanted[name] = value;
    }
    const answer = await call("POST", "/v1/servers", { body: { server: wanted } });
    say(`${answer.server.name} is being booted.`);
    made.reset();
    await refresh();
  };
  return form("Boot", send,
    h("div", { class: "pair" },
      field("Name", "server.name"),
      field("Flavor", "server.flavor", { kind: "select", options: flavors }),
      field("Image", "server.image", { kind: "select", options: images }),
      field("Network", "server.network", { kind: "select", options: networks }),
      field("Key pair", "server.key_name", { help: "Of yours in Nova, to log in by. May be left empty." })));
}
