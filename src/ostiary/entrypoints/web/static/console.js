// Times in the reader's own zone, UTC on hover; a word before the session ends.
const full = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
const hour = new Intl.DateTimeFormat("en-GB", { timeStyle: "short" });
for (const time of document.querySelectorAll("time[datetime*=T]")) {
  const said = time.textContent;
  if (!said.includes(":")) continue;
  time.title = time.dateTime.replace("T", " ").replace("Z", " UTC");
  time.textContent = (/^\d\d:\d\d UTC$/.test(said) ? hour : full).format(new Date(time.dateTime));
}
for (const word of document.querySelectorAll("[data-utc]")) word.hidden = true;

const end = document.getElementById("session-end");
if (end) {
  const [soon, over] = end.children;
  let timers = [];
  const show = (one) => { soon.hidden = one !== soon; over.hidden = one !== over; };
  const wait = (seconds) => {
    timers.forEach(clearTimeout);
    show();
    timers = [[seconds - 120, soon], [seconds, over]].map(([s, one]) => setTimeout(show, s * 1000, one));
  };
  soon.querySelector("button").onclick = async () => {
    const answer = await fetch("/console/still-here");
    answer.redirected ? show(over) : wait((await answer.json()).seconds);
  };
  wait(+end.dataset.seconds);
}
