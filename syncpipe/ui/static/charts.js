// Draws the last half hour of each target, in the colours of the theme.
(function () {
  "use strict";

  const sp = window.syncpipe;
  const home = document.querySelector("[data-charts]");
  const charts = new Map();
  let latest = null;

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function number(value) {
    return value === null || value === undefined ? "–" : value.toLocaleString("en", { maximumFractionDigits: 1 });
  }

  function time(seconds) {
    return new Date(seconds * 1000).toTimeString().slice(0, 8);
  }

  function lines(kind) {
    if (kind === "depth") {
      return [{ name: "depth", label: "Waiting", stroke: colour("--flower-warning"), dash: [] }];
    }
    return [
      { name: "arriving", label: "In", stroke: colour("--flower-active"), dash: [5, 4] },
      { name: "finished", label: "Out", stroke: colour("--flower-success"), dash: [] },
    ];
  }

  function options(figure, width) {
    const axis = {
      stroke: colour("--flower-text-muted"),
      grid: { stroke: colour("--bs-border-color"), width: 0.5 },
      ticks: { show: false },
      font: "12px system-ui, sans-serif",
    };
    return {
      width: width,
      height: 150,
      cursor: { drag: { x: false, y: false } },
      scales: {
        // A minute at least, so that the first look is a point in it.
        x: { range: (chart, low, high) => [Math.min(low, high - 60), high] },
        y: { range: (chart, low, high) => [0, Math.max(1, high * 1.1)] },
      },
      axes: [
        { ...axis, size: 34, space: 90, values: (chart, ticks) => ticks.map(time) },
        { ...axis, size: 56, values: (chart, ticks) => ticks.map((tick) => number(tick)) },
      ],
      series: [
        { value: (chart, at) => (at === null ? "–" : time(at)), label: "At" },
        ...lines(figure.dataset.chartOf).map((line) => ({
          label: line.label,
          stroke: line.stroke,
          dash: line.dash,
          width: 2,
          points: { show: false },
          value: (chart, value) => number(value),
        })),
      ],
    };
  }

  function draw(figure) {
    const place = figure.querySelector(".sp-chart");
    const found = latest.targets[figure.dataset.chart];
    if (!found) {
      return;
    }
    const drawn = lines(figure.dataset.chartOf);
    const data = [latest.at_s, ...drawn.map((line) => found[line.name])];
    const last = drawn.map((line) => line.label + " " + number(found[line.name].at(-1))).join(", ");
    place.setAttribute("role", "img");
    place.setAttribute("aria-label", "The last half hour. Now: " + last + ".");
    let chart = charts.get(figure);
    if (chart) {
      chart.setData(data);
    } else {
      chart = new window.uPlot(options(figure, place.clientWidth), data, place);
      charts.set(figure, chart);
    }
    // Where nobody points, the last values stand; uPlot sets its own after this.
    setTimeout(() => {
      if (charts.get(figure) === chart && chart.cursor.left < 0) {
        chart.setLegend({ idx: data[0].length - 1 });
      }
    }, 0);
  }

  function redraw() {
    charts.forEach((chart) => chart.destroy());
    charts.clear();
    sp.each("[data-chart]", draw, home);
  }

  async function ask() {
    if (latest && !sp.live()) {
      return;
    }
    try {
      const answer = await fetch(home.dataset.charts);
      if (answer.ok) {
        latest = (await answer.json()).history;
        sp.each("[data-chart]", draw, home);
      }
    } catch (error) {
      // The switch of the refreshing tells.
    }
  }

  if (home) {
    new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-bs-theme"] });
    new ResizeObserver(() => {
      charts.forEach((chart, figure) => {
        chart.setSize({ width: figure.querySelector(".sp-chart").clientWidth, height: 150 });
      });
    }).observe(home);
    ask();
    setInterval(ask, 2000);
  }
})();
