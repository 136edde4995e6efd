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
      pause: function (auto) { return !auto; }
    }
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
