// Another code may be sent after a minute. Until then the buttons wait and the line above them counts. Without this file
// the line says the same in words, and the server refuses what comes too soon.
const wait = document.getElementById("resend-wait");
const buttons = document.querySelectorAll("#resend button");
const after = wait.textContent;
const ready = Date.now() + Number(wait.dataset.seconds) * 1000;

const count = () => {
  const seconds = Math.ceil((ready - Date.now()) / 1000);
  buttons.forEach((button) => { button.disabled = seconds > 0; });
  wait.textContent = seconds > 0 ? wait.dataset.text.replace("{}", seconds) : after;
  if (seconds > 0) setTimeout(count, 1000);
};
count();
