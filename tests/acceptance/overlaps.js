() => {
  const controls = "input, select, button";
  const beside = ".visually-hidden, thead, .u-legend, option, .sp-toasts, svg";
  const home = document.querySelector("dialog[open]") || document.querySelector("main");
  const shown = [...home.querySelectorAll("*")].filter((each) => {
    const own = [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    return (own || each.matches(controls)) && getComputedStyle(each).visibility === "visible"
      && each.checkVisibility() && !each.closest(beside);
  });

  // What is left of a box inside of everything that cuts it off.
  const seen = (each, { left, right, top, bottom }) => {
    for (let up = each.parentElement; up; up = up.parentElement) {
      const style = getComputedStyle(up);
      if (/(auto|scroll|hidden)/.test(style.overflowX + style.overflowY)) {
        const clip = up.getBoundingClientRect();
        [left, right] = [Math.max(left, clip.left), Math.min(right, clip.right)];
        [top, bottom] = [Math.max(top, clip.top), Math.min(bottom, clip.bottom)];
      }
    }
    return { each, left, right, top, bottom };
  };

  // A box for each line of its own text, or for the control.
  const boxes = shown.flatMap((each) => {
    const found = each.matches(controls) ? [each.getBoundingClientRect()] : [...each.childNodes]
      .filter((node) => node.nodeType === 3 && node.data.trim())
      .flatMap((node) => {
        const range = document.createRange();
        range.selectNodeContents(node);
        return [...range.getClientRects()];
      });
    return found.map((box) => seen(each, box));
  }).filter((box) => box.right - box.left > 1 && box.bottom - box.top > 1);

  const found = [];
  boxes.forEach((a, i) => boxes.slice(i + 1).forEach((b) => {
    if (a.each.contains(b.each) || b.each.contains(a.each)) {
      return;
    }
    const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const tall = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (wide > 3 && tall > 6) {
      found.push(a.each.outerHTML.slice(0, 90) + " | " + b.each.outerHTML.slice(0, 90));
    }
  }));
  return found;
}
