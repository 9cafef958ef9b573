"use strict";
// Replaces what changed. Without scripts, the page reloads itself.
const news = document.getElementById("news");
const source = new EventSource(document.body.dataset.events);
let over = false;

const say = (text) => {
  if (news.textContent !== text) news.textContent = text;
};

source.addEventListener("open", () => say("This page is live."));
source.addEventListener("rows", (message) => {
  for (const [id, html] of Object.entries(JSON.parse(message.data))) {
    const made = document.createElement("template");
    made.innerHTML = html;
    const shown = document.getElementById(id), next = made.content.firstElementChild;
    if (shown && next && !shown.isEqualNode(next)) shown.replaceWith(next);
  }
  document.title = document.getElementById("result").dataset.title;
});
source.addEventListener("shape", () => {
  source.close();
  location.reload();
});
source.addEventListener("over", (message) => {
  over = true;
  say(JSON.parse(message.data));
});
source.addEventListener("error", () => {
  if (over) source.close();
  else if (source.readyState === EventSource.CLOSED) say("This page is not live: too many look at it. Reload it.");
  else say("The connection is lost. It is tried again.");
});
