// @ts-check
/**
 * Where this user is signed in, and the buttons that end it there.
 */

import { fetch, Problem } from "../client.js";
import { onPress } from "./button.js";
import { ago, date, setTime } from "./clock.js";
import { say, sentence } from "./notice.js";
import { find, Panel, stamp } from "./panel.js";
import { route } from "./place.js";

/** @typedef {{id: string, device: string, address: string, created_at: number, last_seen_at: number, expires_at: number, current: boolean, bound: boolean}} Session */

const section = find(document, "#sessions", HTMLElement);
const title = find(section, "h2", HTMLElement);
const endOthers = find(section, "#end-others", HTMLButtonElement);

/** Ends what `url` names, then shows what is left. @param {string} url @param {string} done */
async function end(url, done) {
  try {
    const answer = await fetch(url, { method: "DELETE" });
    // Not there any more is what was wanted.
    if (answer.ok || answer.status === 404) say(done);
    else if (answer.status !== 401) say(sentence((await Problem.of(answer)).message));
    await sessions.load();
    title.focus(); // the button that had the focus is gone
  } catch {
    say("The service cannot be reached: nothing was ended. Try again.");
  }
}

/** @param {Session} session */
function row(session) {
  const li = stamp("session-row");
  const device = session.device || "Unknown device";
  find(li, ".device", HTMLElement).textContent = device;
  find(li, ".address", HTMLElement).textContent = session.address || "an unknown address";
  setTime(find(li, ".seen", HTMLTimeElement), session.last_seen_at, ago);
  setTime(find(li, ".created", HTMLTimeElement), session.created_at, ago);
  setTime(find(li, ".ends", HTMLTimeElement), session.expires_at, date);
  find(li, ".bound", HTMLElement).hidden = !session.bound;
  const button = find(li, ".end", HTMLButtonElement);
  if (session.current) {
    find(li, ".current", HTMLElement).hidden = false;
    button.remove(); // "Sign out" ends this one
  } else {
    button.ariaLabel = `End this one: ${device}, ${session.address}`;
    onPress(button, () => end(route(`sessions/${encodeURIComponent(session.id)}`), `Ended: ${device}.`));
  }
  return li;
}

/** This one first, then by when they were last seen. @param {Session} a @param {Session} b */
const order = (a, b) => Number(b.current) - Number(a.current) || b.last_seen_at - a.last_seen_at;

onPress(endOthers, () => end(route("sessions?keep=current"), "All other sessions are ended."));

export const sessions = new Panel(
  section,
  route("sessions"),
  (/** @type {{sessions: Session[]}} */ body) => {
    endOthers.hidden = !body.sessions.some((session) => !session.current);
    return body.sessions.toSorted(order).map(row);
  },
  "No sessions.",
);
