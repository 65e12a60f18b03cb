"use strict";
/**
 * The page of a study: shows ballots, takes votes, keeps them in this browser, and saves or sends them.
 *
 * A classic script, and its data are scripts, too, because browsers load neither modules nor JSON
 * from a folder on disk. `window.study` holds the study's name, the number of its sessions, and
 * whether a server gives ballots and takes votes; without one, `window.session` is what a session's
 * script sets. Votes are sent in their order, and again until the server has them.
 */
(() => {
  const LIKE = "like";
  const QUESTIONS = {
    like: "Which crop do you like best?",
    tell: "Which crop did a person make?",
  };
  const PAIR = ["left", "right"];
  const NEITHER = "neither";
  const AGAIN_MS = 3000; // until what could not be sent is sent again
  const ENDED = "ended"; // another study is in this one's folder
  /** What a server says that shows another study by now. */
  const UNKNOWN = ["ballot", "session", "unknown_crop"];
  const MISSING = "The study is not on the server at the moment";
  const study = window.study;
  const stored = `cropperhead-study-${study.id}`;
  const find = (id) => document.getElementById(id);
  const screens = ["start", "between", "vote", "paused", "thanks", "over"];
  const crops = [...document.querySelectorAll(".crop")];

  /**
   * `sent` is how many of the votes the server has.
   * @type {{rater: string, receipt: string, session: number, sent: number,
   *   votes: {ballot: string, answer: string, ms: number}[]}}
   */
  let state = read() ?? begin();
  let session = null;
  let pictures = new Map();
  let shownAt = null; // while crops are visible and wait for a vote
  let order = []; // of three crops: those that were chosen, the best first
  let turn = 0; // of what is shown: what comes for an earlier one is stale
  let nextTry = 0; // the timer of the next attempt to load pictures
  let isSending = false;
  let again = 0; // the timer of the next attempt to send
  let isReplaced = false; // in the storage, by another tab
  let isOver = false; // nothing is asked or sent any more

  function key() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  function begin() {
    const asked = Number(new URLSearchParams(location.search).get("session"));
    const isGiven = Number.isInteger(asked) && asked >= 1 && asked <= study.sessions;
    const drawn = Math.floor(Math.random() * study.sessions);
    const session = isGiven ? asked - 1 : drawn;
    return { rater: key(), receipt: key(), session, sent: 0, votes: [] };
  }

  function read() {
    try {
      return JSON.parse(localStorage.getItem(stored));
    } catch {
      return null; // no storage here: the votes last as long as the page
    }
  }

  function keep() {
    if (isReplaced) return;
    try {
      localStorage.setItem(stored, JSON.stringify(state));
    } catch {
      find("problem").textContent = "This browser keeps nothing: finish before you leave the page.";
    }
  }

  function isEqual(one, two) {
    return JSON.stringify(one) === JSON.stringify(two);
  }

  function show(name) {
    for (const each of screens) find(each).hidden = each !== name;
    if (name !== "vote") {
      shownAt = null;
      find(name).querySelector("button.primary:not([hidden])")?.focus();
    }
  }

  /** Loads a crop, and again where that failed: the network may come back. */
  async function picture(name) {
    if (!pictures.has(name)) {
      const image = new Image();
      image.alt = "";
      image.decoding = "async";
      image.src = study.server ? `crops/${state.rater}/${name}.jpg` : `crops/${name}.jpg`;
      pictures.set(name, image);
    }
    const image = pictures.get(name);
    try {
      await image.decode();
    } catch (error) {
      pictures.delete(name);
      if (study.server) await request(image.src); // which says why
      throw error;
    }
    return image;
  }

  async function loadAhead() {
    for (const ballot of session.ballots.slice(state.votes.length)) {
      for (const name of ballot.crops) {
        try {
          await picture(name);
        } catch {
          return; // it is tried again when the ballot comes
        }
      }
    }
    document.documentElement.dataset.loaded = "";
  }

  async function next() {
    const isStale = takeTurn();
    const place = state.votes.length;
    if (place >= session.ballots.length) return void finish();
    const ballot = session.ballots[place];
    const before = session.ballots[place - 1];
    if (before && before.mode !== ballot.mode && find("between").hidden) return show("between");
    try {
      const images = await Promise.all(ballot.crops.map(picture));
      if (isStale()) return;
      find("problem").textContent = "";
      present(ballot, place, images, isStale);
    } catch (error) {
      if (isStale() || endsBy(error)) return;
      const problem = error.reason === "no_study" ? MISSING : "A picture could not be loaded";
      find("problem").textContent = `${problem}. Your votes are safe; this tries again.`;
      nextTry = setTimeout(next, 2000);
    }
  }

  /** Makes stale whatever still loads; returns whether what comes now has become so, too. */
  function takeTurn() {
    clearTimeout(nextTry);
    const mine = ++turn;
    return () => mine !== turn;
  }

  function pause() {
    takeTurn();
    find("problem").textContent = "";
    show("paused");
  }

  function present(ballot, place, images, isStale) {
    const total = session.ballots.length;
    order = [];
    find("question").textContent = QUESTIONS[ballot.mode];
    find("neither").hidden = ballot.mode !== LIKE;
    find("bar").value = place / total;
    find("count").textContent = `${place + 1} of ${total}`;
    const shapes = images.map((image) => image.naturalWidth / image.naturalHeight || 1);
    find("pair").classList.toggle("three", images.length > 2);
    find("pair").style.setProperty("--widest", String(Math.max(...shapes)));
    crops.forEach((button, i) => {
      button.hidden = i >= images.length;
      if (button.hidden) return;
      button.style.setProperty("--shape", String(shapes[i]));
      button.querySelector(".frame").replaceChildren(images[i].cloneNode());
    });
    mark();
    show("vote");
    if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
    find("spoken").textContent = `${place + 1} of ${total}: ${QUESTIONS[ballot.mode]}`;
    requestAnimationFrame(() => {
      if (!isStale()) shownAt = performance.now();
    });
  }

  /** Shows which of three crops was chosen as the best, and asks for the second. */
  function mark() {
    crops.forEach((button, i) => {
      const isBest = order[0] === i;
      button.classList.toggle("best", isBest);
      button.setAttribute("aria-label", isBest ? `Crop ${i + 1}, the best` : `Crop ${i + 1}`);
    });
    const text = order.length > 0 ? "And which of the others?" : "";
    find("ask").textContent = text || "\u00a0";
    if (text) find("spoken").textContent = text;
  }

  /** Takes a choice: the number of a crop, from 0, or null for no difference between what is left. */
  function choose(number) {
    const ballot = session?.ballots[state.votes.length];
    if (shownAt === null || !ballot || (number === null && ballot.mode !== LIKE)) return;
    if (number === null) return vote(order.length ? String(order[0] + 1) : NEITHER);
    if (number >= ballot.crops.length || order.includes(number)) return;
    if (ballot.crops.length === 2) return vote(PAIR[number]);
    order.push(number);
    if (order.length === 1) return mark();
    order.push([0, 1, 2].find((i) => !order.includes(i)));
    vote(order.map((i) => i + 1).join(""));
  }

  function vote(answer) {
    const { ballot } = session.ballots[state.votes.length];
    const ms = Math.round(performance.now() - shownAt);
    shownAt = null;
    state.votes.push({ ballot, answer, ms });
    keep();
    void next();
    void send();
  }

  async function post(path, fields) {
    const response = await request(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(fields),
    });
    return response.json();
  }

  /** Asks the server for something; what it refuses is an error, with its reason. */
  async function request(address, options) {
    const response = await fetch(address, options);
    if (response.ok) return response;
    const { reason, detail } = await response.json();
    const isLater = response.status === 429 || (response.status >= 500 && reason !== "full");
    throw Object.assign(new Error(detail), { reason, isLater });
  }

  /** Whether a study is over by what the server says, which the page then shows for good. */
  function endsBy({ reason }) {
    if (reason !== ENDED && !UNKNOWN.includes(reason)) return false;
    isOver = true;
    takeTurn();
    clearTimeout(again);
    session = null; // no more votes are taken
    const count = state.votes.length;
    const unsent = count - state.sent;
    const lines = ["Another study has taken its place."];
    if (unsent > 0) {
      lines.push(`Votes that had not been sent were not counted: ${unsent} of your ${count}.`);
    } else if (count > 0) lines.push("All of your votes have arrived. Thank you.");
    if (reason !== ENDED) lines.push("To take part in the new study, reload the page.");
    find("uncounted").textContent = lines.join(" ");
    find("over").querySelector(".withdraw").hidden = reason !== ENDED || state.sent === 0;
    find("problem").textContent = "";
    show("over");
    return true;
  }

  /** Sends the votes that the server does not have; where that fails, again after some seconds. */
  async function send() {
    if (!study.server || isSending || isOver) return;
    isSending = true;
    clearTimeout(again);
    const current = state;
    try {
      while (current.sent < current.votes.length) {
        const { rater, session, votes } = current;
        const count = votes.length; // more may come while these are under way
        await post("votes", { rater, session, votes: votes.slice(current.sent) });
        if (state !== current) return; // they were withdrawn meanwhile
        current.sent = Math.max(current.sent, count);
        keep();
      }
      document.documentElement.dataset.sent = String(state.sent);
      if (!find("thanks").hidden) void finish();
    } catch (error) {
      if (endsBy(error)) return;
      if (error.isLater === false) find("problem").textContent = `Not accepted: ${error.message}.`;
      else again = setTimeout(send, AGAIN_MS);
    } finally {
      isSending = false;
    }
  }

  async function finish() {
    const { rater, receipt, votes, sent } = state;
    const seconds = votes.reduce((sum, each) => sum + each.ms, 0) / 1000;
    const ties = votes.filter((each) => each.answer === NEITHER).length;
    const minutes = Math.max(1, Math.round(seconds / 60));
    const lines = [
      `You voted ${votes.length} times, in ${minutes} ${minutes === 1 ? "minute" : "minutes"} of ` +
        `looking, and saw no difference in ${ties} of them.`,
    ];
    for (const id of ["deliver", "save", "forget"]) find(id).hidden = study.server;
    show("thanks");
    if (study.server && sent < votes.length) {
      lines.push("Some votes are not sent yet. Keep this page open: it sends them by itself.");
    } else if (study.server) {
      try {
        const { liked, told } = await post("results", { id: rater, receipt });
        if (told.of) lines.push(`You found the person’s crop in ${told.right} of ${told.of}.`);
        const items = liked.map((each) => {
          const item = document.createElement("li");
          const crop = each.cropper.startsWith("those") ? each.cropper : `${each.cropper} crops`;
          item.textContent = `You preferred ${crop} in ${each.won} of ${each.of} comparisons.`;
          return item;
        });
        find("liked").replaceChildren(...items);
      } catch {
        lines.push("Your votes have arrived.");
      }
    }
    find("result").textContent = lines.join(" ");
  }

  function save() {
    const { rater, session, votes } = state;
    const content = JSON.stringify({ study: study.id, rater, session, votes });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([content], { type: "application/json" }));
    link.download = `votes-${state.rater.slice(0, 8)}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  function forget() {
    try {
      localStorage.removeItem(stored);
    } catch {
      // there was none
    }
    state = begin();
    location.reload();
  }

  async function withdraw() {
    if (!confirm("Delete all your votes?")) return;
    try {
      await post("withdrawals", { id: state.rater, receipt: state.receipt });
      forget();
    } catch {
      find("problem").textContent = "The votes could not be withdrawn. Try it again.";
    }
  }

  function start(content) {
    session = content;
    void send();
    const total = session.ballots.length;
    const done = state.votes.length;
    if (done >= total) return void finish();
    const minutes = Math.max(1, Math.round(((total - done) * 5) / 60));
    find("extent").textContent =
      done > 0
        ? `You have voted ${done === 1 ? "once" : `${done} times`}; ${total - done} are left.`
        : `There are ${total} votes, which take about ${minutes} minutes.`;
    find("begin").textContent = done > 0 ? "Go on" : "Begin";
    show("start");
  }

  /** Asks the server for this rater's ballots. */
  async function join() {
    try {
      const given = await post("sessions", { id: state.rater, receipt: state.receipt });
      state.session = given.session;
      keep();
      start(given);
    } catch (error) {
      if (endsBy(error)) return;
      // the answer to the withdrawal was lost
      if (error.reason === "withdrawn") return forget();
      if (error.reason === "banned") {
        find("problem").textContent = "No more votes are taken from this browser.";
        return;
      }
      find("problem").textContent = error.isLater
        ? `${error.reason === "no_study" ? MISSING : "The server is busy"}; this tries again.`
        : `The pairs could not be loaded (${error.message}). Reload the page to try again.`;
      if (error.isLater) setTimeout(join, AGAIN_MS);
    }
  }

  function load() {
    const script = document.createElement("script");
    script.src = `sessions/${state.session + 1}.js`;
    script.onload = () => start(window.session);
    script.onerror = () => {
      find("problem").textContent = "The pairs could not be loaded. Reload the page to try again.";
    };
    document.head.append(script);
  }

  crops.forEach((button, i) => button.addEventListener("click", () => choose(i)));
  find("neither").addEventListener("click", () => choose(null));
  document.addEventListener("keydown", (event) => {
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "0") choose(null);
    if (["1", "2", "3"].includes(event.key)) choose(Number(event.key) - 1);
  });
  find("begin").addEventListener("click", () => {
    keep();
    void next();
    void loadAhead();
  });
  for (const name of ["continue", "resume"]) find(name).addEventListener("click", () => void next());
  find("pause").addEventListener("click", pause);
  find("save").addEventListener("click", save);
  find("forget").addEventListener("click", forget);
  for (const button of document.querySelectorAll(".withdraw")) {
    button.hidden = !study.server;
    button.addEventListener("click", () => void withdraw());
  }
  // who looks at something else meanwhile does not look at the crops
  document.addEventListener("visibilitychange", () => {
    if (document.hidden && shownAt !== null) pause();
  });
  window.addEventListener("online", () => void send());
  // another tab voted: without its votes, this one would overwrite them
  window.addEventListener("storage", (event) => {
    if (event.key !== stored) return;
    const other = read();
    if (other?.rater === state.rater && isEqual(other.votes, state.votes)) {
      state.sent = Math.max(state.sent, other.sent); // it only sent them
      return;
    }
    isReplaced = true;
    location.reload();
  });

  if (study.server) void join();
  else load();
})();
