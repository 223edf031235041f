// @ts-check
/**
 * Login: the first step, and the next where one is asked. A user who is signed in already goes on at once.
 */

import { login, loginBy, beginLogin, Problem } from "../client.js";
import { onPress } from "./button.js";
import { Form } from "./form.js";
import { begin } from "./frame.js";
import { say } from "./notice.js";
import { find } from "./panel.js";
import { goOn, pageWithNext } from "./place.js";
import { Proof } from "./proof.js";
import { offerProviders, takeAnswer } from "./providers.js";

const first = find(document, "#first", HTMLElement);
const second = find(document, "#second", HTMLElement);
const answer = find(document, "#answer", HTMLElement);
const answered = takeAnswer(); // of a provider
const registration = find(document, "[data-registration]", HTMLElement);
find(registration, "a", HTMLAnchorElement).href = pageWithNext("register");

const proof = new Proof("proof", {
  begin: (method, pending) => beginLogin(method, pending === undefined ? {} : { pending }),
  step: async (method, response, pending) => void (await loginBy(method, response, pending)),
  restart: () => {
    showFirst();
    say("This login took too long. Please start again.");
  },
});
const password = new Form("login", ({ username = "", password = "" }) => step(login({ username, password })));

/** Takes a first step; where the server asks one more, shows it. @param {Promise<unknown>} taken */
async function step(taken) {
  try {
    await taken;
  } catch (error) {
    const asksMore = error instanceof Problem && error.code === "second_factor_required";
    if (!asksMore || !showSecond(error.methods, error.pending)) throw error;
  }
}

/** @param {readonly string[]} methods @param {string} pending @returns {boolean} whether this page knows one of them */
function showSecond(methods, pending) {
  first.hidden = true;
  second.hidden = false;
  const isKnown = proof.show(methods, pending);
  if (!isKnown) showFirst();
  return isKnown;
}

function showFirst() {
  proof.clear();
  password.clear();
  second.hidden = true;
  first.hidden = false;
  find(document, "#login-username", HTMLElement).focus();
}

onPress(find(document, "#restart", HTMLButtonElement), async () => showFirst());

void begin((state, options) => {
  if (state.status === "signed-in") return goOn();
  find(document, "[data-mail]", HTMLElement).hidden = !options.mail;
  registration.hidden = options.registration === "closed";
  offerProviders(find(document, "#providers", HTMLElement), options.providers);
  if (answered.pending !== null && showSecond(answered.methods, answered.pending)) return;
  showFirst();
  answer.textContent = answered.error;
  answer.hidden = answered.error === "";
});
