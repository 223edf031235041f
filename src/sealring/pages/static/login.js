// @ts-check
/**
 * Login: the first step, and the second where one is asked. A user who is signed in already goes on at once.
 */

import { login } from "../client.js";
import { Form } from "./form.js";
import { begin } from "./frame.js";
import { find } from "./panel.js";
import { goOn, pageWithNext } from "./place.js";

const password = new Form("login", async ({ username = "", password = "" }) => void (await login({ username, password })));
const registration = find(document, "[data-registration]", HTMLElement);
find(registration, "a", HTMLAnchorElement).href = pageWithNext("register");

void begin((state, options) => {
  if (state.status === "signed-in") return goOn();
  registration.hidden = options.registration === "closed";
  password.clear();
  find(document, "#login-username", HTMLElement).focus();
});
