// Who is logged in, and which view the address after # asks for.

import { ApiError, call, whenLoggedOut } from "./api.js";
import { action, grow, h, link, problem, put, say } from "./dom.js";
import { login } from "./login.js";
import { deployments } from "./deployments.js";
import { deployment } from "./deployment.js";
import { deploy } from "./deploy.js";
import { servers } from "./servers.js";
import { instance, registry, type } from "./registry.js";
import { service, services } from "./services.js";
import { launch } from "./launch.js";

const TABS = [
  ["deployments", "Deployments"],
  ["deploy", "Deploy"],
  ["servers", "Servers"],
  ["registry", "Registry"],
  ["services", "Services"],
  ["launch", "Launch options"],
];
// By the parts of the address, and the tab that it belongs to.
const VIEWS = {
  deployments: [deployments, deployment],
  deploy: [deploy],
  servers: [servers],
  registry: [registry, type],
  instances: [null, instance, "registry"],
  services: [services, service],
  launch: [launch],
};

const main = document.getElementById("main");
let session = null;
let left = new AbortController();

// What a view may use: a signal that it is left; refreshing what it shows; going elsewhere.
class View {
  constructor(signal) {
    this.signal = signal;
    this.session = session;
  }

  go(address) {
    if (location.hash === address) open();
    else location.hash = address;
  }

  // The last that is done here: nothing is asked again meanwhile, nor once it is done.
  async last(act) {
    this.rests = true;
    try {
      await act();
    } catch (error) {
      this.rests = false;
      throw error;
    }
  }

  // Calls again and again, while somebody looks, until the view is left.
  repeat(seconds, act) {
    const timer = setInterval(async () => {
      if (document.hidden || this.rests) return;
      try {
        await act();
      } catch (error) {
        if (!this.signal.aborted && error instanceof ApiError && error.status === 404) open();
      }
    }, seconds * 1000);
    this.signal.addEventListener("abort", () => clearInterval(timer));
  }

  // Draws what is loaded into a container, again where it has changed. Returns how to do so now.
  async watch(container, load, draw, seconds = 4) {
    let seen = null;
    const refresh = async () => {
      const found = await load();
      const text = JSON.stringify(found);
      if (text === seen || this.signal.aborted) return;
      seen = text;
      put(container, draw(found));
    };
    await refresh();
    if (seconds) this.repeat(seconds, refresh);
    return refresh;
  }
}

function asked() {
  const [name = "", ...rest] = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  const known = VIEWS[name];
  const draw = known?.[rest.length] ?? deployments;
  return { draw: typeof draw === "function" ? draw : deployments, argument: rest[0], tab: known?.[2] ?? (known ? name : "deployments") };
}

async function open() {
  left.abort();
  left = new AbortController();
  const { signal } = left;
  const { draw, argument, tab } = asked();
  for (const each of document.querySelectorAll("#nav a")) {
    if (each.getAttribute("href") === `#/${tab}`) each.setAttribute("aria-current", "page");
    else each.removeAttribute("aria-current");
  }
  main.setAttribute("aria-busy", "true");
  const page = h("div", { class: "view" });
  main.replaceChildren(page);
  try {
    await draw(page, new View(signal), argument);
  } catch (error) {
    if (signal.aborted) return;
    page.replaceChildren(h("h1", { tabindex: "-1" }, "This cannot be shown"), problem(error),
      h("p", {}, h("button", { type: "button", onclick: open }, "Try again")));
  }
  if (signal.aborted) return;
  main.removeAttribute("aria-busy");
  const title = page.querySelector("h1");
  document.title = `${title?.textContent ?? ""} · gateway`;
  title?.focus();
}

function showSession() {
  const nav = document.getElementById("nav");
  const who = document.getElementById("who");
  nav.hidden = who.hidden = !session;
  nav.replaceChildren(h("ul", {}, TABS.map(([name, text]) => h("li", {}, link(`#/${name}`, text)))));
  if (!session) return who.replaceChildren();
  const name = h("span", { class: "name" }, h("strong", {}, session.user), h("span", { class: "small" }, session.project.name));
  return who.replaceChildren(name, action("Log out", logOut, { id: "log-out" }));
}

async function logOut() {
  await call("DELETE", "/v1/session");
  start(null, "You are logged out.");
}

// With the session that there is, else with the form to log in.
function start(found, why = null) {
  left.abort();
  session = found;
  showSession();
  if (session) {
    say(`Logged in to ${session.project.name}.`);
    return open();
  }
  main.replaceChildren(login(start, why));
  document.title = "Log in · gateway";
  return main.querySelector("input").focus();
}

whenLoggedOut(() => session && start(null, "Your session has ended. Log in again."));
window.addEventListener("hashchange", () => {
  if (location.hash === "#main") main.focus();
  else if (session) open();
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  (main.querySelector("h1") ?? main).focus();
});

setInterval(grow, 5000);
try {
  start((await call("GET", "/v1/session")).session);
} catch (error) {
  start(null, error.message);
}
