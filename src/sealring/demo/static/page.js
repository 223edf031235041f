// @ts-check
/**
 * The page: one document with two faces, the door (signed out) and the desk (signed in), chosen by the client's state
 * and by nothing else. When the state says nobody is signed in, nothing private is left in the document.
 */

import { fetch, login, logout, onChange, onIdentityChange, Problem, register, watch } from "/auth/client.js";
import { onPress } from "/auth/pages/button.js";
import { countdown } from "/auth/pages/clock.js";
import { Form } from "/auth/pages/form.js";
import { inspector } from "./inspector.js";
import { say, sentence } from "/auth/pages/notice.js";
import { orders } from "./orders.js";
import { find } from "/auth/pages/panel.js";
import { sessions } from "/auth/pages/sessions.js";

/** @typedef {import("/auth/client.js").State} State */

const panels = [orders, inspector, sessions];
const who = find(document, "#who", HTMLElement);
const banner = find(document, "#trouble", HTMLElement);
const signOut = find(document, "#sign-out", HTMLButtonElement);
const waiting = find(document, "#waiting", HTMLElement);

const entering = [
  new Form("login", async ({ username = "", password = "" }) => {
    try {
      await login({ username, password });
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== "second_factor_required") throw error;
      goOn(error); // the page for logins asks for it
    }
  }),
  new Form(
    "register",
    async ({ username = "", password = "", ...rest }) => void (await register({ username, password, ...rest })),
    { name_taken: "username", invitation_required: "invitation" },
  ),
];
const password = new Form(
  "password",
  async ({ current, new: chosen }) => {
    const body = JSON.stringify({ current, new: chosen });
    const answer = await fetch("/auth/password", { method: "POST", headers: { "Content-Type": "application/json" }, body });
    if (!answer.ok) throw await Problem.of(answer);
    say("Password changed. All your other sessions are ended.");
    void sessions.load();
  },
  { password: "new" },
);

/** Leads to the page for logins, which takes the next step of this one. @param {Problem} problem */
function goOn({ pending, methods }) {
  const step = new URLSearchParams({ sign_in: "second_factor", pending, methods: methods.join(" ") });
  location.assign(`/auth/pages/login?${new URLSearchParams({ next: location.pathname })}#${step}`);
}

/** @type {{status: State["status"], userId: string | null, troubled: boolean}} */
let shown = { status: "unknown", userId: null, troubled: false };
const FAULTS = {
  offline: "The service cannot be reached.",
  unavailable: "The service cannot answer just now.",
  cookies: "This browser sends too many cookies. Please delete the cookies of this site.",
};
/** @type {State["trouble"]} */
let trouble = null;
let leaving = false;

/** @param {State} state */
function show(state) {
  const before = shown;
  shown = { status: state.status, userId: state.user?.id ?? null, troubled: state.trouble !== null };
  trouble = state.trouble;
  showTrouble();
  if (shown.status !== before.status || shown.userId !== before.userId) turn(state, before.status);
  else if (before.troubled && !shown.troubled) panels.filter((panel) => panel.failed).forEach((panel) => void panel.load());
}

/** Turns the page to its other face. @param {State} state @param {State["status"]} from */
function turn(state, from) {
  const isIn = state.status === "signed-in";
  for (const panel of panels) panel.clear();
  for (const form of [...entering, password]) form.clear();
  document.body.dataset["view"] = state.status;
  document.querySelectorAll("[data-in]").forEach((part) => part.toggleAttribute("hidden", !isIn));
  document.querySelectorAll("[data-out]").forEach((part) => part.toggleAttribute("hidden", state.status !== "signed-out"));
  waiting.hidden = state.status !== "unknown";
  who.textContent = state.user?.username ?? "";
  find(password.form, "[name=username]", HTMLInputElement).value = state.user?.username ?? "";
  choose();
  if (isIn) {
    if (from === "signed-out") say(""); // "You are signed out" is no longer so
    if (location.hash === "#sign-up") history.replaceState(null, "", location.pathname); // the next face is "sign in"
    for (const panel of panels) void panel.load();
    if (from === "signed-out") find(document, "#orders-title", HTMLElement).focus();
  } else if (from === "signed-in" && state.status === "signed-out") {
    say(leaving ? "You are signed out, here and on every server." : "This session has ended. Please sign in again.");
    find(document, "#login-username", HTMLElement).focus();
  }
}

/** Sign in or sign up, by the address: the back button works, and each form stays whole for password managers. */
function choose() {
  const isNew = location.hash === "#sign-up" && document.body.dataset["registration"] !== "closed";
  find(document, "#sign-up", HTMLElement).hidden = !isNew;
  find(document, "#sign-in", HTMLElement).hidden = isNew;
  const face = shown.status === "signed-in" ? "Your orders" : isNew ? "Create an account" : "Sign in";
  document.title = shown.status === "unknown" ? "Sealring" : `${face} · Sealring`;
}

function showTrouble() {
  banner.hidden = trouble === null;
  if (trouble === null) return;
  const fault = FAULTS[trouble.kind];
  const still = shown.status === "signed-in" ? " You are still signed in." : "";
  const again = Object.assign(document.createElement("span"), { ariaHidden: "true" });
  again.textContent = ` Trying again in ${countdown(trouble.retryAt - Date.now())}.`;
  if (banner.firstChild?.textContent !== fault + still) banner.replaceChildren(fault + still, again);
  else banner.lastElementChild?.replaceWith(again);
}

onPress(signOut, async () => {
  leaving = true;
  try {
    await logout();
  } catch (error) {
    say(`You are still signed in. ${error instanceof Problem ? sentence(error.message) : "The service cannot be reached; try again."}`);
  } finally {
    leaving = false;
  }
});

addEventListener("hashchange", () => {
  choose();
  if (shown.status !== "signed-out") return;
  for (const form of entering) form.clear();
  find(document, "#main section:not([hidden]) input:not(.unseen)", HTMLInputElement).focus();
});
setInterval(showTrouble, 1000);
onIdentityChange(({ now }) => say(`Another user has signed in with this browser: ${now.username}.`));
onChange(show);
watch();
