// @ts-check
/**
 * Login by a code in a mail: the address first, then the code. The link of the mail fills both in, and is good in the
 * browser in which the login began; it logs nobody in before a button is pressed.
 */

import { beginLogin, loginBy } from "../client.js";
import { Form } from "./form.js";
import { find } from "./panel.js";

/** @param {(taken: Promise<unknown>) => Promise<void>} step takes a step of the login */
export function mailLogin(step) {
  const sent = find(document, "#mail-sent", HTMLElement);
  let email = "";
  const ask = new Form("mail", async (fields) => {
    email = fields["email"] ?? "";
    await beginLogin("email", { response: { email } });
    show(`If an account has verified the address ${email}, a mail with a code is on its way to it.`);
  });
  const code = new Form("mail-code", (fields) => step(loginBy("email", { email, code: fields["code"] ?? "" })));

  /** @param {string} words */
  function show(words) {
    sent.textContent = words;
    ask.form.hidden = true;
    code.form.hidden = false;
    find(code.form, "input", HTMLInputElement).focus();
  }

  return {
    /** Asks for the address; with what a link has, for a press of the button alone. @param {URLSearchParams} link */
    begin(link) {
      code.clear();
      ask.form.hidden = false;
      code.form.hidden = true;
      const given = link.get("code");
      if (given === null) return find(ask.form, "input", HTMLInputElement).focus();
      email = link.get("email") ?? "";
      show(`To sign in as ${email}, press the button.`);
      find(code.form, "input", HTMLInputElement).value = given;
    },
    clear() {
      ask.clear();
      code.clear();
    },
  };
}
