// The little that the page needs besides htmx: the key / goes to the search, what was opened in a page can be closed, and pre blocks get a button
// that copies them.
(function () {
  "use strict";
  document.addEventListener("keydown", function (event) {
    var at = document.activeElement;
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || (at && /^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName))) return;
    var search = document.getElementById("search");
    if (search) {
      event.preventDefault();
      search.focus();
      search.select();
    }
  });
  document.addEventListener("click", function (event) { // a button that closes what was opened around it
    var button = event.target.closest("[data-empties]"), opened = button && button.closest("[aria-live]");
    if (!opened) return;
    var opener = document.querySelector('[hx-target="#' + opened.id + '"]');
    opened.textContent = "";
    if (opener) opener.focus();
  });
  function addCopies(root) {
    root.querySelectorAll("figure.call").forEach(function (figure) {
      if (figure.querySelector("button") || !navigator.clipboard) return;
      var button = document.createElement("button");
      button.type = "button";
      button.className = "copy secondary outline";
      button.textContent = "Copy";
      button.addEventListener("click", function () {
        navigator.clipboard.writeText(figure.querySelector("code").textContent).then(function () {
          button.textContent = "Copied";
          setTimeout(function () { button.textContent = "Copy"; }, 1500);
        });
      });
      figure.querySelector("figcaption").append(button);
    });
  }
  // Who acts with the keyboard goes on from what came of it, where the button is gone that was pressed.
  document.addEventListener("htmx:afterSettle", function () {
    var result = document.getElementById("result");
    if (!result || !result.firstElementChild || document.activeElement !== document.body) return;
    result.tabIndex = -1;
    result.focus({preventScroll: true});
  });
  // Times to come are also shown on the clock of who looks at them.
  function addLocal(root) {
    var zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    root.querySelectorAll(".viewer[data-time]").forEach(function (at) {
      at.textContent = "· " + new Date(at.dataset.time).toLocaleString([], { dateStyle: "medium", timeStyle: "short" }) + " here (" + zone + ")";
    });
  }
  function add(root) {
    addCopies(root);
    addLocal(root);
  }
  add(document);
  document.addEventListener("htmx:load", function (event) { add(event.detail.elt); });
})();
