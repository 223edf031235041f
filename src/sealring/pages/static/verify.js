// @ts-check
/**
 * An email address proves itself, by the link or the code of a mail.
 */

import { check } from "../client.js";
import { ask } from "./ask.js";
import { ready } from "./frame.js";
import { mailed } from "./mailed.js";

mailed("verify", async (fields) => {
  const { email } = await (await ask("POST", "email/verify/confirm", fields)).json();
  await check().catch(() => {}); // tokens from before a change are outdated
  return `The address ${email} is verified.`;
});

void ready(() => {});
