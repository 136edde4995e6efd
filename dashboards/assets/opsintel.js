/* What runs in the browser: the age of the page, and how the grid writes numbers. */
(function () {
  "use strict";
  var NBSP = "\u00a0";
  var last = { server: null, seen: 0 };

  function span(seconds) {
    if (seconds < 60) { return seconds + NBSP + "s"; }
    if (seconds < 3600) { return Math.floor(seconds / 60) + NBSP + "min"; }
    return Math.floor(seconds / 3600) + NBSP + "h";
  }

  /* 128 random bits; crypto.randomUUID is missing on plain http. */
  function key() {
    return Array.from(crypto.getRandomValues(new Uint8Array(16)), function (byte) {
      return byte.toString(16).padStart(2, "0");
    }).join("");
  }

  /* Addresses within one page change without loading it anew; Dash's Location tells the page. */
  function go(search) { window.dash_clientside.set_props("url", { search: search }); }
  document.addEventListener("click", function (event) {
    var link = event.target.closest && event.target.closest("a[href]");
    if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey
        || event.altKey || link.target || link.host !== location.host || link.pathname !== location.pathname
        || link.getAttribute("href").startsWith("#") || !document.getElementById("process-sections")) { return; }
    event.preventDefault();
    held.focus = label(link);
    held.top = link.dataset.top !== undefined ? new URLSearchParams(link.search).get("case") : null;
    go(link.search);
  });
  /* Forms of a page add to its address: `data-merge` names fields of which each stands there once, `data-add` one
     that may stand there several times. What is left empty stays as it is. */
  document.addEventListener("submit", function (event) {
    var once = event.target.dataset && event.target.dataset.merge, more = event.target.dataset && event.target.dataset.add;
    if (!once && !more) { return; }
    event.preventDefault();
    var next = new URLSearchParams(location.search), given = false;
    function value(name) { return event.target.elements[name].value.trim(); }
    (once || "").split(" ").forEach(function (name) {
      if (name && value(name)) { next.set(name, value(name)); given = true; }
    });
    if (more && value(more)) { next.append(more, value(more)); given = true; }
    if (!given) { return; }
    held.top = once === "case" ? value("case") : null;
    go("?" + next);
  });

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    opsintel: {
      /* Counted on the browser's clock from the moment an answer arrived, so that clock skew does not matter. */
      age: function (_ticks, refreshed, every, auto) {
        if (refreshed === null || refreshed === undefined) { return ["", "page-age"]; }
        if (last.server !== refreshed) { last = { server: refreshed, seen: Date.now() }; }
        var seconds = Math.max(0, Math.round((Date.now() - last.seen) / 1000));
        if (!auto) { return ["paused, read " + span(seconds) + " ago", "page-age"]; }
        if (seconds > 3 * every) { return ["not updating for " + span(seconds), "page-age page-age-lost"]; }
        return ["read " + span(seconds) + " ago", "page-age"];
      },
      /* Opens the dialog for the button that was pressed, clean and with a key of its own; closes it on Cancel. */
      dialog: function (_clicks, _cancel, explanations) {
        var keep = window.dash_clientside.no_update;
        var untouched = [keep, keep, keep, keep, keep, keep, keep, keep, keep, keep];
        var pressed = (window.dash_clientside.callback_context.triggered || []).find(function (one) { return one.value; });
        if (!pressed) { return untouched; }  // buttons were drawn anew, nobody pressed one
        var id = pressed.prop_id.slice(0, pressed.prop_id.lastIndexOf("."));
        if (id === "control-cancel") { untouched[0] = false; return untouched; }
        var chosen = JSON.parse(id);
        var verb = chosen.action.charAt(0).toUpperCase() + chosen.action.slice(1);
        var title = verb + " " + chosen.name.replace("->", " → ") + "?";
        var intent = { action: chosen.action, target: chosen.target, key: key() };
        return [true, title, explanations[chosen.action], verb, intent, "", null, null, {}, "Cancel"];
      },
      pause: function (auto) { return !auto; },
      /* The map was drawn before it was known what waits where: it is drawn once more. Set from here, because a
         callback that takes another one's output as its input would have to wait for it. */
      redrawWaits: function (waits, drawn) {
        if (waits && drawn && waits.for === drawn.for && JSON.stringify(waits) !== JSON.stringify(drawn)) {
          window.dash_clientside.set_props("process-redraw", { data: Date.now() });
        }
        return null;
      },
      /* Another stream: the address changes, what was chosen within the old one is let go. */
      chooseStream: function (value, shown) {
        if (value && value !== shown) {
          var given = new URLSearchParams(location.search), next = new URLSearchParams({ stream: value });
          ["period", "paths", "steps", "count", "times", "statistic"].forEach(function (name) { if (given.get(name)) { next.set(name, given.get(name)); } });
          go("?" + next);
        }
        return value;
      }
    }
  });

  /* Dash 4.2 to 4.4 mounts a region anew whenever it is replaced (plotly/dash#3846). What a person had open, in focus
     or held down there is put back, found again by its label. */
  var held = { open: null, focus: null, pressed: null, top: null, kept: {}, left: 0, fit: false };
  var REGION = "#sections, #process-sections", NAMED = "[data-key], [aria-label], a[href]";
  function label(node) {
    if (!node || !node.getAttribute) { return null; }
    return node.getAttribute("data-key") || node.getAttribute("aria-label") || node.getAttribute("href");
  }
  function byLabel(wanted) {
    var all = document.querySelectorAll(":is(" + REGION + ") :is(" + NAMED + ")");
    return Array.from(all).find(function (node) { return label(node) === wanted; });
  }
  function opened(details, open) {
    if (details.dataset.keep) { held.kept[details.dataset.keep] = open; }
    if (!details.matches("details.disclosure")) { return; }
    var name = label(details.querySelector("summary"));
    if (open) { held.open = name; } else if (held.open === name) { held.open = null; }
  }
  /* The browser tells of what was opened in a task of its own; until then the region may have been replaced. */
  document.addEventListener("click", function (event) {
    var summary = event.target.closest && event.target.closest("details > summary");
    if (summary && !event.defaultPrevented) { opened(summary.parentElement, !summary.parentElement.open); }
  });
  document.addEventListener("toggle", function (event) {
    if (!event.target.matches || !event.target.matches("details") || !event.target.isConnected) { return; }
    if (event.target.dataset.panel && event.target.open) {
      window.dash_clientside.set_props("process-panel", { data: true });
    }
    opened(event.target, event.target.open);
  }, true);
  document.addEventListener("focusin", function (event) {
    held.focus = event.target.closest(REGION) ? label(event.target) : null;
  });
  /* A button or link that is replaced between being pressed and being let go gets no click from the browser. */
  function press(node) {
    node = node && node.closest && node.closest("button, a[href]");
    held.pressed = node && node.closest(REGION) ? node : null;
  }
  function letGo(node) {
    var old = held.pressed, now = node && node.closest && node.closest("button, a[href]");
    held.pressed = null;
    if (old && !old.isConnected && now && label(old) && label(old) === label(now)) { now.click(); }
  }
  document.addEventListener("pointerdown", function (event) {
    held.focus = null;
    press(event.button === 0 ? event.target : null);
  });
  document.addEventListener("pointerup", function (event) { letGo(event.target); });
  document.addEventListener("pointercancel", function () { held.pressed = null; });
  document.addEventListener("keydown", function (event) {
    if (event.key === " " && !event.repeat) { press(event.target.closest("button")); }  // on a link it scrolls
  });
  document.addEventListener("keyup", function (event) {
    if (event.key === " ") { letGo(document.activeElement); }
  });
  document.addEventListener("scroll", function (event) {
    if (event.target.classList && event.target.classList.contains("pm-scroll")) { held.left = event.target.scrollLeft; }
  }, true);
  /* In the task in which the region is replaced, so that no key can be pressed in between. */
  function putBack() {
    document.querySelectorAll("details[data-keep]").forEach(function (one) {
      if (held.kept[one.dataset.keep] && !one.open) { one.open = true; }
    });
    var summary = held.open && byLabel(held.open);
    if (summary && summary.parentElement) { summary.parentElement.open = true; }
    if (held.focus && (document.activeElement === document.body || document.activeElement === null)) {
      var target = byLabel(held.focus);
      if (target) { target.focus({ preventScroll: true }); }
    }
  }
  /* What needs the layout, once a frame. */
  function settle() {
    var map = document.querySelector(".pm-scroll:not([data-seen])");
    if (map) { map.dataset.seen = "1"; map.scrollLeft = held.left; }
    fit();
    var title = document.getElementById("case-title");
    if (held.top && title && title.textContent === "Case " + held.top) {
      held.top = null;
      title.tabIndex = -1;
      title.focus({ preventScroll: true });
      title.scrollIntoView({ block: "start" });
    }
  }

  /* The map as wide as there is room, or at the size at which it reads best. */
  function fit() {
    var canvas = document.querySelector(".pm-canvas"), button = document.querySelector("[data-fit]");
    if (!canvas || !button) { return; }
    var room = canvas.parentElement.clientWidth, width = Number(canvas.dataset.width);
    canvas.style.zoom = held.fit && width > room ? room / width : "";
    button.setAttribute("aria-pressed", String(held.fit));
    button.hidden = width <= room && !held.fit;
  }
  document.addEventListener("click", function (event) {
    if (event.target.closest && event.target.closest("[data-fit]")) { held.fit = !held.fit; fit(); }
  });
  window.addEventListener("resize", fit);

  /* Regions are replaced one by one, whenever their answers come. */
  var planned = false;
  new MutationObserver(function (changes) {
    var there = changes.some(function (one) {
      return one.addedNodes.length && one.target.closest && one.target.closest("main");
    });
    if (!there) { return; }
    putBack();
    if (planned) { return; }
    planned = true;
    requestAnimationFrame(function () { planned = false; settle(); });
  }).observe(document.documentElement, { childList: true, subtree: true });

  /* Explanations close on Escape and on a click elsewhere; one is open at a time. */
  function closeOthers(kept) {
    document.querySelectorAll("details.disclosure[open]").forEach(function (one) {
      if (one !== kept) { one.removeAttribute("open"); opened(one, false); }
    });
  }
  document.addEventListener("click", function (event) { closeOthers(event.target.closest("details.disclosure")); });
  document.addEventListener("keydown", function (event) {
    if (event.key !== "Escape") { return; }
    var open = document.querySelector("details.disclosure[open]");
    if (open) { closeOthers(null); open.querySelector("summary").focus(); }
  });

  var grid = (window.dashAgGridFunctions = window.dashAgGridFunctions || {});
  function missing(value) { return value === null || value === undefined || !isFinite(value); }
  function fixed(value, digits) {
    return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  }
  grid.opsCount = function (value) { return missing(value) ? "–" : fixed(Math.round(value), 0); };
  grid.opsPercent = function (value) {
    if (missing(value)) { return "–"; }
    var shown = value * 100;
    return fixed(shown, shown === 0 ? 0 : shown < 1 ? 2 : 1) + NBSP + "%";
  };
  grid.opsMillis = function (value) {
    if (missing(value)) { return "–"; }
    return value < 999.5 ? fixed(value, 0) + NBSP + "ms" : fixed(value / 1000, 2) + NBSP + "s";
  };
})();
