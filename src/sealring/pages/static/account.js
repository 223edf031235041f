// @ts-check
/**
 * The user's own account. When nobody is signed in, nothing private is left in the document.
 */

import { changePassword } from "../client.js";
import { Form } from "./form.js";
import { begin } from "./frame.js";
import { say } from "./notice.js";
import { find } from "./panel.js";
import { sessions } from "./sessions.js";

const name = find(document, "#profile-username", HTMLElement);
const email = find(document, "#profile-email", HTMLElement);
const password = new Form(
  "password",
  async ({ current = "", new: chosen = "" }) => {
    await changePassword({ current, new: chosen });
    say("Password changed. All your other sessions are ended.");
    void sessions.load();
  },
  { password: "new" },
);

void begin((state) => {
  sessions.clear();
  password.clear();
  const user = state.user;
  name.textContent = user?.username ?? "";
  email.textContent = user === null ? "" : (user.email ?? "None");
  find(password.form, "[name=username]", HTMLInputElement).value = user?.username ?? "";
  if (state.status === "signed-out") location.replace(`login?${new URLSearchParams({ next: location.pathname })}`);
  else void sessions.load();
});
