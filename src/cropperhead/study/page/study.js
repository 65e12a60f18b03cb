"use strict";
/**
 * The page of a study: shows ballots, takes votes, keeps them in this browser, and saves them.
 *
 * A classic script, and its data are scripts, too, because browsers load neither modules nor JSON
 * from a folder on disk. `window.study` holds the study's name and the number of its sessions;
 * `window.session` is what a session's script sets.
 */
(() => {
  const LIKE = "like";
  const QUESTIONS = {
    like: "Which crop do you like better?",
    tell: "Which crop did a person make?",
  };
  const KEYS = { 1: "left", 2: "right", 0: "neither" };
  const study = window.study;
  const stored = `cropperhead-study-${study.id}`;
  const find = (id) => document.getElementById(id);
  const screens = ["start", "between", "vote", "paused", "thanks"];

  /** @type {{rater: string, session: number, votes: {ballot: string, answer: string, ms: number}[]}} */
  let state = read() ?? begin();
  let session = null;
  let pictures = new Map();
  let shownAt = null; // while two crops are visible and wait for a vote

  function begin() {
    const asked = Number(new URLSearchParams(location.search).get("session"));
    const isGiven = Number.isInteger(asked) && asked >= 1 && asked <= study.sessions;
    const drawn = Math.floor(Math.random() * study.sessions);
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    const rater = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    return { rater, session: isGiven ? asked - 1 : drawn, votes: [] };
  }

  function read() {
    try {
      return JSON.parse(localStorage.getItem(stored));
    } catch {
      return null; // no storage here: the votes last as long as the page
    }
  }

  function keep() {
    try {
      localStorage.setItem(stored, JSON.stringify(state));
    } catch {
      find("problem").textContent = "This browser keeps nothing: finish before you leave the page.";
    }
  }

  function show(name) {
    for (const each of screens) find(each).hidden = each !== name;
    if (name !== "vote") {
      shownAt = null;
      find(name).querySelector("button")?.focus();
    }
  }

  /** Loads a crop, and again where that failed: the network may come back. */
  async function picture(name) {
    if (!pictures.has(name)) {
      const image = new Image();
      image.alt = "";
      image.decoding = "async";
      image.src = `crops/${name}.jpg`;
      pictures.set(name, image);
    }
    const image = pictures.get(name);
    try {
      await image.decode();
    } catch (error) {
      pictures.delete(name);
      throw error;
    }
    return image;
  }

  async function loadAhead() {
    for (const ballot of session.ballots.slice(state.votes.length)) {
      for (const side of ["left", "right"]) {
        try {
          await picture(ballot[side]);
        } catch {
          return; // it is tried again when the ballot comes
        }
      }
    }
    document.documentElement.dataset.loaded = "";
  }

  async function next() {
    const place = state.votes.length;
    if (place >= session.ballots.length) return finish();
    const ballot = session.ballots[place];
    const before = session.ballots[place - 1];
    if (before && before.mode !== ballot.mode && find("between").hidden) return show("between");
    try {
      const images = [await picture(ballot.left), await picture(ballot.right)];
      find("problem").textContent = "";
      present(ballot, place, images);
    } catch {
      find("problem").textContent =
        "A picture could not be loaded. Your votes are safe; this tries again.";
      setTimeout(next, 2000);
    }
  }

  function present(ballot, place, images) {
    const total = session.ballots.length;
    find("question").textContent = QUESTIONS[ballot.mode];
    find("neither").hidden = ballot.mode !== LIKE;
    find("bar").value = place / total;
    find("count").textContent = `${place + 1} of ${total}`;
    ["left", "right"].forEach((side, i) => {
      const image = images[i].cloneNode();
      find(side).style.setProperty("--shape", String(image.naturalWidth / image.naturalHeight || 1));
      find(side).querySelector(".frame").replaceChildren(image);
      find(side).setAttribute("aria-label", `Crop ${i + 1}`);
    });
    show("vote");
    if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
    find("spoken").textContent = `${place + 1} of ${total}: ${QUESTIONS[ballot.mode]}`;
    requestAnimationFrame(() => (shownAt = performance.now()));
  }

  function vote(answer) {
    const ballot = session?.ballots[state.votes.length];
    if (shownAt === null || !ballot || (answer === "neither" && ballot.mode !== LIKE)) return;
    const ms = Math.round(performance.now() - shownAt);
    shownAt = null;
    state.votes.push({ ballot: ballot.ballot, answer, ms });
    keep();
    void next();
  }

  function finish() {
    const seconds = state.votes.reduce((sum, each) => sum + each.ms, 0) / 1000;
    const ties = state.votes.filter((each) => each.answer === "neither").length;
    find("result").textContent =
      `You voted ${state.votes.length} times, in ${Math.max(1, Math.round(seconds / 60))} minutes ` +
      `of looking, and saw no difference in ${ties}.`;
    show("thanks");
  }

  function save() {
    const content = JSON.stringify({ study: study.id, ...state });
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

  function start() {
    session = window.session;
    const total = session.ballots.length;
    const done = state.votes.length;
    if (done >= total) return finish();
    const minutes = Math.max(1, Math.round(((total - done) * 5) / 60));
    find("extent").textContent =
      done > 0
        ? `You have voted ${done} times; ${total - done} are left.`
        : `There are ${total} pairs, which take about ${minutes} minutes.`;
    find("begin").textContent = done > 0 ? "Go on" : "Begin";
    show("start");
  }

  for (const side of ["left", "right", "neither"]) {
    find(side).addEventListener("click", () => vote(side));
  }
  document.addEventListener("keydown", (event) => {
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in KEYS) vote(KEYS[event.key]);
  });
  find("begin").addEventListener("click", () => {
    keep();
    void next();
    void loadAhead();
  });
  for (const name of ["continue", "resume"]) find(name).addEventListener("click", () => void next());
  find("pause").addEventListener("click", () => show("paused"));
  find("save").addEventListener("click", save);
  find("forget").addEventListener("click", forget);
  // who looks at something else meanwhile does not look at the crops
  document.addEventListener("visibilitychange", () => {
    if (document.hidden && shownAt !== null) show("paused");
  });

  const script = document.createElement("script");
  script.src = `sessions/${state.session + 1}.js`;
  script.onload = start;
  script.onerror = () => {
    find("problem").textContent = "The pairs could not be loaded. Reload the page to try again.";
  };
  document.head.append(script);
})();
