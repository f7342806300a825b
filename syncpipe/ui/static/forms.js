// Forms that do something: a dry run first, then the act; and the same as a command.
//
// A form's data-act is the address, data-cli the command without options, data-then what follows.
// Its inputs are members of the body by name, and options of the command by data-flag.
(function () {
  "use strict";

  const sp = window.syncpipe;

  // Values go as text into the body, so that no number is rounded on its way.
  function member(input) {
    const value = input.value.trim();
    switch (input.dataset.kind) {
      case "flag":
        return String(input.checked);
      case "whole":
        return value === "" ? null : /^\d+$/.test(value) ? value.replace(/^0+(?=\d)/, "") : JSON.stringify(value);
      case "number":
        return value === "" ? null : number(value, 1);
      case "percent":
        return value === "" ? null : number(value, 100);
      default:
        return JSON.stringify(input.type === "hidden" ? input.value : value);
    }
  }

  function number(text, by) {
    const found = Number(text.replace(",", "."));
    return Number.isFinite(found) ? String(found / by) : JSON.stringify(text);
  }

  // JSON as it was typed, or else a text.
  function written(text) {
    try {
      JSON.parse(text);
      return text;
    } catch (error) {
      return JSON.stringify(text);
    }
  }

  function edits(form) {
    const sets = [];
    const unset = [];
    sp.each("[data-field]", (input) => {
      if (input.value !== input.dataset.was) {
        sets.push([input.dataset.field, written(input.value)]);
      }
    }, form);
    sp.each("[data-unset]", (box) => {
      if (box.checked) {
        unset.push(box.dataset.unset);
      }
    }, form);
    const name = form.querySelector("[data-new-name]");
    if (name && name.value.trim()) {
      sets.push([name.value.trim(), written(form.querySelector("[data-new-value]").value)]);
    }
    return { sets: sets.filter(([each]) => !unset.includes(each)), unset: unset };
  }

  function body(form, dry) {
    const members = [];
    sp.each("[name]", (input) => {
      const value = member(input);
      if (value !== null) {
        members.push(JSON.stringify(input.name) + ":" + value);
      }
    }, form);
    if (form.dataset.form === "edit") {
      const found = edits(form);
      members.push('"set":{' + found.sets.map(([name, value]) => JSON.stringify(name) + ":" + value).join(",") + "}");
      members.push('"unset":' + JSON.stringify(found.unset));
    }
    if (dry) {
      members.push('"dry_run":true');
    }
    return "{" + members.join(",") + "}";
  }

  function quoted(text) {
    return /^[\w./:=@%+,-]+$/.test(text) ? text : "'" + text.replaceAll("'", "'\"'\"'") + "'";
  }

  function command(form) {
    const words = [form.dataset.cli];
    if (form.dataset.form === "edit") {
      const found = edits(form);
      found.sets.forEach(([name, value]) => words.push("--set " + quoted(name + "=" + value)));
      found.unset.forEach((name) => words.push("--unset " + quoted(name)));
    }
    sp.each("[data-flag]", (input) => {
      const value = input.value.trim();
      if (input.dataset.kind === "flag") {
        if (input.checked) {
          words.push(input.dataset.flag);
        }
      } else if (input.dataset.flag === "--for" && value === "0") {
        words.push("--off");
      } else if (value !== "" && value !== (input.dataset.default || "")) {
        words.push(input.dataset.flag + " " + quoted(value + (input.dataset.suffix || "")));
      }
    }, form);
    return words.join(" ");
  }

  sp.send = async function (address, text) {
    const answer = await fetch(address, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: text,
    });
    let said = {};
    try {
      said = await answer.json();
    } catch (error) {
      said = { message: "The answer cannot be read." };
    }
    return { ok: answer.ok, said: said };
  };

  // What a plan says, line by line; the order is that in which one wants to know it.
  const lines = [
    ["number", "dead letters"],
    ["records", "records"],
    ["by_target", "by target"],
    ["by_code", "by code"],
    ["changes", "would change their records, unless they are refused again"],
    ["newer", "would end as superseded: the record is newer"],
    ["applied", "were applied after all"],
    ["unknown", "cannot be told"],
    ["lost", "changes would be lost"],
    ["unreadable", "messages that nobody can read, sent as they are"],
    ["hopeless", "can only fail: no declared target, or expired"],
    ["fields", "fields that differ"],
    ["version", "version"],
  ];

  function told(value) {
    if (Array.isArray(value)) {
      return value.join(", ");
    }
    if (value && typeof value === "object") {
      return Object.entries(value).map(([name, many]) => (name || "no target") + " " + many.toLocaleString("en")).join(", ");
    }
    return typeof value === "number" ? value.toLocaleString("en") : String(value);
  }

  function plan(said) {
    // What is lost matters to who discards; who replays keeps it.
    const { number: sampled, lost, ...outlook } = said.outlook || {};
    const all = { ...said, ...outlook };
    const list = document.createElement("dl");
    lines.forEach(([name, label]) => {
      const value = all[name];
      if (value === undefined || value === null || (value === 0 && name !== "number") || told(value) === "") {
        return;
      }
      const line = document.createElement("div");
      const term = document.createElement("dt");
      const what = document.createElement("dd");
      term.textContent = told(value);
      what.textContent = label;
      line.append(term, what);
      list.append(line);
    });
    const parts = [list];
    if (sampled && sampled < all.number) {
      parts.push(note("Records were looked at for the newest " + told(sampled) + "."));
    }
    if (all.superseded) {
      parts.push(note("The record is newer: as sent, it would end as superseded."));
    }
    if (refused(said)) {
      parts.push(note("Tick the box above if these changes are not wanted: else nothing is discarded.", "sp-refused"));
    }
    return parts;
  }

  function refused(said) {
    return said.lost > 0 && !said.accept_loss;
  }

  function note(text, name) {
    const line = document.createElement("p");
    line.className = name || "sp-quiet";
    line.textContent = text;
    return line;
  }

  function show(form, parts) {
    form.querySelector("[data-plan]").replaceChildren(...parts);
  }

  function stale(form) {
    if (form.querySelector("[data-dry]")) {
      form.querySelector("[type=submit]").disabled = true;
      form.querySelector(".sp-first").hidden = false;
      show(form, []);
    }
  }

  async function run(form, dry) {
    if (!form.reportValidity()) {
      return;
    }
    form.setAttribute("aria-busy", "true");
    show(form, [note("One moment. Where there are many, their records are looked at one after the other.")]);
    try {
      const { ok, said } = await sp.send(form.dataset.act, body(form, dry));
      if (!ok) {
        show(form, [note(said.message, "sp-refused"), note(said.hint || "")]);
        return;
      }
      if (dry) {
        show(form, plan(said));
        form.querySelector("[type=submit]").disabled = said.number === 0 || refused(said);
        form.querySelector(".sp-first").hidden = true;
        return;
      }
      form.dispatchEvent(new CustomEvent("sp:done", { bubbles: true, detail: { then: form.dataset.then, said: said } }));
    } catch (error) {
      show(form, [note("No answer. It is not known whether it was done: look before you try again.", "sp-refused")]);
    } finally {
      form.removeAttribute("aria-busy");
    }
  }

  document.addEventListener("click", (event) => {
    const form = event.target.closest("form[data-act]");
    if (form && event.target.closest("[data-dry]")) {
      run(form, true);
    } else if (form && event.target.closest("[data-cli-copy]")) {
      sp.copy(command(form));
    }
  });
  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-act]");
    if (form) {
      event.preventDefault();
      const button = form.querySelector("[type=submit]");
      run(form, button.disabled);
    }
  });
  document.addEventListener("input", (event) => {
    const form = event.target.closest("form[data-act]");
    if (form) {
      stale(form);
    }
  });
})();
