// @ts-check
/**
 * Registration. The new account is signed in with it.
 */

import { register } from "../client.js";
import { Form } from "./form.js";
import { begin } from "./frame.js";
import { find } from "./panel.js";
import { goOn, pageWithNext } from "./place.js";

const form = new Form(
  "register",
  async ({ username = "", password = "", ...rest }) => void (await register({ username, password, ...rest })),
  { name_taken: "username", invitation_required: "invitation" },
);
find(document, ".other a", HTMLAnchorElement).href = pageWithNext("login");

void begin((state, options) => {
  if (state.status === "signed-in") return goOn();
  form.form.hidden = options.registration === "closed";
  find(document, "#closed", HTMLElement).hidden = options.registration !== "closed";
  find(document, "#invitation", HTMLElement).hidden = options.registration !== "invited";
  form.clear();
  if (!form.form.hidden) find(document, "#register-username", HTMLElement).focus();
});
