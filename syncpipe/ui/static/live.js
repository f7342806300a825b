// Keeps parts of a page up to date, copies commands, and answers keys.
//
// An element with data-live="ADDRESS" is asked for again every data-live-every milliseconds while
// the page can be seen and nobody has paused it. Whoever changes a part listens for "sp:part".
(function () {
  "use strict";

  const sp = (window.syncpipe = {});
  const storageKey = "syncpipe-paused";
  const text = document.querySelector("[data-live-text]");
  const dot = document.querySelector("[data-live-dot]");
  const button = document.querySelector("[data-live-switch]");
  let paused = sessionStorage.getItem(storageKey) === "1";
  let failed = "";

  sp.each = function (selector, action, root) {
    Array.prototype.forEach.call((root || document).querySelectorAll(selector), action);
  };

  // What a part of a page holds; an error is a part too, and is shown.
  sp.part = async function (address) {
    const answer = await fetch(address, { headers: { "X-Part": "1" }, redirect: "manual" });
    if (answer.type === "opaqueredirect" || answer.status === 401) {
      location.reload();
    }
    return { ok: answer.ok, html: await answer.text() };
  };

  // Put html into an element, and keep what has the focus, what is open, and where it is scrolled.
  sp.put = function (element, html) {
    if (element.syncpipeHtml === html) {
      return;
    }
    const focused = element.contains(document.activeElement) && document.activeElement;
    const mark = focused && (focused.id || focused.getAttribute("data-key") || focused.getAttribute("href"));
    const scrolled = {};
    sp.each("[data-scroll]", (each) => { scrolled[each.dataset.scroll] = each.scrollLeft; }, element);
    element.innerHTML = html;
    element.syncpipeHtml = html;
    sp.each("[data-scroll]", (each) => { each.scrollLeft = scrolled[each.dataset.scroll] || 0; }, element);
    if (mark) {
      sp.each("[id], [data-key], [href]", (each) => {
        if ([each.id, each.getAttribute("data-key"), each.getAttribute("href")].includes(mark)) {
          each.focus({ preventScroll: true });
        }
      }, element);
    }
    element.dispatchEvent(new CustomEvent("sp:part", { bubbles: true }));
  };

  sp.refresh = async function (element) {
    if (element.syncpipeAsking || element.hasAttribute("data-busy")) {
      return;
    }
    element.syncpipeAsking = true;
    const address = element.dataset.live;
    const began = Date.now();
    try {
      const found = await sp.part(address);
      failed = found.ok ? "" : "Trouble";
      // Somebody may have gone elsewhere meanwhile.
      if (element.isConnected && element.dataset.live === address && !selecting(element)) {
        sp.put(element, found.html);
      }
    } catch (error) {
      failed = "No answer";
    } finally {
      element.syncpipeAsking = false;
      element.syncpipeAt = Date.now();
      element.syncpipeTook = element.syncpipeAt - began;
      tell();
    }
  };

  sp.refreshAll = function () {
    sp.each("[data-live]", sp.refresh);
  };

  sp.seen = function () {
    return !document.hidden && document.hasFocus();
  };

  sp.live = function () {
    return !paused && sp.seen();
  };

  sp.toast = function (message, bad) {
    const home = document.getElementById("toast-container");
    const toast = document.createElement("div");
    toast.className = "sp-toast" + (bad ? " sp-toast-bad" : "");
    toast.textContent = message;
    // A dialog that is open lies above everything else.
    const above = document.querySelector("dialog[open]:last-of-type");
    (above ? above.querySelector("[data-toasts]") || above : home).append(toast);
    setTimeout(() => toast.remove(), 4000);
  };

  sp.copy = async function (what) {
    try {
      await navigator.clipboard.writeText(what);
    } catch (error) {
      const area = document.createElement("textarea");
      area.value = what;
      (document.querySelector("dialog[open]:last-of-type") || document.body).append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    sp.toast("Copied: " + what);
  };

  function selecting(element) {
    const selection = document.getSelection();
    return selection && !selection.isCollapsed && element.contains(selection.anchorNode);
  }

  function tell() {
    if (!text) {
      return;
    }
    const resting = !paused && !sp.seen();
    text.textContent = paused ? "Paused" : failed || (resting ? "Resting" : "Live");
    dot.classList.toggle("status-dot-live", !paused && !failed && !resting);
    dot.classList.toggle("status-dot-error", Boolean(failed));
    button.textContent = paused ? "Resume" : "Pause";
    button.setAttribute("aria-pressed", String(paused));
  }

  function due() {
    if (sp.live()) {
      sp.each("[data-live]", (each) => {
        // What takes long is asked for more seldom: a tenth of the time at most goes into it.
        const pause = Math.max(Number(each.dataset.liveEvery), 9 * (each.syncpipeTook || 0));
        if (Date.now() - each.syncpipeAt >= pause) {
          sp.refresh(each);
        }
      });
    }
  }

  document.addEventListener("click", (event) => {
    const copied = event.target.closest("[data-copy]");
    if (copied) {
      sp.copy(copied.dataset.copy);
    }
  });

  if (button) {
    button.addEventListener("click", () => {
      paused = !paused;
      sessionStorage.setItem(storageKey, paused ? "1" : "0");
      tell();
      due();
    });
  }

  sp.typing = function (event) {
    return event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, textarea, select");
  };

  document.addEventListener("keydown", (event) => {
    if (event.key === "r" && !sp.typing(event)) {
      sp.refreshAll();
      sp.toast("Refreshed.");
    }
  });

  sp.each("[data-live]", (each) => { each.syncpipeAt = Date.now(); });
  ["focus", "blur"].forEach((name) => window.addEventListener(name, () => { tell(); due(); }));
  document.addEventListener("visibilitychange", () => { tell(); due(); });
  setInterval(due, 250);
  tell();
})();
