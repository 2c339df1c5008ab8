// A service onto servers, new or there already: the common case as a form, all of it as JSON.

import { call, every } from "./api.js";
import { h, put, say, section } from "./dom.js";
import { boxes, chosenOf, field, form, valueOf } from "./form.js";
import { choices } from "./launch.js";

const AT = "deployment";

export async function deploy(page, view) {
  const { signal } = view;
  const [offered, servers, services] = await Promise.all([
    choices(view),
    every("/v1/servers", "servers", { signal }),
    every("/v1/services", "services", { signal }),
  ]);
  const whole = h("div");
  const made = form("Deploy", async () => begin(view, await wish(made)), ...fields(offered, servers, services));
  page.append(h("h1", { tabindex: "-1" }, "Deploy a service"),
    h("p", { class: "lead" }, "A service that runs already gets its next release: batch by batch, and back by itself where that does not pass."),
    h("div", { class: "card" }, made),
    section("As JSON", h("p", {}, "Everything that service.yaml may say. “Write it from the form” is a start."),
      h("div", { class: "card" }, whole)));
  asJson(whole, view, made);
}

async function begin(view, deployment) {
  const answer = await call("POST", "/v1/deployments", { body: { deployment } });
  say(`${deployment.service} is being deployed.`);
  view.go(`#/deployments/${answer.deployment.id}`);
}

function fields(offered, servers, services) {
  const fresh = h("div", { class: "pair" },
    field("Flavor", `${AT}.server.flavor`, { kind: "select", options: offered.flavors, help: "One that is too small for the image is refused, and why." }),
    field("Image", `${AT}.server.image`, { kind: "select", options: offered.images }),
    field("Network", `${AT}.server.network`, { kind: "select", options: offered.networks }),
    field("Floating IPs from", `${AT}.server.floating_network`, { kind: "select", options: [{ value: "", text: "none" }, ...offered.floating] }),
    field("Servers", `${AT}.replicas`, { type: "number", min: "1", value: "1", help: "One instance on each." }),
    field("Key pair", `${AT}.server.key_name`, { help: "Of yours in Nova, that may log in as well. May be left empty." }));
  const usable = servers.filter((server) => server.status === "ACTIVE" || server.status === "BUILD");
  const there = h("div", { hidden: true }, usable.length
    ? boxes("On these", `${AT}.server.ids`, "checkbox", usable.map((server) => ({ value: server.id, text: server.name })), { help: "Servers that the gateway booted; for others write JSON, with a key." })
    : h("p", { class: "empty", "data-place": `${AT}.server.ids` }, "The project has no server that is active."));
  const choose = (event) => {
    fresh.hidden = event.target.value !== "new";
    there.hidden = !fresh.hidden;
  };
  const where = boxes("Where", "where", "radio", [{ value: "new", text: "New servers" }, { value: "there", text: "Servers that are there" }], { chosen: ["new"], onchange: choose });
  return [
    h("fieldset", { class: "group" }, h("legend", {}, "What"),
      h("div", { class: "pair" },
        field("Service", `${AT}.service`, { help: "Its name: a-z, 0-9 and -. It is registered as this type." }),
        field("Version", `${AT}.version`, { value: "1.0.0" }),
        field("Command", `${AT}.command`, { help: "What runs, in the service's folder, under systemd. $PORT is its port." }),
        field("Port", `${AT}.port`, { type: "number", min: "1", max: "65535", value: "8080" }),
        field("Health check", `${AT}.health.path`, { value: "/", help: "Well if GET of this path is answered 2xx." }),
        field("Artifact", `${AT}.artifact`, { type: "file", accept: ".tar.gz,.tgz,application/gzip", help: "A .tar.gz, unpacked into the service's folder. May be left out." })),
      h("details", {}, h("summary", {}, "A file, packages, environment, services it uses"),
        h("div", { class: "pair" },
          field("File", "file", { value: "index.html", help: "Written into the service's folder, with this content:" }),
          field("Its content", `${AT}.files`, { kind: "textarea", help: "Left empty: no file." }),
          field("Debian packages", `${AT}.packages`, { help: "To install, with spaces between." }),
          field("Setup", `${AT}.setup`, { kind: "textarea", help: "Shell, run once as root before it starts." }),
          field("Environment", `${AT}.env`, { kind: "textarea", help: "NAME=value, one a line." }),
          field("Secrets", `${AT}.secrets`, { kind: "textarea", help: "NAME=value likewise; encrypted at rest and never shown." })),
        services.length > 0 && boxes("Databases that it uses", `${AT}.bind`, "checkbox", services.map((each) => ({ value: each.name, text: `${each.name} (${each.type})` })), { help: "Their credentials are in its environment, as MYSQL_URL and so on." }))),
    where, fresh, there,
  ];
}

// What is in the form, as the API takes it; the artifact is uploaded, unless ``named`` in its place.
async function wish(made, named = null) {
  const text = (name) => valueOf(made, `${AT}.${name}`) || undefined;
  const file = text("files") && { [valueOf(made, "file")]: `${made.elements[`${AT}.files`].value}` };
  const isNew = chosenOf(made, "where")[0] === "new";
  const bound = chosenOf(made, `${AT}.bind`);
  const artifact = made.elements[`${AT}.artifact`].files[0];
  const wanted = {
    service: text("service"),
    version: text("version"),
    replicas: isNew ? whole(text("replicas")) : undefined,
    server: isNew ? newServers(made) : { ids: chosenOf(made, `${AT}.server.ids`) },
    command: text("command"),
    port: whole(text("port")),
    health: text("health.path") && { path: text("health.path") },
    files: file,
    packages: text("packages")?.split(/\s+/),
    setup: text("setup"),
    env: assignments(text("env")),
    secrets: assignments(text("secrets")),
    bind: bound.length ? bound : undefined,
  };
  if (artifact) wanted.artifact = named ?? (await uploaded(artifact));
  return wanted;
}

function newServers(made) {
  const found = {};
  for (const name of ["flavor", "image", "network", "floating_network", "key_name"]) {
    const value = valueOf(made, `${AT}.server.${name}`);
    if (value) found[name] = value;
  }
  return found;
}

// As a number where it is one; else the API says what is allowed.
const whole = (text) => (/^\d+$/.test(text ?? "") ? Number(text) : text);

function assignments(text) {
  if (!text) return undefined;
  return Object.fromEntries(text.split("\n").filter((line) => line.trim()).map((line) => {
    const [name, ...value] = line.split("=");
    return [name.trim(), value.join("=")];
  }));
}

async function uploaded(file) {
  say(`Uploading ${file.name}.`);
  const answer = await call("POST", "/v1/artifacts", { body: file, type: "application/gzip" });
  return answer.artifact.id;
}

function asJson(place, view, other) {
  const start = { service: "", version: "1.0.0", server: {}, command: "", port: 8080 };
  const draw = (value) => {
    const text = field("Deployment", AT, { kind: "textarea", rows: "14", value: JSON.stringify(value, null, 2), class: "code" });
    const send = (made) => {
      let parsed;
      try {
        parsed = JSON.parse(made.elements[AT].value);
      } catch (error) {
        throw new Error(`This is not JSON: ${error.message}`);
      }
      return begin(view, parsed.deployment ?? parsed);
    };
    const write = async () => {
      draw(await wish(other, "the id that POST /v1/artifacts answers"));
      place.querySelector("textarea").focus();
    };
    put(place, h("p", {}, h("button", { type: "button", onclick: write }, "Write it from the form")), form("Deploy this", send, text));
  };
  draw(start);
}
