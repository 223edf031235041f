// @ts-check
/**
 * The user's passkeys: add one, see which there are, remove one.
 */

import { passkeys as own, Problem } from "../client.js";
import { onPress } from "./button.js";
import { isCancelled } from "./methods.js";
import { say, sentence } from "./notice.js";
import { owned } from "./owned.js";
import { find } from "./panel.js";
import { NotProved, recently } from "./recent.js";

/** @typedef {{id: string, label: string, synced: boolean, created_at: number, last_used_at: number | null}} Passkey */

const section = find(document, "#passkeys", HTMLElement);
const add = find(section, "#passkey-add", HTMLButtonElement);

export const passkeys = owned(
  section,
  "passkeys",
  (/** @type {{passkeys: Passkey[]}} */ body) => body.passkeys,
  ({ label, synced }) => (label || "Passkey") + (synced ? " (on several devices)" : ""),
  "None yet. With a passkey you sign in by your fingerprint, your face or your PIN.",
  async () => void (await own.list()), // tells the browser which are left
);

/** @param {boolean} isOn */
export function offerPasskeys(isOn) {
  section.hidden = !isOn;
  add.hidden = !own.isSupported;
}

onPress(add, async () => {
  try {
    await recently(() => own.register());
    say("The passkey is added.");
  } catch (error) {
    if (isCancelled(error) || error instanceof NotProved) return;
    const isThere = error instanceof DOMException && error.name === "InvalidStateError";
    say(
      isThere ? "This device has a passkey of your account already."
      : error instanceof Problem ? sentence(error.message)
      : "No passkey was made. Please try again.",
    );
    return;
  }
  await passkeys.load();
});
