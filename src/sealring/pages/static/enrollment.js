// @ts-check
/**
 * What an authenticator app needs, as a user gets it into the app: a picture for the camera, a link for an app on the
 * same device, and the secret for typing. It is shown once and kept nowhere.
 */

/** @typedef {{enrollment: string, secret: string, uri: string, qr: string}} Enrollment `qr` is an SVG element */

/** @param {Enrollment} enrollment @returns {HTMLElement} */
export function drawEnrollment({ secret, uri, qr }) {
  const picture = Object.assign(document.createElement("img"), {
    className: "qr",
    alt: "QR code for your authenticator app",
    src: `data:image/svg+xml;utf8,${encodeURIComponent(withNamespace(qr))}`,
  });
  const words = document.createElement("p");
  words.textContent = "Scan this with your authenticator app. On this device, ";
  const link = Object.assign(document.createElement("a"), { href: uri, textContent: "open it in the app" });
  words.append(link, ". Or type this secret into the app:");
  const typed = Object.assign(document.createElement("code"), { className: "secret-text" });
  typed.textContent = (secret.match(/.{1,4}/g) ?? []).join(" ");
  const box = Object.assign(document.createElement("div"), { className: "enrollment" });
  box.append(picture, words, typed);
  return box;
}

/** An SVG image must say its namespace, which an element in a page need not. @param {string} svg */
const withNamespace = (svg) => (svg.includes("xmlns=") ? svg : svg.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"'));
