// The human check: finds the counter whose derived key begins as the form asks (ALTCHA, PBKDF2), and puts it into the
// form. A form that is sent earlier waits for it. Without this file the form is accepted after the time on the page.
document.querySelectorAll("input[data-human-check]").forEach(async (field) => {
  const form = field.form, status = document.getElementById("human-check-status");
  const { parameters } = JSON.parse(atob(field.dataset.humanCheck));
  const bytes = (hex) => Uint8Array.from(hex.match(/../g), (pair) => parseInt(pair, 16));
  const hexOf = (buffer) => Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");
  const nonce = bytes(parameters.nonce), salt = bytes(parameters.salt);
  let pressed = null, isSolved = false;
  const derived = async (counter) => {
    const password = new Uint8Array(nonce.length + 4);
    password.set(nonce);
    new DataView(password.buffer).setUint32(nonce.length, counter);
    const key = await crypto.subtle.importKey("raw", password, "PBKDF2", false, ["deriveBits"]);
    const how = { name: "PBKDF2", hash: "SHA-256", salt, iterations: parameters.cost };
    return hexOf(await crypto.subtle.deriveBits(how, key, parameters.keyLength * 8));
  };
  if (!window.crypto?.subtle) return; // an insecure page: waiting is what remains
  form.addEventListener("submit", (event) => {
    if (isSolved) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    pressed = event.submitter;
  }, true);
  status.hidden = false;
  status.textContent = status.dataset.working;
  document.getElementById("human-check-wait").hidden = true;
  for (let counter = 0; !isSolved; counter += 1) {
    const key = await derived(counter);
    isSolved = key.startsWith(parameters.keyPrefix);
    if (isSolved) field.value = `${counter}:${key}`;
  }
  status.textContent = status.dataset.done;
  if (pressed) form.requestSubmit(pressed);
});
