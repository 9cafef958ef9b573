// Shows times in the reader's zone. The service writes them in UTC, which is the title of an element from then on.
// `data-shown` says what a <time> shows: a moment, its day, its time (clock), a date that is no moment, or something else
// with the moment as its title. Numbers and names of months are those of the page's language in the reader's region.
"use strict";

(() => {
  const page = document.documentElement.lang;
  const isRegional = page.includes("-");
  const locale = (!isRegional && navigator.languages.find((each) => each.split("-")[0] === page)) || page;
  const moment = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
  const formats = {
    moment,
    title: moment,
    clock: new Intl.DateTimeFormat(locale, { timeStyle: "medium" }),
    day: new Intl.DateTimeFormat(locale, { dateStyle: "medium" }),
    date: new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeZone: "UTC" }),
  };

  const show = (element) => {
    const at = new Date(element.dateTime);
    const format = formats[element.dataset.shown];
    if (!format || Number.isNaN(at.getTime())) return;
    const text = format.format(at);
    if (element.dataset.shown === "title") {
      element.title = `${text} (${element.title})`;
    } else {
      if (element.dataset.shown !== "date") element.title = element.textContent;
      element.textContent = text;
    }
    delete element.dataset.shown;
  };
  const showAll = (root) => root.querySelectorAll("time[data-shown]").forEach(show);

  showAll(document);
  // Parts that a page asks for later.
  document.addEventListener("htmx:load", (event) => {
    showAll(event.detail.elt.parentElement ?? event.detail.elt);
  });
})();
