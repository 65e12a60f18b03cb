// The style sheet sorts what is visible. This sorts the list itself, and announces the order to
// screen readers.
document.querySelectorAll("input[name=sort]").forEach((choice) =>
  choice.addEventListener("change", () => {
    const list = document.querySelector(".gallery .photos");
    const place = (photo) => Number(photo.style.getPropertyValue("--" + choice.value));
    [...list.children].sort((a, b) => place(a) - place(b)).forEach((photo) => list.append(photo));
    document.getElementById("sorted").textContent = "Photos sorted: " + choice.labels[0].textContent.trim();
  })
);
// Only the first photos are shown until all are requested. The focus moves to the first new one.
const more = document.getElementById("show-all");
more?.addEventListener("click", () => {
  const hidden = [...document.querySelectorAll(".gallery .photos > li")].find((photo) => !photo.offsetParent);
  document.querySelector(".gallery").classList.add("whole");
  more.remove();
  hidden?.setAttribute("tabindex", "-1");
  hidden?.focus({ preventScroll: true });
});
