// @ts-check
/**
 * Times as people read them, in the browser's language and zone. The server speaks Unix seconds; only this file knows.
 */

const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });

/** @type {[Intl.RelativeTimeFormatUnit, number][]} */
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60]];

/** @param {number} seconds Unix */
export const date = (seconds) => day.format(seconds * 1000);

/** @param {number} seconds Unix */
export const dateAndTime = (seconds) => moment.format(seconds * 1000);

/** "3 minutes ago". @param {number} seconds Unix */
export function ago(seconds) {
  const gone = Math.max(0, Date.now() / 1000 - seconds);
  const [unit, length] = UNITS.find(([, length]) => gone >= length) ?? ["second", 1];
  return gone < 60 ? "just now" : relative.format(-Math.floor(gone / length), unit);
}

/** "29:59". @param {number} ms still to go */
export function countdown(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
  const tail = `${String(minutes).padStart(hours ? 2 : 1, "0")}:${String(seconds % 60).padStart(2, "0")}`;
  return hours ? `${hours}:${tail}` : tail;
}

/** Fills a `<time>`. @param {HTMLTimeElement} element @param {number} seconds Unix @param {(seconds: number) => string} words */
export function setTime(element, seconds, words) {
  element.dateTime = new Date(seconds * 1000).toISOString();
  element.title = dateAndTime(seconds);
  element.textContent = words(seconds);
}
