// @ts-check
/**
 * Takes back a change of the email address, by the link of the mail that the old one got.
 */

import { ask } from "./ask.js";
import { ready } from "./frame.js";
import { mailed } from "./mailed.js";

mailed("undo", async (fields) => {
  await ask("POST", "email/undo", fields);
  return "Your address is that of the account again, and all sessions have ended. A mail lets you choose a new password.";
});

void ready(() => {});
