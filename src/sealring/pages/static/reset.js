// @ts-check
/**
 * A new password, by the link or the code of a mail. It logs nobody in: a second factor is still asked for.
 */

import { ask } from "./ask.js";
import { ready } from "./frame.js";
import { mailed } from "./mailed.js";
import { find } from "./panel.js";

mailed("reset", async (fields) => {
  const { username } = await (await ask("POST", "password/reset", fields)).json();
  return `The password of ${username} is changed. Sign in with it.`;
});

void ready(() => find(document, "#reset input", HTMLElement).focus());
