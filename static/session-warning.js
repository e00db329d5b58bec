// Before a session ends by itself, a dialog says so and offers the button that extends it. Without this file the page
// says the same. The server sends the seconds that are left, so a wrong clock on this device does no harm.
const warning = document.getElementById("session-warning");
const left = document.getElementById("session-warning-left");
const ends = Date.now() + Number(warning.dataset.seconds) * 1000;
let shown = false;

const tick = () => {
  const seconds = Math.ceil((ends - Date.now()) / 1000);
  // Two seconds late: when the page is loaded then, the session must be over, so that the page can say why.
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
// A page restored from the browser's cache may count to an end that is already past.
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
tick();
