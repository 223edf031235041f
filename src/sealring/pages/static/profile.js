// @ts-check
/**
 * The user's name and email address: whether it is verified, and another one.
 */

import { Problem } from "../client.js";
import { ask } from "./ask.js";
import { onPress } from "./button.js";
import { Form } from "./form.js";
import { say, sentence } from "./notice.js";
import { find } from "./panel.js";
import { askRecent, NotProved } from "./recent.js";

/** @typedef {NonNullable<import("../client.js").State["user"]>} User */
/** @typedef {import("./frame.js").Options} Options */

const username = find(document, "#profile-username", HTMLElement);
const email = find(document, "#profile-email", HTMLElement);
const change = find(document, "#change-email", HTMLDetailsElement);

const form = new Form("email", async (fields) => {
  try {
    await askRecent("POST", "email/change", fields);
  } catch (error) {
    if (error instanceof NotProved) return;
    throw error;
  }
  change.open = false;
  say(`A mail is on its way to ${fields["email"]}. Open its link to make the change.`);
});

onPress(find(document, "#send-verification", HTMLButtonElement), async () => {
  try {
    await ask("POST", "email/verify/start");
    say(`A mail is on its way to ${email.textContent}.`);
  } catch (error) {
    say(error instanceof Problem ? sentence(error.message) : "The service cannot be reached; try again.");
  }
});

/** Shows the user, or nobody. @param {User | null} user @param {Options} options */
export function showProfile(user, options) {
  form.clear();
  change.open = false;
  const address = user?.email ?? null;
  username.textContent = user?.username ?? "";
  email.textContent = user === null ? "" : (address ?? "None");
  find(document, "#profile-verified", HTMLElement).hidden = !user?.email_verified;
  find(document, "#unverified", HTMLElement).hidden = !options.mail || address === null || !!user?.email_verified;
  find(document, "#enter-code", HTMLAnchorElement).href = `verify#${new URLSearchParams({ email: address ?? "" })}`;
  change.hidden = !options.mail;
}
