// The style sheet sorts what is seen; this puts the list itself into the same order, for readers
// that do not see it, and says so.
document.querySelectorAll("input[name=sort]").forEach((choice) =>
  choice.addEventListener("change", () => {
    const list = document.querySelector(".photos");
    const place = (photo) => Number(photo.style.getPropertyValue("--" + choice.value));
    [...list.children].sort((a, b) => place(a) - place(b)).forEach((photo) => list.append(photo));
    document.getElementById("sorted").textContent = "Photos sorted: " + choice.labels[0].textContent.trim();
  })
);
