// @ts-check
/**
 * Buttons that are closed while their work is done.
 *
 * `aria-disabled`, never `disabled`: a browser takes the focus away from a disabled button and gives it to the body, and
 * people who use a keyboard or a screen reader lose their place.
 */

/** @param {HTMLButtonElement} button */
export const isClosed = (button) => button.ariaDisabled === "true";

/** @param {HTMLButtonElement} button @param {boolean} closed */
export function setClosed(button, closed) {
  button.ariaDisabled = closed ? "true" : null;
}

/** Does `work` at each press, one at a time. @param {HTMLButtonElement} button @param {() => Promise<void>} work */
export function onPress(button, work) {
  button.addEventListener("click", async () => {
    if (isClosed(button)) return;
    setClosed(button, true);
    try {
      await work();
    } finally {
      setClosed(button, false);
    }
  });
}
