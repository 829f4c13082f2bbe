// Shortens waiting; every page works without it. Sets text, progress values and widths, never markup.
const main = document.querySelector("[data-live-from]");
const follow = document.querySelector("a[data-follow]");
const local = (path) => typeof path === "string" && /^\/(?![\/\\])/.test(path);

if (follow && local(follow.getAttribute("href"))) location.replace(follow.getAttribute("href"));

function show(facts) {
  for (const element of document.querySelectorAll("[data-live]")) {
    const value = facts[element.dataset.live];
    if (value === undefined) continue;
    if (element instanceof HTMLProgressElement) element.value = Number(value);
    else if (element instanceof SVGElement) element.setAttribute("width", String(value));
    else if (element.textContent !== String(value)) element.textContent = String(value);
  }
}

async function look() {
  if (document.visibilityState === "visible") {
    try {
      const answer = await fetch(main.dataset.liveFrom, { headers: { Accept: "application/json" } });
      if (answer.ok) {
        const facts = await answer.json();
        if (local(facts.go_to)) return location.replace(facts.go_to);
        if (facts.reload) return location.reload();
        show(facts);
        if (facts.done) return;
      }
    } catch { /* The next look may work; the page says how to refresh by hand. */ }
  }
  setTimeout(look, 5000);
}
if (main && local(main.dataset.liveFrom)) setTimeout(look, 1500);

const counter = document.querySelector("[data-count-down]");
if (counter) {
  const until = Date.now() + 1000 * Number(counter.dataset.countDown);
  const tick = setInterval(() => {
    const left = Math.ceil((until - Date.now()) / 1000);
    if (left > 0) return void (counter.textContent = String(left));
    clearInterval(tick);
    location.reload();
  }, 1000);
}
