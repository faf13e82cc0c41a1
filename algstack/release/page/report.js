"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const number = new Intl.NumberFormat("en");
  const oneDigit = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
  const threeDigits = new Intl.NumberFormat("en", { minimumFractionDigits: 3, maximumFractionDigits: 3 });
  const megabytes = (bytes) => (bytes && bytes < 1e6 ? threeDigits : oneDigit).format(bytes / 1e6);

  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "class") made.className = value;
      else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else made.setAttribute(name, value);
    }
    made.append(...children.filter((child) => child !== null && child !== undefined));
    return made;
  }

  // A path or id that can be broken after its slashes and other marks.
  function breakable(name) {
    const made = element("span", { class: "name-of" });
    for (const piece of name.split(/(?<=[\/:@_.-])/)) made.append(piece, element("wbr"));
    return made;
  }

  // Head and foot.
  byId("title").textContent = `${data.title} ${data.version}`;
  byId("lead").textContent = data.description;
  byId("foot").textContent = `${data.name} ${data.version}${data.date ? `, ${data.date}` : ""}, made by ${data.tool}. ` +
    "Samples are drawn by a hash of their ids; all counts are exact. This page loads nothing from anywhere.";
  const figures = [
    [number.format(data.total.documents), "documents"],
    [megabytes(data.total.bytes), "MB of text"],
    [number.format(data.total.tokens), `tokens (${data.tokenizer})`],
    [number.format(data.languages.length - 1), "languages"],
    [number.format(data.total.repos), "repositories"],
    [number.format(data.dropped), "documents dropped"],
  ];
  byId("numbers").append(...figures.map(([value, name]) => element("div", {}, element("b", {}, value), element("span", {}, name))));

  // Light and dark.
  byId("theme").addEventListener("click", () => {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });

  // Tabs: arrow keys move between them, as readers of screens expect.
  byId("tab-benchmarks").hidden = !data.benchmarks;
  const tabs = [...document.querySelectorAll('[role="tab"]:not([hidden])')];
  function show(name, focus = false) {
    for (const tab of tabs) {
      const chosen = tab.id === `tab-${name}`;
      tab.setAttribute("aria-selected", chosen);
      tab.tabIndex = chosen ? 0 : -1;
      byId(tab.getAttribute("aria-controls")).hidden = !chosen;
      if (chosen) tab.scrollIntoView({ block: "nearest", inline: "nearest" });
      if (chosen && focus) tab.focus();
    }
    if (location.hash.slice(1) !== name) history.replaceState(null, "", `#${name}`);
  }
  tabs.forEach((tab, at) => {
    tab.addEventListener("click", () => show(tab.id.slice(4)));
    tab.addEventListener("keydown", (event) => {
      const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      show(tabs[(to + tabs.length) % tabs.length].id.slice(4), true);
    });
  });

  // Tables.
  function table(target, head, rows, right) {
    const cells = (tag, row) => row.map((cell, column) => element(tag, right.includes(column) ? { class: "r" } : {}, cell));
    target.replaceChildren(
      element("thead", {}, element("tr", {}, ...cells("th", head))),
      element("tbody", {}, ...rows.map((row) => element("tr", {}, ...cells("td", row)))),
    );
  }
  const link = (text, lead) => element("button", { type: "button", onclick: lead }, text);
  table(
    byId("languages"),
    ["Language", "Documents", "MB", "Tokens", "Repositories", "Kept"],
    data.languages.map((row, at) => [at < data.languages.length - 1 ? link(row[0], () => browse(row[0], "")) : row[0], ...row.slice(1)]),
    [1, 2, 3, 4, 5],
  );
  table(
    byId("rules"),
    ["Stage", "Rule", "Reason", "Dropped"],
    data.rules.map(([stage, rule, reason, count]) => [stage, link(rule, () => browse("", `${stage}/${rule}`)), reason, count]),
    [3],
  );

  // Lists that are walked with the arrow keys; a long one grows as it is read.
  const PORTION = 150;
  function list(box, render, open) {
    let items = [], chosen = -1;
    function grow(to) {
      const start = box.children.length;
      box.append(...items.slice(start, to).map((item, at) => {
        const option = render(item);
        option.id = `${box.id}-${start + at}`;
        option.setAttribute("role", "option");
        option.setAttribute("aria-selected", "false");
        option.setAttribute("aria-posinset", start + at + 1);
        option.setAttribute("aria-setsize", items.length);
        return option;
      }));
    }
    function choose(at, focus) {
      if (at < 0 || at >= items.length) return;
      if (at >= box.children.length) grow(at + PORTION);
      if (box.children[chosen]) box.children[chosen].setAttribute("aria-selected", "false");
      chosen = at;
      const option = box.children[at];
      option.setAttribute("aria-selected", "true");
      box.setAttribute("aria-activedescendant", option.id);
      if (focus) option.scrollIntoView({ block: "nearest" });
      open(items[at]);
    }
    box.addEventListener("scroll", () => {
      if (box.scrollTop + 2 * box.clientHeight > box.scrollHeight) grow(box.children.length + PORTION);
    });
    box.addEventListener("keydown", (event) => {
      const page = Math.max(1, Math.floor(box.clientHeight / 56));
      const steps = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: page, PageUp: -page, Home: -items.length, End: items.length };
      if (!(event.key in steps) || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      choose(Math.min(items.length - 1, Math.max(0, chosen + steps[event.key])), true);
    });
    box.addEventListener("click", (event) => {
      const option = event.target.closest('[role="option"]');
      if (option) choose([...box.children].indexOf(option), false);
    });
    return (fresh) => {
      items = fresh;
      chosen = -1;
      box.replaceChildren();
      box.scrollTop = 0;
      grow(PORTION);
      if (items.length) choose(0, false);
      else {
        box.removeAttribute("aria-activedescendant");
        open(null);
      }
    };
  }

  // Samples.
  const decision = (sample) => (sample.rule ? `${sample.stage}/${sample.rule}` : "kept");
  const shortName = (sample) => sample.path ? sample.path : sample.id;
  const fillSamples = list(
    byId("sample-list"),
    (sample) => element("div", { class: sample.rule ? "dropped" : "kept" },
      element("b", {}, element("i"), breakable(shortName(sample))),
      element("span", {}, [sample.lang, sample.repo, sample.rule ? `dropped: ${sample.rule}` : `kept, ${sample.split}`].filter(Boolean).join(" · "))),
    (sample) => byId("sample").replaceChildren(...(sample ? sampleView(sample) : [element("p", { class: "note" }, "No sample fits.")])),
  );

  function facts(rows) {
    const made = element("dl");
    for (const [name, value] of rows) {
      if (value !== undefined && value !== null && value !== "") made.append(element("dt", {}, name), element("dd", {}, value));
    }
    return made;
  }

  function sampleView(sample) {
    const url = sample.url && /^https?:/.test(sample.url)
      ? element("a", { href: sample.url, rel: "noopener noreferrer" }, sample.url) : sample.url;
    const made = [
      element("h3", {}, breakable(sample.id)),
      sample.rule && element("div", { class: "why" },
        element("b", {}, `Dropped by ${sample.stage}: ${sample.rule}`), element("div", {}, sample.reason),
        sample.evidence ? element("div", {}, "Seen: ", element("code", {}, sample.evidence)) : null,
        sample.keeper ? element("div", {}, "Keeper: ", breakable(sample.keeper),
          sample.similarity === undefined ? "" : `, similarity ${sample.similarity.toFixed(3)}`) : null),
      facts([
        ["Language", sample.lang], ["Repository", sample.repo], ["Licence", sample.license || (sample.rule ? "" : "unknown")], ["Link", url],
        ["Size", sample.size === undefined ? "" : `${number.format(sample.size)} bytes${sample.tokens === undefined ? "" : `, ${number.format(sample.tokens)} tokens`}`],
        ["Split", sample.split],
      ]),
    ];
    if (sample.text === undefined) {
      made.push(element("div", { class: "note" }, "Its text is not here: the crawl refused the file, or the workspace was not at hand."));
    } else {
      made.push(code(sample));
      if (sample.cut) made.push(element("div", { class: "note" }, "A part of the document; the release, or `algstack explain`, has all of it."));
    }
    return made.filter(Boolean);
  }

  function code(sample) {
    const text = sample.text, body = element("code");
    const [from, to] = sample.mark || [-1, -1];
    let marked = null, at = 0;
    const put = (kind, start, end) => {
      if (start >= end) return;
      const inside = start >= from && end <= to;
      const piece = kind === "p" ? document.createTextNode(text.slice(start, end)) : element("span", { class: kind }, text.slice(start, end));
      if (inside && !marked) body.append((marked = element("mark", { title: "what the rule saw" })));
      (inside ? marked : body).append(piece);
    };
    for (const [, length, kind] of sample.colours.matchAll(/(\d+)([a-z])/g)) {
      const end = at + Number(length);
      const cuts = [at, from, to, end].filter((cut) => cut >= at && cut <= end).sort((one, other) => one - other);
      for (let piece = 0; piece + 1 < cuts.length; piece++) put(kind, cuts[piece], cuts[piece + 1]);
      at = end;
    }
    const lines = text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
    const gutter = Array.from({ length: lines }, (_, line) => sample.first_line + line).join("\n");
    const made = element("pre", { tabindex: "0", "aria-label": "text of the document" }, element("span", { class: "gutter", "aria-hidden": "true" }, gutter), body);
    if (marked) requestAnimationFrame(() => { made.scrollTop = Math.max(0, marked.offsetTop - made.offsetTop - 120); });
    return made;
  }

  const lang = byId("choose-lang"), rule = byId("choose-rule"), search = byId("search");
  const option = (value, text) => element("option", { value }, text);
  const languages = [...new Set(data.samples.map((sample) => sample.lang || ""))].sort();
  lang.append(option("", "all"), ...languages.filter(Boolean).map((name) => option(name, name)));
  const rules = [...new Set(data.samples.map(decision))].filter((name) => name !== "kept").sort();
  rule.append(option("", "kept and dropped"), option("kept", "kept"), ...rules.map((name) => option(name, `dropped: ${name.replace("/", ": ")}`)));

  function choose() {
    const words = search.value.trim().toLowerCase();
    const found = data.samples.filter((sample) =>
      (!lang.value || sample.lang === lang.value) && (!rule.value || decision(sample) === rule.value) &&
      (!words || sample.id.toLowerCase().includes(words) || (sample.repo || "").toLowerCase().includes(words)));
    byId("found").textContent = `${number.format(found.length)} of ${number.format(data.samples.length)} samples`;
    fillSamples(found);
  }
  function browse(language, decided, words = "") {
    lang.value = language;
    rule.value = decided;
    search.value = words;
    choose();
    show("samples");
    byId("sample-list").focus({ preventScroll: true });
    scrollTo(0, 0);
  }
  for (const control of [lang, rule]) control.addEventListener("change", choose);
  search.addEventListener("input", choose);
  search.addEventListener("keydown", (event) => { if (event.key === "ArrowDown") { event.preventDefault(); byId("sample-list").focus(); } });
  for (const form of document.querySelectorAll("form")) form.addEventListener("submit", (event) => event.preventDefault());

  const percent = (share) => `${(Math.floor(1000 * share) / 10).toFixed(1)} %`;

  // Near-duplicate pairs.
  const fillPairs = list(
    byId("pair-list"),
    (pair) => element("div", {}, element("b", {}, percent(pair.similarity)), element("span", {}, pair.lang ? `${pair.lang} · ` : "", breakable(pair.id))),
    (pair) => byId("pair").replaceChildren(...(pair ? pairView(pair) : [element("p", { class: "note" }, "No near-duplicate was dropped, or the texts were not at hand.")])),
  );
  function pairView(pair) {
    const kinds = { "=": "same", "~": "tilde", "-": "minus", "+": "plus", "…": "gap" };
    const rows = pair.rows.map(([kind, left, right]) => {
      if (kind === "…") return element("tr", { class: "gap" }, element("td", { colspan: "2" }, "…"));
      const cells = kind === "~" ? spot(left, right) : [[left || ""], [right || ""]];
      return element("tr", { class: kinds[kind] }, element("td", {}, ...cells[0]), element("td", {}, ...cells[1]));
    });
    return [
      element("h3", {}, `${percent(pair.similarity)} of the shingles are the same`),
      facts([["Dropped", breakable(pair.id)], ["Kept", breakable(pair.keeper)], ["Rule", `${pair.rule}: ${pair.reason}`]]),
      element("div", { class: "diff", tabindex: "0" }, element("table", {},
        element("thead", {}, element("tr", {}, element("th", {}, "dropped"), element("th", {}, "kept"))),
        element("tbody", {}, ...rows))),
      ...(pair.cut ? [element("div", { class: "note" }, "The beginnings of two longer documents.")] : []),
    ];
  }
  // What differs within two lines: all between their common beginning and their common end.
  function spot(left, right) {
    let start = 0, end = 0;
    const most = Math.min(left.length, right.length);
    while (start < most && left[start] === right[start]) start++;
    while (end < most - start && left[left.length - 1 - end] === right[right.length - 1 - end]) end++;
    return [left, right].map((line) => [line.slice(0, start), element("u", {}, line.slice(start, line.length - end)), line.slice(line.length - end)]);
  }

  // Benchmarks.
  function benchmarks(found) {
    const counts = (table) => Object.entries(table).map(([name, count]) => `${name} ${number.format(count)}`).join(", ");
    byId("benchmark-words").textContent = [
      found.rows.length ? "" : "Nothing was compared with benchmarks.",
      counts(found.dropped) && `Documents dropped: ${counts(found.dropped)}.`,
      found.notApplied.length ? `Wanted, but without a copy at hand and so not compared: ${found.notApplied.join(", ")}.` : "",
      ...Object.entries(found.repositories).map(([name, why]) => `${name} is a benchmark itself: ${why}.`),
      counts(found.redacted) && `Replaced by placeholders: ${counts(found.redacted)}.`,
    ].filter(Boolean).join(" ");
    if (found.rows.length) table(byId("benchmark-table"), found.head, found.rows, found.head.map((_, at) => at).slice(2));
    byId("benchmark-table").parentElement.hidden = !found.rows.length;
    const measure = (one) => (one.how === "ngram" ? `${number.format(one.words)} words` : one.similarity < 1 ? `${one.how}, ${percent(one.similarity)}` : one.how);
    list(byId("example-list"),
      (one) => element("div", { class: "dropped" }, element("b", {}, element("i"), breakable(`${one.problem}`)),
        element("span", {}, `${one.benchmark} · ${measure(one)} · `, breakable(one.id))),
      (one) => byId("example").replaceChildren(...(one ? [
        element("h3", {}, breakable(one.id)),
        facts([["Benchmark", one.benchmark], ["Problem", one.problem], ["Recognised by", one.how],
          ["Shared", one.of ? `${number.format(one.words)} of ${number.format(one.of)} words of the problem` : ""],
          ["Similarity", one.similarity ? one.similarity.toFixed(3) : ""]]),
        element("pre", { class: "plain", tabindex: "0", "aria-label": "what was found" }, element("code", {}, one.evidence)),
      ] : [element("p", { class: "note" }, "Nothing of a benchmark was found.")])))(found.nearest);
  }
  if (data.benchmarks) benchmarks(data.benchmarks);

  // Repositories.
  const SHOWN = 300;
  const searchRepositories = byId("search-repositories");
  function repositories() {
    const words = searchRepositories.value.trim().toLowerCase();
    const found = data.repositories.filter(([name]) => !words || name.toLowerCase().includes(words));
    const more = data.repositories.length < data.allRepositories ? `, the largest of ${number.format(data.allRepositories)}` : "";
    byId("found-repositories").textContent = `${number.format(found.length)} of ${number.format(data.repositories.length)}${more}` +
      (found.length > SHOWN ? `; the first ${SHOWN} are shown` : "");
    table(byId("repository-table"), ["Repository", "Documents", "MB", "Tokens", "Dropped"],
      found.slice(0, SHOWN).map(([name, documents, bytes, tokens, dropped]) =>
        [link(name, () => browse("", "", name)), number.format(documents), megabytes(bytes), number.format(tokens), number.format(dropped)]),
      [1, 2, 3, 4]);
  }
  searchRepositories.addEventListener("input", repositories);

  // Figures answer to the pointer and to the keyboard.
  const tip = byId("tip");
  const known = { "figure-tokens": (key) => languages.includes(key) && (() => browse(key, "")), "figure-waterfall": (key) => rules.includes(key) && (() => browse("", key)) };
  function point(x, y, text) {
    tip.textContent = text;
    tip.hidden = false;
    tip.style.left = `${Math.max(8, Math.min(x + 14, innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${Math.min(y + 16, innerHeight - tip.offsetHeight - 8)}px`;
  }
  for (const bar of document.querySelectorAll(".bar")) {
    const lead = (known[bar.closest("figure").id] || (() => null))(bar.dataset.key);
    bar.addEventListener("pointermove", (event) => point(event.clientX, event.clientY, bar.dataset.tip));
    bar.addEventListener("pointerleave", () => { tip.hidden = true; });
    bar.addEventListener("focus", () => {
      const box = bar.getBoundingClientRect();
      point(box.left, box.bottom - 8, bar.dataset.tip);
    });
    bar.addEventListener("blur", () => { tip.hidden = true; });
    if (!lead) continue;
    bar.classList.add("leads");
    bar.setAttribute("tabindex", "0");
    bar.setAttribute("role", "button");
    bar.setAttribute("aria-label", `${bar.dataset.tip}; show samples`);
    bar.addEventListener("click", () => { tip.hidden = true; lead(); });
    bar.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); tip.hidden = true; lead(); }
    });
  }

  addEventListener("keydown", (event) => {
    if (event.key !== "/" || /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) return;
    event.preventDefault();
    const inRepositories = !byId("panel-repositories").hidden;
    if (!inRepositories) show("samples");
    (inRepositories ? searchRepositories : search).focus();
  });
  const named = () => tabs.map((tab) => tab.id.slice(4)).find((name) => name === location.hash.slice(1));
  addEventListener("hashchange", () => { if (named()) show(named()); });

  choose();
  fillPairs(data.pairs);
  repositories();
  show(named() || "overview");
})();
