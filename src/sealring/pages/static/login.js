// @ts-check
/**
 * Login: the first step, by any way that this issuer has, and the next where one is asked. A user who is signed in
 * already goes on at once.
 */

import { beginLogin, login, loginBy, passkeys, Problem } from "../client.js";
import { onPress } from "./button.js";
import { Form } from "./form.js";
import { begin } from "./frame.js";
import { mailLogin } from "./mail-login.js";
import { isCancelled } from "./methods.js";
import { say, sentence } from "./notice.js";
import { find } from "./panel.js";
import { goOn, pageWithNext } from "./place.js";
import { Proof } from "./proof.js";
import { offerProviders, takeAnswer } from "./providers.js";

const sections = {
  first: find(document, "#first", HTMLElement),
  mail: find(document, "#by-mail", HTMLElement),
  second: find(document, "#second", HTMLElement),
};
const answer = find(document, "#answer", HTMLElement);
const username = find(document, "#login-username", HTMLInputElement);
const answered = takeAnswer(); // of a provider
const link = new URLSearchParams(location.hash.slice(1)); // of a mail
addEventListener("hashchange", () => location.reload()); // a link that is opened in this tab
if (link.has("code")) history.replaceState(null, "", location.pathname + location.search);
const registration = find(document, "[data-registration]", HTMLElement);
find(registration, "a", HTMLAnchorElement).href = pageWithNext("register");

let hasPasskeys = false;
/** @type {AbortController | null} withdraws the passkeys that are offered in the field */
let offer = null;

const proof = new Proof("proof", {
  begin: (method, pending) => beginLogin(method, pending === undefined ? {} : { pending }),
  enrolls: true,
  step: async (method, response, pending) => void (await loginBy(method, response, pending)),
  restart: () => {
    showFirst();
    say("This login took too long. Please start again.");
  },
});
const password = new Form("login", ({ username = "", password = "" }) => step(login({ username, password })));
const byMail = mailLogin(step);

/** Takes a first step; where the server asks one more, shows it. @param {Promise<unknown>} taken */
async function step(taken) {
  try {
    await taken;
  } catch (error) {
    const asksMore = error instanceof Problem && error.code === "second_factor_required";
    if (!asksMore || !showSecond(error.methods, error.pending)) throw error;
  }
}

/** @param {keyof typeof sections} name */
function show(name) {
  offer?.abort(); // a browser has one question open at a time
  offer = null;
  for (const [each, section] of Object.entries(sections)) section.hidden = each !== name;
}

/** @param {readonly string[]} methods @param {string} pending @returns {boolean} whether this page knows one of them */
function showSecond(methods, pending) {
  show("second");
  const isKnown = proof.show(methods, pending);
  if (!isKnown) showFirst();
  return isKnown;
}

function showFirst() {
  proof.clear();
  password.clear();
  byMail.clear();
  show("first");
  username.focus();
  if (!hasPasskeys) return;
  const { signal } = (offer = new AbortController());
  username.autocomplete = /** @type {AutoFill} */ ("username webauthn");
  void byPasskey(() => passkeys.autofill({ signal }));
}

/** @param {URLSearchParams} [filled] */
function showMail(filled = new URLSearchParams()) {
  show("mail");
  byMail.begin(filled);
}

/** A passkey, by a dialog or chosen in the field. @param {() => Promise<unknown>} ask */
async function byPasskey(ask) {
  answer.hidden = true;
  try {
    await step(ask());
  } catch (error) {
    if (isCancelled(error)) return;
    answer.textContent = error instanceof Problem ? sentence(error.message) : "This did not work. Please try again, or sign in another way.";
    answer.hidden = false;
  }
}

for (const button of document.querySelectorAll("button.restart")) {
  onPress(/** @type {HTMLButtonElement} */ (button), async () => showFirst());
}
onPress(find(document, "#choose-mail", HTMLButtonElement), async () => showMail());
onPress(find(document, "#passkey", HTMLButtonElement), () => byPasskey(() => passkeys.login()));
void begin((state, options) => {
  if (state.status === "signed-in") return goOn();
  hasPasskeys = options.methods.includes("passkey") && passkeys.isSupported;
  find(document, "[data-mail]", HTMLElement).hidden = !options.mail;
  find(document, "[data-by-mail]", HTMLElement).hidden = !options.methods.includes("email");
  find(document, "[data-passkey]", HTMLElement).hidden = !hasPasskeys;
  registration.hidden = options.registration === "closed";
  offerProviders(find(document, "#providers", HTMLElement), options.providers);
  if (answered.pending !== null && showSecond(answered.methods, answered.pending)) return;
  if (link.has("code") && options.methods.includes("email")) return showMail(link);
  showFirst();
  answer.textContent = answered.error;
  answer.hidden = answered.error === "";
});
