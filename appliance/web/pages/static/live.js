// Rules for the requests that htmx makes on our pages. An element with `data-live` asks again and again for a part of the
// page, but only while the page can be seen. It names the version that it has (`data-etag`, of itself or of what is around
// it), so that an unchanged part is neither sent nor touched. It waits when it is told to, and it is replaced by the reason
// when there is nothing more to ask for. A form is answered beside itself, with a refusal too.
"use strict";

(() => {
  const GONE = [401, 403, 404];
  const versions = new Map();
  let waitUntil = 0;
  const isLive = (event) => event.detail.elt.hasAttribute("data-live");
  const path = (event) => event.detail.elt.getAttribute("data-hx-get");

  document.addEventListener("htmx:beforeRequest", (event) => {
    if (isLive(event) && (document.hidden || Date.now() < waitUntil)) event.preventDefault();
  });
  document.addEventListener("htmx:configRequest", (event) => {
    if (!isLive(event)) return;
    const around = event.detail.elt.closest("[data-etag]");
    const version = versions.get(path(event)) ?? around?.dataset.etag;
    if (version) event.detail.headers["If-None-Match"] = version;
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr, requestConfig } = event.detail;
    const asking = requestConfig.elt;
    if (asking.matches("form")) {
      event.detail.shouldSwap = true;
      event.detail.isError = false;
    } else if (xhr.status === 200) {
      versions.set(asking.getAttribute("data-hx-get"), xhr.getResponseHeader("ETag"));
    } else {
      // 304, or a refusal that may be over the next time.
      event.detail.shouldSwap = GONE.includes(xhr.status);
      event.detail.isError = false;
      if (event.detail.shouldSwap) {
        event.detail.target = asking;
        event.detail.swapOverride = "outerHTML";
      }
      waitUntil = Date.now() + 1000 * (Number(xhr.getResponseHeader("Retry-After")) || 0);
    }
  });
})();
