// What a person is at in a part of the page outlives that the part is replaced: by what looks again by itself, by what shows what an action changed, and
// by the answer to a search.
(function () {
  "use strict";
  // A link that is replaced between press and release is never followed: what comes meanwhile waits for the release.
  var pressed = null, late = new Set();
  document.addEventListener("pointerdown", function (event) { pressed = event.target; });
  ["pointerup", "pointercancel"].forEach(function (end) {
    document.addEventListener(end, function () {
      setTimeout(function () {
        pressed = null;
        late.forEach(function (asker) { if (asker.isConnected) htmx.trigger(asker, asker.tagName === "FORM" ? "submit" : "acted"); });
        late.clear();
      });
    });
  });

  function repeats(asker) { return (asker.getAttribute("hx-trigger") || "").startsWith("every "); }

  var sent = null; // the form that was sent last
  document.addEventListener("htmx:beforeRequest", function (event) {
    if (event.detail.requestConfig.verb !== "get") sent = event.detail.requestConfig.elt.closest("form");
  });

  function place(element) { // where it stands, by what stays the same when the part is made anew
    var within = element.closest("[id]"), form = element.form;
    return [within ? within.id : "", form ? form.id || form.getAttribute("action") : "", element.tagName, element.name || element.getAttribute("href") || element.textContent,
      /^(checkbox|radio|submit|hidden)$/.test(element.type) ? element.value : ""].join("\n");
  }
  function each(root, selector, found) { // with what tells it from others of the same place
    var seen = {};
    root.querySelectorAll(selector).forEach(function (element) {
      var key = place(element);
      seen[key] = (seen[key] || 0) + 1;
      found(key + "\n" + seen[key], element);
    });
  }
  var fields = "input, select, textarea", reachable = "a[href], button, summary, pre[tabindex], " + fields;

  function changed(field) {
    if (field.tagName === "SELECT") return Array.from(field.options).some(function (o) { return o.selected !== o.defaultSelected; });
    return field.type === "checkbox" || field.type === "radio" ? field.checked !== field.defaultChecked : field.type !== "file" && field.value !== field.defaultValue;
  }

  // noted is what a person has opened, scrolled, written and reached in a part.
  function noted(part) {
    var note = { opened: {}, scrolled: {}, written: {}, reached: "" };
    each(part, "details[open] > summary", function (key, summary) { if (!sent || !summary.parentElement.contains(sent)) note.opened[key] = true; });
    each(part, "pre, .wide", function (key, box) { if (box.scrollTop || box.scrollLeft) note.scrolled[key] = [box.scrollLeft, box.scrollTop]; });
    each(part, fields, function (key, field) {
      if (changed(field) && (field.type === "checkbox" || !sent || field.form !== sent)) note.written[key] = field.type === "checkbox" || field.type === "radio" ? field.checked : field.value;
    });
    each(part, reachable, function (key, element) { if (element === document.activeElement && !(sent && element.form === sent)) note.reached = key; });
    return note;
  }
  function restored(part, note) {
    each(part, "details > summary", function (key, summary) { if (note.opened[key]) summary.parentElement.open = true; });
    each(part, "pre, .wide", function (key, box) { if (note.scrolled[key]) box.scrollTo(note.scrolled[key][0], note.scrolled[key][1]); });
    each(part, fields, function (key, field) {
      if (!(key in note.written)) return;
      if (typeof note.written[key] === "boolean") field.checked = note.written[key];
      else field.value = note.written[key];
    });
    each(part, reachable, function (key, element) { if (key === note.reached) element.focus({ preventScroll: true }); });
  }

  document.addEventListener("htmx:beforeSwap", function (event) {
    var asker = event.detail.requestConfig.elt, part = event.detail.target;
    if (event.detail.requestConfig.verb !== "get" || !event.detail.shouldSwap) return;
    var chosen = document.getSelection();
    if (repeats(asker) && !chosen.isCollapsed && part.contains(chosen.anchorNode)) event.detail.shouldSwap = false; // somebody copies from it
    if (pressed && part.contains(pressed)) {
      event.detail.shouldSwap = false;
      if (!repeats(asker)) late.add(asker);
    }
    if (!event.detail.shouldSwap || asker !== part) return;
    var note = noted(part), parent = part.parentElement, at = Array.prototype.indexOf.call(parent.children, part);
    document.addEventListener("htmx:afterSwap", function () { if (parent.children[at]) restored(parent.children[at], note); }, { once: true });
  });
})();
