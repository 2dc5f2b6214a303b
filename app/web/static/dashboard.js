// Makes the dashboard livelier. Everything works without it: it keeps figures fresh, folds the menu on phones,
// copies snippets, and gives the keyboard a few short ways.
"use strict";

(() => {
  const page = document.body;

  // ── Fresh figures ────────────────────────────────────────────────────────────────────────────────────────────────
  // Parts marked data-live are asked for again and swapped in place when they changed; what is in use is left alone.

  // The page, or a part of it that is under way, says how often (in seconds).
  const pause = () => {
    const wishes = [...document.querySelectorAll("[data-live-every]")].map((part) => Number(part.dataset.liveEvery));
    return wishes.length ? Math.min(...wishes) * 1000 : 0;
  };
  let isAsking = false;

  const isInUse = (part) => part.contains(document.activeElement) && document.activeElement !== document.body
    && /^(INPUT|SELECT|TEXTAREA|BUTTON|SUMMARY)$/.test(document.activeElement.tagName);

  const swap = (fresh) => {
    for (const part of document.querySelectorAll("[data-live]")) {
      const other = fresh.querySelector(`[data-live="${part.dataset.live}"]`);
      if (!other && "liveTurns" in part.dataset) return location.reload(); // it has become another page: a plan is ready
      if (!other || isInUse(part) || part.innerHTML === other.innerHTML) continue;
      const known = new Set([...part.querySelectorAll("li, tr")].map((line) => line.textContent.trim()));
      const focused = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
      part.innerHTML = other.innerHTML;
      part.className = other.className;
      if (part !== page) {
        if (other.dataset.liveEvery) part.dataset.liveEvery = other.dataset.liveEvery;
        else delete part.dataset.liveEvery;
      }
      if (known.size) {
        for (const line of part.querySelectorAll(".mails li, .entry:not(.decision)")) {
          if (!known.has(line.textContent.trim())) line.classList.add("new");
        }
      }
      if (focused) part.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
    }
  };

  const ask = async () => {
    if (isAsking || document.hidden) return;
    isAsking = true;
    try {
      const answer = await fetch(location.href, { headers: { "X-Live": "1" }, redirect: "error" });
      if (answer.ok) swap(new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch { /* the next asking may do better */ } finally {
      isAsking = false;
    }
  };
  const again = () => {
    if (pause()) setTimeout(async () => { await ask(); again(); }, pause());
  };
  again();

  // ── The demo's clock, while it walks ─────────────────────────────────────────────────────────────────────────────

  const machine = document.getElementById("machine-now");
  if (machine) {
    const [time, date] = [machine.querySelector("b"), machine.querySelector("span > span")];
    setInterval(async () => {
      if (document.hidden) return;
      try {
        const told = await (await fetch(machine.dataset.tick)).json();
        if (time.textContent !== told.time) time.textContent = told.time;
        if (date.textContent !== told.date) date.textContent = told.date;
        machine.classList.toggle("walks", told.walks);
      } catch { /* the next asking may do better */ }
    }, 1000);
  }

  // ── The menu on phones ───────────────────────────────────────────────────────────────────────────────────────────

  const menu = document.getElementById("menu");
  const narrow = matchMedia("(max-width: 760px)");
  const fold = () => { if (menu) menu.open = !narrow.matches; };
  narrow.addEventListener("change", fold);
  fold();

  // ── Copying, confirming, sending on change ───────────────────────────────────────────────────────────────────────

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const source = document.getElementById(button.dataset.copy);
    await navigator.clipboard.writeText(source.value ?? source.textContent);
    button.classList.add("done");
    const words = button.querySelector("span");
    const before = words.textContent;
    words.textContent = button.dataset.done;
    setTimeout(() => { words.textContent = before; }, 1600);
  });

  document.addEventListener("submit", (event) => {
    const question = event.submitter?.dataset.ask ?? event.target.dataset.ask;
    if (question && !confirm(question)) event.preventDefault();
  });

  for (const select of document.querySelectorAll(".filters select")) {
    select.addEventListener("change", () => select.form.requestSubmit());
  }

  // ── Asking while one writes: forms marked data-try send themselves after a pause ─────────────────────────────────

  for (const form of document.querySelectorAll("form[data-try]")) {
    let timer = 0;
    form.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(async () => {
        const query = new URLSearchParams(new FormData(form));
        const answer = await fetch(`${location.pathname}?${query}`, { headers: { "X-Live": "1" } });
        if (!answer.ok) return;
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        const part = document.getElementById(form.dataset.try);
        const other = fresh.getElementById(form.dataset.try);
        if (part && other) part.innerHTML = other.innerHTML;
        history.replaceState(null, "", `${location.pathname}?${query}`);
      }, 300);
    });
  }

  // ── Completing words of a condition: those that hold what stands before the cursor; Tab takes the first ──────────

  for (const field of document.querySelectorAll("textarea[data-words]")) {
    const words = [...document.getElementById(field.dataset.words).options].map((option) => option.value);
    const shown = document.getElementById("completions");
    const before = () => /[A-Za-z_][A-Za-z_('-]*$/.exec(field.value.slice(0, field.selectionStart))?.[0] ?? "";
    const take = (word) => {
      const end = field.selectionStart;
      field.setRangeText(word, end - before().length, end, "end");
      const gap = word.indexOf("''");
      if (gap >= 0) field.selectionStart = field.selectionEnd = field.selectionStart - word.length + gap + 1;
      shown.hidden = true;
      field.focus();
      field.dispatchEvent(new Event("input", { bubbles: true }));
    };
    const offer = () => {
      const begun = before();
      const fit = begun.length < 2 ? [] : words.filter((word) => word.startsWith(begun) && word !== begun).slice(0, 8);
      shown.replaceChildren(...fit.map((word) => {
        const line = document.createElement("li");
        const button = Object.assign(document.createElement("button"), { type: "button", textContent: word, dir: "ltr" });
        button.addEventListener("click", () => take(word));
        line.append(button);
        return line;
      }));
      shown.hidden = !fit.length;
    };
    field.addEventListener("input", offer);
    field.addEventListener("keydown", (event) => {
      if (event.key === "Escape") shown.hidden = true;
      if (event.key !== "Tab" || event.shiftKey || shown.hidden) return;
      event.preventDefault();
      take(shown.querySelector("button").textContent);
    });
  }

  // ── Keys: / finds, g and a letter goes somewhere, ? tells ────────────────────────────────────────────────────────

  let isGoing = false;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    if (event.key === "/") {
      const field = document.querySelector('[data-focus="/"]');
      if (field) { event.preventDefault(); field.focus(); field.select(); }
      return;
    }
    if (isGoing) {
      isGoing = false;
      const way = { h: "", l: "ladder", c: "campaigns", s: "people", b: "boxes", m: "mails", d: "delivery" }[event.key];
      if (way !== undefined) location.href = `/dashboard/${way}`;
      if (event.key === "i") location.href = "/inbox";
      return;
    }
    isGoing = event.key === "g";
  });
})();
