// @ts-check
/**
 * A forgotten password: asks for the mail. The answer is the same whether there is such an account or not.
 */

import { ask } from "./ask.js";
import { Form } from "./form.js";
import { ready } from "./frame.js";
import { find } from "./panel.js";

const form = new Form("forgot", async ({ email = "" }) => {
  await ask("POST", "password/forgot", { email });
  const words = find(document, "#sent-words", HTMLElement);
  words.textContent = `If an account has the address ${email}, a mail is on its way to it. Its link is good for an hour.`;
  find(document, "#code", HTMLAnchorElement).href = `reset#${new URLSearchParams({ email })}`;
  form.form.hidden = true;
  find(document, "#sent", HTMLElement).hidden = false;
  words.focus();
});

void ready(() => find(document, "#forgot-email", HTMLElement).focus());
