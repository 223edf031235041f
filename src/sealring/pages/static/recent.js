// @ts-check
/**
 * What asks for a recent proof: where the server says that the last one is too old (RFC 9470), a dialog asks the user
 * to prove again, and then it is done once more.
 */

import { Problem } from "../client.js";
import { ask } from "./ask.js";
import { onPress } from "./button.js";
import { options } from "./frame.js";
import { find } from "./panel.js";
import { Proof } from "./proof.js";

const dialog = find(document, "#recent", HTMLDialogElement);

/** The user closed the dialog: nothing was done, and nothing need be said. */
export class NotProved extends Error {}

const proof = new Proof("recent-proof", {
  begin: async (method, pending) => (await (await ask("POST", `reauthenticate/${method}/begin`, { pending })).json()).challenge,
  step: async (method, response, pending) => {
    await ask("POST", `reauthenticate/${method}`, { response, pending });
    dialog.close("proved");
  },
  restart: () => void offer(),
});
onPress(find(dialog, ".cancel", HTMLButtonElement), async () => dialog.close());

async function offer() {
  const { methods } = await options;
  if (!proof.show(methods)) throw new TypeError("no method of this service is known to this page");
}

/** Asks for a proof. @returns {Promise<void>} @throws {NotProved} when the user does not want to */
async function prove() {
  dialog.returnValue = "";
  dialog.showModal();
  await offer();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  proof.clear();
  if (dialog.returnValue !== "proved") throw new NotProved();
}

/**
 * Does `work`, and once more after a proof where one is wanted.
 * @template T @param {() => Promise<T>} work rejects with a Problem
 * @returns {Promise<T>} @throws {Problem | NotProved | TypeError}
 */
export async function recently(work) {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== "insufficient_user_authentication") throw error;
    await prove();
    return work();
  }
}

/**
 * As `ask`, with a proof in between where one is wanted.
 * @param {string} method @param {string} path @param {object} [body]
 * @returns {Promise<Response>} a success @throws {Problem | NotProved | TypeError}
 */
export const askRecent = (method, path, body) => recently(() => ask(method, path, body));
