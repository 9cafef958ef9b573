// Sends a form once, however often its button is pressed before the answer is there. Without this script the service
// itself does a form once; but a browser drops the first answer for the second, and that may show what is shown once.
"use strict";

(() => {
  const PATIENCE_MS = 5000;
  const sent = new Map();

  // On the document: a form's own script may have kept it from being sent.
  document.addEventListener("submit", (event) => {
    if (event.defaultPrevented || event.target.method !== "post") return;
    if (sent.has(event.target)) {
      event.preventDefault();
      return;
    }
    sent.set(event.target, setTimeout(() => sent.delete(event.target), PATIENCE_MS));
  });
  // A page that is shown again, as it was left, can be sent again.
  window.addEventListener("pageshow", () => sent.clear());
})();
