// Another code may be sent after a minute: the line above the buttons counts. Without this file the line says the same in
// words. The buttons stay usable, for a keyboard must reach them; the server refuses what comes too soon and says so.
const wait = document.getElementById("resend-wait");
const after = wait.textContent;
const ready = Date.now() + Number(wait.dataset.seconds) * 1000;

const count = () => {
  const seconds = Math.ceil((ready - Date.now()) / 1000);
  wait.textContent = seconds > 0 ? wait.dataset.text.replace("{}", seconds) : after;
  if (seconds > 0) setTimeout(count, 1000);
};
count();
