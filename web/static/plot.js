// Draws what stands in the attribute data-series of each figure.plot (series.JSON in plot.go) with uPlot, in the colours of the theme. What it draws is in
// the table below it too, which is what readers of screens get.
(function () {
  "use strict";
  var dashes = [[], [8, 4], [2, 3], [10, 4, 2, 4]]; // lines differ by more than their colour
  var colours = ["--busy", "--fair", "--good", "--bad"];
  var ticks = [ // from how many seconds apart: what stands at each tick, and at the first one of a year, month and day
    [31536000, "{YYYY}", null, null, null, null, null, null, 1],
    [2419200, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
    [86400, "{D} {MMM}", "\n{YYYY}", null, null, null, null, null, 1],
    [60, "{HH}:{mm}", "\n{D} {MMM} {YYYY}", null, "\n{D} {MMM}", null, null, null, 1],
    [1, "{HH}:{mm}:{ss}", "\n{D} {MMM} {YYYY}", null, "\n{D} {MMM}", null, null, null, 1],
    [0.001, "{HH}:{mm}:{ss}.{fff}", "\n{D} {MMM} {YYYY}", null, "\n{D} {MMM}", null, null, null, 1]
  ];
  var drawn = []; // figures and their plots

  function number(value) {
    return value == null ? "–" : value.toLocaleString("en", { maximumSignificantDigits: 6 }).replace(/,/g, "\u202f").replace("-", "−");
  }
  function style(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }

  function draw(figure) {
    var series = JSON.parse(figure.dataset.series);
    if (!series.times.length) return null;
    var area = figure.querySelector(".area");
    if (!area) {
      area = document.createElement("div");
      area.className = "area";
      area.setAttribute("aria-hidden", "true");
      figure.insertBefore(area, figure.querySelector("details"));
    }
    var grid = { stroke: style("--pico-muted-border-color"), width: 1 };
    var text = style("--pico-color"), font = "12px " + getComputedStyle(document.body).fontFamily;
    var unit = series.unit ? " " + series.unit : "";
    var lines = series.lines.map(function (line, i) {
      var colour = style(colours[i % colours.length]);
      return {
        label: line.name, stroke: colour, width: 2, dash: dashes[i % dashes.length], spanGaps: false,
        paths: series.steps ? uPlot.paths.stepped({ align: 1 }) : uPlot.paths.linear(),
        points: { show: series.times.length <= 60, size: 6, fill: colour, stroke: colour },
        value: function (_, value) { return value == null ? "–" : number(value) + unit; }
      };
    });
    return new uPlot({
      width: width(figure), height: series.small ? 130 : 220,
      tzDate: function (seconds) { return uPlot.tzDate(new Date(seconds * 1e3), "Etc/UTC"); },
      cursor: { drag: { x: false, y: false } },
      scales: { y: { range: function (_, low, high) { return around(low, high); } } },
      series: [{ label: "UTC", value: "{YYYY}-{MM}-{DD} {HH}:{mm}:{ss}" }].concat(lines),
      axes: [
        { stroke: text, font: font, grid: grid, ticks: grid, values: ticks, space: 70 },
        { stroke: text, font: font, grid: grid, ticks: grid, values: function (_, at) { return at.map(number); }, space: 28, size: function (_, shown) {
          return 16 + 7.5 * Math.max.apply(null, (shown || [""]).map(function (s) { return s.length; }));
        } }
      ]
    }, [series.times].concat(series.lines.map(function (line) { return line.values; })), area);
  }

  // around is a range with some room above and below its values.
  function around(low, high) {
    if (low == null) return [0, 1];
    var room = (high - low) / 10 || Math.abs(high) / 10 || 1;
    return [low >= 0 && low < room ? 0 : low - room, high + room];
  }

  function width(figure) { return Math.max(figure.clientWidth, 120); }

  function drawAll(root) {
    drawn = drawn.filter(function (one) { return one.figure.isConnected; });
    var found = Array.from(root.querySelectorAll("figure.plot[data-series]"));
    if (root.matches && root.matches("figure.plot[data-series]")) found.push(root);
    found.forEach(function (figure) {
      if (drawn.some(function (one) { return one.figure === figure; })) return;
      var plot = draw(figure);
      if (!plot) return;
      drawn.push({ figure: figure, plot: plot });
      sizes.observe(figure);
    });
  }

  var sizes = new ResizeObserver(function (changes) {
    changes.forEach(function (change) {
      drawn.forEach(function (one) {
        if (one.figure === change.target && one.plot.width !== width(one.figure)) one.plot.setSize({ width: width(one.figure), height: one.plot.height });
      });
    });
  });

  drawAll(document);
  document.addEventListener("htmx:load", function (event) { drawAll(event.detail.elt); });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", function () {
    drawn.forEach(function (one) {
      one.plot.destroy();
      one.plot = draw(one.figure);
    });
  });
})();
