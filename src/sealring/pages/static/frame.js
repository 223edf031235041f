// @ts-check
/**
 * What every page has: who is signed in, a way out, and a line for trouble. A page shows its `data-in` parts to who is
 * signed in, its `data-out` parts to everybody else, and `data-ready` parts to both.
 */

import { logout, onChange, Problem, watch } from "../client.js";
import { onPress } from "./button.js";
import { countdown } from "./clock.js";
import { say, sentence } from "./notice.js";
import { find } from "./panel.js";
import { route } from "./place.js";

/** @typedef {import("../client.js").State} State */
/** @typedef {{name: string, title: string}} Provider */
/**
 * What this issuer offers: `GET /options`.
 * @typedef {{registration: string, password_min_length: number, methods: string[], second_methods: string[],
 *   mail: boolean, email_required: boolean, providers: Provider[]}} Options
 */

const FAULTS = {
  offline: "The service cannot be reached.",
  unavailable: "The service cannot answer just now.",
  cookies: "This browser sends too many cookies. Please delete the cookies of this site.",
};
const who = find(document, "#who", HTMLElement);
const banner = find(document, "#trouble", HTMLElement);
const waiting = find(document, "#waiting", HTMLElement);

/** @type {State["trouble"]} */
let trouble = null;

/** What this issuer offers, asked until it answers. @returns {Promise<Options>} */
async function ask() {
  for (let wait = 1000; ; wait = Math.min(2 * wait, 30_000)) {
    const answer = await globalThis.fetch(route("options"), { redirect: "error" }).catch(() => null);
    const body = answer?.ok ? await answer.json().catch(() => null) : null;
    if (body !== null) return body;
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

export const options = ask();

/**
 * Begins the page. `changed` is called when somebody is found signed in, when nobody is, and when it is another user;
 * never before the options are there.
 * @param {(state: State, options: Options) => void} changed
 */
export async function begin(changed) {
  const offered = await options;
  for (const place of document.querySelectorAll("[data-password-length]")) {
    place.textContent = String(offered.password_min_length);
  }
  /** @type {{status: State["status"], userId: string | null} | null} */
  let shown = null;
  onChange((state) => {
    trouble = state.trouble;
    showTrouble(state.status);
    const userId = state.user?.id ?? null;
    if (shown?.status === state.status && shown.userId === userId) return;
    shown = { status: state.status, userId };
    who.textContent = state.user?.username ?? "";
    waiting.hidden = state.status !== "unknown";
    for (const part of document.querySelectorAll("[data-in]")) part.toggleAttribute("hidden", state.status !== "signed-in");
    for (const part of document.querySelectorAll("[data-out]")) part.toggleAttribute("hidden", state.status !== "signed-out");
    if (state.status !== "unknown") changed(state, offered);
  });
  setInterval(() => showTrouble(shown?.status ?? "unknown"), 1000);
  watch();
}

/**
 * Begins a page that is for everybody, signed in or not: its `data-ready` parts are shown when the options are there.
 * @param {(options: Options) => void} shown
 */
export async function ready(shown) {
  await begin(() => {});
  for (const part of document.querySelectorAll("[data-ready]")) part.toggleAttribute("hidden", false);
  shown(await options);
}

/** @param {State["status"]} status */
function showTrouble(status) {
  banner.hidden = trouble === null;
  if (trouble === null) return;
  const fault = FAULTS[trouble.kind] + (status === "signed-in" ? " You are still signed in." : "");
  const again = Object.assign(document.createElement("span"), { ariaHidden: "true" });
  again.textContent = ` Trying again in ${countdown(trouble.retryAt - Date.now())}.`;
  if (banner.firstChild?.textContent !== fault) banner.replaceChildren(fault, again);
  else banner.lastElementChild?.replaceWith(again);
}

onPress(find(document, "#sign-out", HTMLButtonElement), async () => {
  try {
    await logout();
  } catch (error) {
    say(`You are still signed in. ${error instanceof Problem ? sentence(error.message) : "The service cannot be reached; try again."}`);
  }
});
