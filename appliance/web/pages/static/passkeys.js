// Asks the browser for a passkey, which only a script can do. A form with `data-passkey` ("create" or "get") is shown where
// the browser can; sending it fetches what to ask for from `data-options`, and then sends what the browser gave. Passkeys are
// good at one origin, `data-origin`; anywhere else what has `data-elsewhere` is shown in the form's place.
"use strict";

(() => {
  const able = window.PublicKeyCredential
    && PublicKeyCredential.parseCreationOptionsFromJSON
    && PublicKeyCredential.parseRequestOptionsFromJSON;
  if (!able) return;

  const ask = async (form) => {
    const answer = await fetch(form.dataset.options, {
      method: "POST",
      body: new URLSearchParams({ csrf: form.elements.csrf.value }),
    });
    if (!answer.ok) throw new Error(`answered ${answer.status}`);
    const options = await answer.json();
    return form.dataset.passkey === "create"
      ? navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) })
      : navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
  };

  for (const form of document.querySelectorAll("form[data-passkey]")) {
    if (form.dataset.origin !== location.origin) {
      for (const each of document.querySelectorAll("[data-elsewhere]")) each.hidden = false;
      continue;
    }
    const refused = form.querySelector("[data-refused]");
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      refused.hidden = true;
      try {
        const credential = await ask(form);
        form.elements.credential.value = JSON.stringify(credential);
        form.submit();
      } catch {
        refused.hidden = false;
      }
    });
    form.hidden = false;
  }
  for (const each of document.querySelectorAll("[data-without-passkey]")) each.hidden = true;
})();
