// Copies a text. A button with `data-copies` (the id of an element) is shown where the browser can copy. The element that
// describes the button says how it went, in its own words: `data-done` and `data-failed`.
"use strict";

(() => {
  if (!navigator.clipboard) return;
  for (const button of document.querySelectorAll("button[data-copies]")) {
    const said = document.getElementById(button.getAttribute("aria-describedby"));
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(document.getElementById(button.dataset.copies).textContent);
        said.textContent = said.dataset.done;
      } catch {
        said.textContent = said.dataset.failed;
      }
    });
    button.hidden = false;
  }
})();
