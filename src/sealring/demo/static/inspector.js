// @ts-check
/**
 * What the access token of this session says, how long it still holds, and a button that renews it.
 *
 * The claims come from the server (`GET /auth/me`): the token itself cannot be read here.
 */

import { onChange, refresh } from "/auth/client.js";
import { onPress } from "/auth/pages/button.js";
import { countdown, dateAndTime } from "/auth/pages/clock.js";
import { say } from "/auth/pages/notice.js";
import { find, Panel } from "/auth/pages/panel.js";

const section = find(document, "#inspector", HTMLElement);
const clock = find(section, "#countdown", HTMLElement);
const hand = find(section, ".hand", SVGCircleElement);
const button = find(section, "#refresh", HTMLButtonElement);

/** @type {Record<string, string>} */
const MEANING = {
  iss: "issuer", aud: "audience", sub: "subject", sid: "session", client_id: "client", jti: "token id", iat: "issued",
  exp: "ends", nbf: "not before", auth_time: "signed in", amr: "how", acr: "how strongly", epoch: "epoch of the subject", scope: "scopes",
};
const TIMES = new Set(["iat", "exp", "nbf", "auth_time"]);

let lifetimeMs = 0;
/** @type {number | null} */
let expiresAt = null;

/** @param {string} name @param {any} value */
function row(name, value) {
  const div = document.createElement("div");
  const dt = document.createElement("dt");
  const dd = document.createElement("dd");
  const code = document.createElement("code");
  code.textContent = name;
  dt.append(code);
  if (name in MEANING) dt.append(Object.assign(document.createElement("span"), { className: "quiet", textContent: ` ${MEANING[name]}` }));
  dd.textContent = typeof value === "string" ? value || "–" : JSON.stringify(value);
  if (TIMES.has(name)) dd.append(Object.assign(document.createElement("span"), { className: "quiet", textContent: ` ${dateAndTime(value)}` }));
  div.append(dt, dd);
  return div;
}

function tick() {
  const left = expiresAt === null ? 0 : expiresAt - Date.now();
  clock.textContent = expiresAt === null ? "–" : countdown(left);
  const share = lifetimeMs > 0 ? Math.min(1, Math.max(0, left / lifetimeMs)) : 0;
  hand.style.strokeDashoffset = String(100 * (1 - share));
}

onPress(button, async () => {
  try {
    const outcome = await refresh();
    if (outcome === "renewed") say("A new access token; the same session.");
    else if (outcome instanceof Response) say("The service is busy. You are still signed in.");
  } catch {
    say("The service cannot be reached. You are still signed in.");
  }
});

export const inspector = new Panel(
  section,
  "/auth/me",
  (/** @type {{claims: Record<string, any>}} */ { claims }) => {
    lifetimeMs = 1000 * (claims["exp"] - claims["iat"]);
    tick();
    return Object.entries(claims).map(([name, value]) => row(name, value));
  },
  "No claims.",
);

onChange((state) => {
  const renewed = state.status === "signed-in" && state.expiresAt !== expiresAt;
  expiresAt = state.status === "signed-in" ? state.expiresAt : null;
  tick();
  if (renewed && !document.hidden) void inspector.load();
});
setInterval(() => document.hidden || tick(), 1000);
