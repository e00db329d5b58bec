// People may show the password that they type. The field works without this file; its texts come from the page.
document.querySelectorAll("input[data-show]").forEach((input) => {
  const button = document.createElement("button");
  const tell = () => {
    const hidden = input.type === "password";
    button.textContent = hidden ? input.dataset.show : input.dataset.hide;
  };
  button.type = "button";
  button.className = "tool reveal";
  button.setAttribute("aria-controls", input.id);
  button.addEventListener("click", () => {
    input.type = input.type === "password" ? "text" : "password";
    tell();
  });
  // Never leave a shown password to the browser's form history.
  input.form.addEventListener("submit", () => { input.type = "password"; });
  tell();
  input.after(button);
});
