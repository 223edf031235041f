// @ts-check
/**
 * The one line in which the page says what has just happened; screen readers hear it (a polite live region).
 */

const line = /** @type {HTMLElement} */ (document.getElementById("notice"));
/** @type {ReturnType<typeof setTimeout> | undefined} */
let fading;

/** Says `text` for a while; an empty text takes back the last. @param {string} text */
export function say(text) {
  clearTimeout(fading);
  line.textContent = text;
  fading = setTimeout(() => (line.textContent = ""), 8000);
}

/** A server's words (lower case, no full stop) as a sentence. @param {string} text */
export function sentence(text) {
  const trimmed = text.trim();
  if (trimmed === "") return "";
  return trimmed[0]?.toUpperCase() + trimmed.slice(1) + (/[.!?…]$/.test(trimmed) ? "" : ".");
}
