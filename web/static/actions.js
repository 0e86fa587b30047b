// What a person asks for is asked for once, however often and long the button is pressed, and what came of it is said on the page, also where no answer
// came or one that says no.
(function () {
  "use strict";
  var awaited = new Set(); // forms whose answer is on its way

  function acting(control) { return control && control.form && control.form.method === "post"; }

  document.addEventListener("click", function (event) { // the second press of a double click
    var button = event.target.closest("button");
    if (event.detail > 1 && button && button.type === "submit" && acting(button)) {
      event.preventDefault();
      event.stopPropagation();
    }
  }, true);
  document.addEventListener("keydown", function (event) { // a key that is held
    if (event.repeat && event.key === "Enter" && event.target.tagName !== "TEXTAREA" && acting(event.target)) event.preventDefault();
  }, true);
  document.addEventListener("htmx:confirm", function (event) {
    if (event.detail.verb !== "get" && awaited.has(event.target.closest("form"))) event.preventDefault();
  });

  function waiting(event, is) {
    var config = event.detail.requestConfig, form = config.elt.closest("form"), by = config.triggeringEvent && config.triggeringEvent.submitter;
    if (config.verb === "get" || !form) return;
    awaited[is ? "add" : "delete"](form);
    event.detail.target.classList.toggle("waits", is); // what stands there is of an action before
    if (by) by[is ? "setAttribute" : "removeAttribute"]("aria-busy", "true");
  }
  document.addEventListener("htmx:beforeRequest", function (event) { waiting(event, true); });
  document.addEventListener("htmx:afterRequest", function (event) { waiting(event, false); });

  // said is what an answer says went wrong, as a page or as a problem of the API; null: it says nothing.
  function said(request) {
    var kind = request.getResponseHeader("Content-Type") || "", problem = {};
    if (kind.startsWith("text/html")) return new DOMParser().parseFromString(request.responseText, "text/html").querySelector(".box.bad[role=alert]");
    if (kind.startsWith("application/problem+json")) problem = JSON.parse(request.responseText);
    return problem.detail ? box((problem.title || "Failed") + ". " + problem.detail) : null;
  }

  function box(text) {
    var made = document.createElement("div"), line = document.createElement("p");
    made.className = "box bad";
    made.setAttribute("role", "alert");
    line.textContent = text;
    made.append(line);
    return made;
  }

  function failed(event) {
    var request = event.detail.xhr, target = event.detail.target, looks = event.detail.requestConfig.verb === "get";
    var why = request.status ? "The server answered " + request.status + " " + request.statusText + "." : "The server does not answer.";
    var shown = (request.status && said(request)) || box(why + (looks ? " What stands here may have changed meanwhile."
      : " Whether this was done is not known: look before you do it again."));
    if (looks && request.status === 404 && (event.detail.requestConfig.triggeringEvent || {}).type === "acted") { // what the action removed: the answer to it says so
      target.replaceChildren();
      return;
    }
    if (!looks) {
      target.replaceChildren(shown);
      return;
    }
    target.querySelectorAll(":scope > .outage").forEach(function (before) { before.remove(); });
    shown.classList.add("outage");
    target.prepend(shown);
  }
  document.addEventListener("htmx:sendError", failed);
  document.addEventListener("htmx:responseError", failed);

  // An address is entered into the history once, and what is typed into one field is one step of it.
  var typed = null;
  document.addEventListener("htmx:beforeHistoryUpdate", function (event) {
    var change = event.detail.history, by = event.detail.requestConfig.triggeringEvent;
    var field = by && by.type === "input" ? by.target : null;
    if (change.path === location.pathname + location.search || (field && field === typed)) change.type = "replace";
    typed = field;
  });
})();
