// Texts and controls that lie on each other, of those that are shown and not behind a dialog.
() => {
  const home = document.querySelector("dialog[open]") || document.querySelector("main");
  const shown = [...home.querySelectorAll("*")].filter((each) => {
    const own = [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    const style = getComputedStyle(each);
    return (own || each.matches("input, select, button")) && style.visibility === "visible"
      && each.checkVisibility() && !each.closest(".visually-hidden, thead, .u-legend, option, .sp-toasts, svg");
  });
  const box = (each) => {
    const range = document.createRange();
    range.selectNodeContents(each);
    const found = each.matches("input, select, button") ? each.getBoundingClientRect() : range.getBoundingClientRect();
    let { left, right, top, bottom } = found;
    for (let up = each.parentElement; up; up = up.parentElement) {
      if (/(auto|scroll|hidden)/.test(getComputedStyle(up).overflow + getComputedStyle(up).overflowY)) {
        const clip = up.getBoundingClientRect();
        [left, right, top, bottom] = [Math.max(left, clip.left), Math.min(right, clip.right), Math.max(top, clip.top), Math.min(bottom, clip.bottom)];
      }
    }
    return { each, left, right, top, bottom };
  };
  const boxes = shown.map(box).filter((b) => b.right - b.left > 1 && b.bottom - b.top > 1);
  const found = [];
  boxes.forEach((a, i) => boxes.slice(i + 1).forEach((b) => {
    if (a.each.contains(b.each) || b.each.contains(a.each)) { return; }
    const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const tall = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (wide > 3 && tall > 5) {
      found.push(a.each.outerHTML.slice(0, 90) + " | " + b.each.outerHTML.slice(0, 90));
    }
  }));
  return found;
}
