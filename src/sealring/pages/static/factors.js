// @ts-check
/**
 * The second step of this user's logins: an authenticator app and recovery codes. Secrets and codes are in the document
 * only while they are shown.
 */

import { Problem } from "../client.js";
import { ask } from "./ask.js";
import { onPress } from "./button.js";
import { drawEnrollment } from "./enrollment.js";
import { Form } from "./form.js";
import { say, sentence } from "./notice.js";
import { find } from "./panel.js";
import { askRecent, NotProved } from "./recent.js";

/** @typedef {{methods: string[], recovery_codes_left: number | null}} Factors */

const section = find(document, "#factors", HTMLElement);
const title = find(section, "h2", HTMLElement);
const words = find(section, "#factors-words", HTMLElement);
const buttons = {
  start: find(section, "#totp-start", HTMLButtonElement),
  remove: find(section, "#totp-remove", HTMLButtonElement),
  make: find(section, "#codes-make", HTMLButtonElement),
};
const place = find(section, "#totp-enrollment", HTMLElement);
const codes = find(section, "#codes", HTMLElement);
const list = find(codes, "ul", HTMLUListElement);
let enrollment = "";
let asked = 0;

const form = new Form("totp", async ({ code = "" }) => {
  await askRecent("POST", "totp/confirm", { enrollment, code });
  close();
  say("Two-step login is on.");
  await makeCodes();
});

/** Shows what the account has. */
export async function loadFactors() {
  section.hidden = false;
  const turn = ++asked;
  const answer = await ask("GET", "factors").catch(() => null);
  /** @type {Factors | null} */
  const found = answer === null ? null : await answer.json();
  if (turn !== asked) return;
  const hasApp = found?.methods.includes("totp") ?? false;
  const left = found?.recovery_codes_left ?? null;
  words.textContent =
    found === null ? "Not to be had just now."
    : !hasApp ? "With it a stolen password is not enough: a code of an app on your phone is asked for, too."
    : left === null ? "It is on: an authenticator app. You have no recovery codes for the day when your phone is lost."
    : `It is on: an authenticator app, and ${left} of your recovery codes are left.`;
  buttons.start.hidden = found === null || hasApp || !form.form.hidden;
  buttons.remove.hidden = !hasApp;
  buttons.make.hidden = found === null || found.methods.every((method) => method === "recovery-code");
}

/** Takes everything out of the document. */
export function clearFactors() {
  asked += 1;
  close();
  words.textContent = "";
  section.hidden = true;
}

function close() {
  enrollment = "";
  form.clear();
  form.form.hidden = true;
  place.replaceChildren();
  codes.hidden = true;
  list.replaceChildren();
}

/** @param {() => Promise<void>} work */
async function attempt(work) {
  try {
    await work();
  } catch (error) {
    if (error instanceof NotProved) return;
    say(error instanceof Problem ? sentence(error.message) : "The service cannot be reached; try again.");
  }
}

async function makeCodes() {
  const made = await (await askRecent("POST", "recovery-codes")).json();
  list.replaceChildren(
    ...made.codes.map((/** @type {string} */ code) => {
      const item = document.createElement("li");
      item.append(Object.assign(document.createElement("code"), { textContent: code }));
      return item;
    }),
  );
  codes.hidden = false;
  find(codes, "h3", HTMLElement).focus();
  await loadFactors();
}

onPress(buttons.start, () =>
  attempt(async () => {
    const started = await (await askRecent("POST", "totp/start")).json();
    enrollment = started.enrollment;
    place.replaceChildren(drawEnrollment(started));
    buttons.start.hidden = true;
    form.form.hidden = false;
    find(form.form, "input", HTMLInputElement).focus();
  }),
);
onPress(buttons.remove, () =>
  attempt(async () => {
    await askRecent("DELETE", "totp");
    close();
    say("Two-step login is off.");
    await loadFactors();
    title.focus();
  }),
);
onPress(buttons.make, () => attempt(makeCodes));
onPress(find(section, "#totp-cancel", HTMLButtonElement), async () => {
  close();
  await loadFactors();
  title.focus();
});
onPress(find(codes, "#codes-copy", HTMLButtonElement), async () => {
  const text = [...list.children].map((item) => item.textContent).join("\n");
  await navigator.clipboard.writeText(text).then(
    () => say("Copied."),
    () => say("This browser does not copy here: select the codes instead."),
  );
});
onPress(find(codes, "#codes-done", HTMLButtonElement), async () => {
  close();
  title.focus();
});
