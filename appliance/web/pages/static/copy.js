// Copies a text. A button with `data-copies` (the id of an element) is shown where the browser can copy, and says when it did.
"use strict";

(() => {
  if (!navigator.clipboard) return;
  for (const button of document.querySelectorAll("button[data-copies]")) {
    const said = document.getElementById(button.getAttribute("aria-describedby"));
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(document.getElementById(button.dataset.copies).textContent);
        said.textContent = "Copied.";
      } catch {
        said.textContent = "Your browser did not allow it: select the text, and copy it yourself.";
      }
    });
    button.hidden = false;
  }
})();
