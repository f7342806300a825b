// What is open beside the list, in the address too, so that it can be passed on; keys; selection.
(function () {
  "use strict";

  const sp = window.syncpipe;
  const drawer = document.getElementById("sp-drawer");
  const content = drawer.querySelector("[data-drawer]");
  const help = document.getElementById("sp-help");
  let timer = 0;
  let opened = drawer.dataset.open || "";
  let first = opened;

  function address(name) {
    const query = new URLSearchParams(location.search);
    if (name) {
      query.set("open", name);
    } else {
      query.delete("open");
    }
    const text = query.toString();
    return location.pathname + (text ? "?" + text : "");
  }

  function partOf(name) {
    return drawer.dataset.address + "?" + new URLSearchParams({ part: "drawer", open: name });
  }

  function again() {
    clearTimeout(timer);
    const every = content.querySelector("[data-again]");
    if (every && drawer.open) {
      timer = setTimeout(async () => {
        if (sp.live() && !content.querySelector("form:not([hidden])")) {
          await load(opened);
        }
        again();
      }, Number(every.dataset.again));
    }
  }

  async function load(name) {
    const found = await sp.part(partOf(name)).catch(() => null);
    if (found && name === opened) {
      sp.put(content, found.html);
    }
  }

  // Who listens hears what has opened; nothing looks as if it were chosen.
  function title() {
    content.querySelector("#sp-drawer-title").focus({ preventScroll: true });
  }

  function showForm(name) {
    sp.each("form[data-form]", (form) => {
      form.hidden = form.dataset.form !== name;
      if (!form.hidden) {
        form.scrollIntoView({ block: "nearest" });
        const first = form.querySelector("input:not([type=hidden]), select");
        if (first) {
          first.focus();
        }
      }
    }, content);
    sp.each("[data-show]", (button) => button.setAttribute("aria-expanded", String(button.dataset.show === name)), content);
  }

  async function open(name, form, keep) {
    opened = name;
    if (!keep) {
      history.pushState({ open: name }, "", address(name));
    }
    if (!drawer.open) {
      first = name;
      content.innerHTML = '<p class="sp-drawer-body sp-quiet" role="status">One moment…</p>';
      content.syncpipeHtml = "";
      drawer.showModal();
    }
    await load(name);
    content.querySelector(".sp-drawer-body").scrollTop = 0;
    title();
    if (form) {
      showForm(form);
    }
    again();
  }

  function close(keep) {
    clearTimeout(timer);
    if (drawer.open) {
      drawer.close();
    }
    if (opened && !keep) {
      history.pushState({}, "", address(""));
    }
    opened = "";
  }

  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-drawer-open]");
    if (opener && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      open(opener.dataset.drawerOpen, opener.dataset.drawerForm);
      return;
    }
    const shown = event.target.closest("[data-show]");
    if (shown) {
      const form = content.querySelector('form[data-form="' + shown.dataset.show + '"]');
      showForm(form && form.hidden ? shown.dataset.show : "");
      return;
    }
    if (event.target.closest("[data-help]")) {
      help.showModal();
    }
    const dialog = event.target.closest("dialog");
    if (dialog && (event.target === dialog || event.target.closest("[data-close]"))) {
      dialog.close();
    }
    const selected = event.target.closest("[data-selected]");
    if (selected) {
      open("where:id:" + chosen().join(","));
    }
    const verify = event.target.closest("[data-verify]");
    if (verify) {
      verified(verify.dataset.verify);
    }
  });

  async function verified(place) {
    const line = document.querySelector("[data-verdict]");
    const answer = await fetch(place);
    const said = await answer.json();
    line.hidden = false;
    line.classList.toggle("sp-refused", !answer.ok || !said.ok);
    line.textContent = !answer.ok ? said.message + " " + said.hint
      : said.ok ? "Every entry is right, of " + said.entries.toLocaleString("en") + ". Head " + said.head + ". " + said.unknown
        : "Entry " + said.broken + " is not right: " + said.what;
  }

  function chosen() {
    return Array.prototype.map.call(document.querySelectorAll("[data-select]:checked"), (box) => box.dataset.select);
  }

  function count() {
    const button = document.querySelector("[data-selected]");
    if (button) {
      button.hidden = !chosen().length;
      button.textContent = "Selected " + chosen().length + "…";
    }
  }

  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-select]")) {
      // What is selected must not vanish under the pointer.
      document.getElementById("sp-part").toggleAttribute("data-busy", chosen().length > 0);
      count();
    }
  });

  drawer.addEventListener("close", () => {
    close();
    // The list may have been refreshed behind it: what had the focus is another element by now.
    const active = document.activeElement;
    if (!active || active === document.body || drawer.contains(active)) {
      const link = document.querySelector('#sp-part [data-drawer-open="' + CSS.escape(first) + '"]');
      if (link) {
        link.focus({ preventScroll: true });
      }
    }
  });
  drawer.addEventListener("sp:done", async (event) => {
    const { then, said } = event.detail;
    document.getElementById("sp-part").removeAttribute("data-busy");
    sp.refreshAll();
    if (then === "replay") {
      await open("replay:" + said.id);
    } else if (then === "letter") {
      await open("letter:" + said.id);
      sp.toast("It is in its place. Replay it when you are ready.");
    } else if (then === "again") {
      await load(opened);
      again();
    } else {
      close();
      sp.toast("Done" + (said.number === undefined ? "." : ": " + said.number.toLocaleString("en") + " dead letters."));
    }
  });
  drawer.addEventListener("submit", async (event) => {
    const form = event.target.closest("[data-reveal]");
    if (form) {
      event.preventDefault();
      const answer = await fetch(drawer.dataset.address, {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-Part": "1" },
        body: JSON.stringify({ open: form.dataset.reveal, reason: form.elements.reason.value }),
      });
      sp.put(content, await answer.text());
    }
  });

  document.addEventListener("keydown", (event) => {
    if (sp.typing(event)) {
      return;
    }
    if (event.key === "/" && !drawer.open && !help.open) {
      event.preventDefault();
      document.getElementById("sp-where").select();
    } else if (event.key === "?" && !help.open) {
      help.showModal();
    }
  });

  window.addEventListener("popstate", () => {
    const name = new URLSearchParams(location.search).get("open");
    if (name) {
      open(name, "", true);
    } else {
      close(true);
    }
  });

  if (opened) {
    content.syncpipeHtml = content.innerHTML;
    drawer.showModal();
    title();
    again();
  }
})();
