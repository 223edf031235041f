// @ts-check
/**
 * Registration. The new account is signed in with it.
 */

import { Problem, register } from "../client.js";
import { Form } from "./form.js";
import { begin } from "./frame.js";
import { find } from "./panel.js";
import { goOn, pageWithNext } from "./place.js";

const form = new Form(
  "register",
  async ({ username = "", password = "", ...rest }) => {
    try {
      await register({ username, password, ...rest });
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== "email_unverified") throw error;
      showUnverified(rest["email"] ?? "");
    }
  },
  { name_taken: "username", invitation_required: "invitation" },
);

/** The account is made, and logs in when its address has proved itself. @param {string} email */
function showUnverified(email) {
  form.form.hidden = true;
  const words = find(document, "#unverified-words", HTMLElement);
  words.textContent = `Your account is made. A mail is on its way to ${email}: open its link, and then sign in.`;
  find(document, "#unverified a", HTMLAnchorElement).href = `verify#${new URLSearchParams({ email })}`;
  find(document, "#unverified", HTMLElement).hidden = false;
  words.focus();
}

find(document, ".signing-in a", HTMLAnchorElement).href = pageWithNext("login");

void begin((state, options) => {
  if (state.status === "signed-in") return goOn();
  form.form.hidden = options.registration === "closed";
  find(document, "#closed", HTMLElement).hidden = options.registration !== "closed";
  find(document, "#invitation", HTMLElement).hidden = options.registration !== "invited";
  find(document, "#optional", HTMLElement).hidden = options.email_required;
  find(document, "#register-email", HTMLInputElement).required = options.email_required;
  form.clear();
  if (!form.form.hidden) find(document, "#register-username", HTMLElement).focus();
});
