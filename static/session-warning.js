// Before a session ends by itself, a dialog says so and offers the button that keeps it. The page says the same without
// this file. Time is counted from the server's, so a wrong clock on this device does no harm.
const warning = document.getElementById("session-warning");
const left = document.getElementById("session-warning-left");
const ends = Date.now() + Number(warning.dataset.seconds) * 1000;
let shown = false;

const tick = () => {
  const seconds = Math.ceil((ends - Date.now()) / 1000);
  // Two seconds late: the page that is loaded then must find the session over, and say why.
  if (seconds < -2) return location.reload();
  left.textContent = `${Math.floor(Math.max(0, seconds) / 60)}:${String(Math.max(0, seconds) % 60).padStart(2, "0")}`;
  if (!shown && seconds <= Number(warning.dataset.warning) && warning.showModal) {
    shown = true;
    warning.hidden = false;
    warning.showModal();
    document.title = `${warning.querySelector("h2").textContent} ${document.title}`;
  }
  return setTimeout(tick, 1000);
};

document.getElementById("session-warning-close")?.addEventListener("click", () => warning.close());
// A page taken back from the browser's memory counts from an end that may be past.
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
tick();
