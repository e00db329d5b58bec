// Passkeys (WebAuthn Level 3): asks the device and puts its answer into the form. Nothing is fetched: the page holds the
// challenge, and the form carries the answer. Without this file, or without passkeys in the browser, the forms stay hidden.
const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
const base64url = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
  .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const PARTS = ["clientDataJSON", "authenticatorData", "signature", "userHandle", "attestationObject"];
const PATIENCE = 270_000; // milliseconds: half a minute less than the challenge is valid

const send = (form, made) => {
  const response = { transports: made.response.getTransports?.() ?? [] };
  for (const part of PARTS) if (made.response[part]) response[part] = base64url(made.response[part]);
  form.elements.credential.value = JSON.stringify({ id: made.id, rawId: base64url(made.rawId), type: made.type, response });
  form.submit();
};

// The form appears. Its button asks the device; if nothing comes of it, the page says so in words.
const offer = (form, ask) => {
  const problem = form.querySelector("[role=alert]");
  form.hidden = false;
  document.querySelectorAll("[data-without-passkeys]").forEach((instead) => { instead.hidden = true; });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    problem.hidden = true;
    ask().then((made) => send(form, made)).catch(() => { problem.hidden = false; });
  });
};

const start = () => {
  const login = document.getElementById("passkey-login");
  const add = document.getElementById("passkey-add");
  if (login) {
    const { challenge, rpId } = login.dataset;
    const publicKey = { challenge: bytes(challenge), rpId, userVerification: "required", allowCredentials: [], timeout: PATIENCE };
    const waiting = new AbortController();
    offer(login, () => {
      waiting.abort(); // a device answers one question at a time
      return navigator.credentials.get({ publicKey });
    });
    // Where the browser can, it also offers passkeys among what it fills in for the number. Not after a refusal: some
    // devices answer by themselves, and would send the refused passkey for ever.
    const field = document.querySelector("input[autocomplete~='webauthn']");
    if (field && !document.querySelector(".summary")) PublicKeyCredential.isConditionalMediationAvailable?.().then((there) => there && !waiting.signal.aborted
      && navigator.credentials.get({ publicKey, mediation: "conditional", signal: waiting.signal })
        .then((made) => made && send(login, made)))
      .catch(() => {}); // the button still works
  }
  if (add) {
    const { challenge, rpId, rpName, user, name, held } = add.dataset;
    offer(add, () => navigator.credentials.create({
      publicKey: {
        challenge: bytes(challenge),
        rp: { id: rpId, name: rpName },
        user: { id: bytes(user), name, displayName: name },
        pubKeyCredParams: [-7, -8, -257].map((alg) => ({ type: "public-key", alg })),
        excludeCredentials: held.split(" ").filter(Boolean).map((id) => ({ type: "public-key", id: bytes(id) })),
        authenticatorSelection: { residentKey: "required", requireResidentKey: true, userVerification: "required" },
        attestation: "none",
        timeout: PATIENCE,
      },
    }));
  }
};

if (window.PublicKeyCredential && navigator.credentials) start();
