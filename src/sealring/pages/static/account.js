// @ts-check
/**
 * The user's own account. When nobody is signed in, nothing private is left in the document.
 */

import { changePassword, check } from "../client.js";
import { clearFactors, loadFactors } from "./factors.js";
import { Form } from "./form.js";
import { begin } from "./frame.js";
import { identities, offerLinks } from "./identities.js";
import { say } from "./notice.js";
import { find } from "./panel.js";
import { offerPasskeys, passkeys } from "./passkeys.js";
import { showProfile } from "./profile.js";
import { offerProviders, takeAnswer } from "./providers.js";
import { askRecent, NotProved } from "./recent.js";
import { sessions } from "./sessions.js";

const name = find(document, "#profile-username", HTMLElement);
const answered = takeAnswer(); // of a provider, to a link
let isDeleted = false;

const password = new Form(
  "password",
  async ({ current = "", new: chosen = "" }) => {
    await changePassword({ current, new: chosen });
    say("Password changed. All your other sessions are ended.");
    void sessions.load();
  },
  { password: "new" },
);

const deletion = new Form("delete", async ({ username }) => {
  if (username !== name.textContent) return say("This is not your username: nothing was deleted.");
  try {
    await askRecent("POST", "account/delete");
  } catch (error) {
    if (error instanceof NotProved) return;
    throw error;
  }
  isDeleted = true;
  await check();
});

void begin((state, options) => {
  sessions.clear();
  password.clear();
  deletion.clear();
  const user = state.user;
  showProfile(user, options);
  find(password.form, "[name=username]", HTMLInputElement).defaultValue = user?.username ?? "";
  find(document, "#recent-username", HTMLInputElement).defaultValue = user?.username ?? "";
  identities.clear();
  passkeys.clear();
  clearFactors();
  const hasPasskeys = options.methods.includes("passkey");
  offerPasskeys(hasPasskeys);
  offerLinks(options.providers);
  offerProviders(find(document, "#recent-providers", HTMLElement), options.providers);
  if (state.status === "signed-in") {
    if (answered.error !== "") say(answered.error);
    void sessions.load();
    if (hasPasskeys) void passkeys.load();
    if (options.second_methods.includes("totp")) void loadFactors();
    if (options.providers.length > 0) void identities.load();
    return;
  }
  if (isDeleted) location.replace(document.body.dataset["home"] ?? "/");
  else location.replace(`login?${new URLSearchParams({ next: location.pathname })}`);
});
