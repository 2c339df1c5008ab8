// What a server is made of: the flavors, images and networks of the cloud.

import { call } from "./api.js";
import { badge, h, table } from "./dom.js";

const GIB = 1024 ** 3;
export const gib = (mib) => (mib >= 1024 ? `${+(mib / 1024).toFixed(1)} GiB` : `${mib} MiB`);
const size = (bytes) => (bytes === null ? null : bytes >= GIB ? `${(bytes / GIB).toFixed(1)} GiB` : `${Math.round(bytes / 1024 ** 2)} MiB`);
const code = (text) => h("code", { class: "id" }, text);

export async function launch(page, view) {
  page.append(h("h1", { tabindex: "-1" }, "Launch options"),
    h("p", { class: "lead" }, "What servers of yours can be made of."));
  const found = await call("GET", "/v1/launch-options", { signal: view.signal });
  page.append(
    table({
      caption: "Flavors",
      rows: found.flavors,
      empty: "The cloud offers no flavor to your project: ask its admin.",
      columns: [
        { label: "Name", of: (flavor) => flavor.name, head: true },
        { label: "VCPUs", of: (flavor) => String(flavor.vcpus) },
        { label: "Memory", of: (flavor) => gib(flavor.ram) },
        { label: "Disk", of: (flavor) => `${flavor.disk} GiB` },
        { label: "ID", of: (flavor) => code(flavor.id) },
      ],
    }),
    table({
      caption: "Images",
      rows: found.images,
      empty: "There is no image: upload one with “openstack image create”.",
      columns: [
        { label: "Name", of: (image) => image.name, head: true },
        { label: "Status", of: (image) => badge(image.status) },
        { label: "Size", of: (image) => size(image.size) },
        { label: "Needs", of: (image) => `${gib(image.min_ram)}, ${image.min_disk} GiB of disk` },
        { label: "Logs in as", of: (image) => image.login_user },
        { label: "ID", of: (image) => code(image.id) },
      ],
    }),
    table({
      caption: "Networks",
      rows: found.networks,
      empty: "There is no network: make one with “openstack network create”.",
      columns: [
        { label: "Name", of: (network) => network.name, head: true },
        { label: "Status", of: (network) => badge(network.status) },
        { label: "For", of: (network) => (network.external && !network.shared ? "floating IPs only" : "servers") },
        { label: "Subnets", of: (network) => network.subnets.map((subnet) => subnet.cidr).join(", ") },
        { label: "ID", of: (network) => code(network.id) },
      ],
    }));
}

// For forms: what there is, each with a text that says what it is.
export async function choices(view) {
  const found = await call("GET", "/v1/launch-options", { signal: view.signal });
  const option = (each, more) => ({ value: each.id, text: more ? `${each.name} (${more})` : each.name });
  return {
    flavors: found.flavors.map((each) => option(each, `${each.vcpus} VCPU, ${gib(each.ram)}, disk ${each.disk} GiB`)),
    images: found.images.map((each) => option(each, each.min_disk ? `needs ${gib(each.min_ram)}, disk ${each.min_disk} GiB` : "")),
    networks: found.networks.map((each) => option(each, each.external ? "external" : each.shared ? "shared" : "")),
    floating: found.networks.filter((each) => each.external).map((each) => option(each, "")),
  };
}
