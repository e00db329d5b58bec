// Some hands press every button twice. The second press would send the form again and throw the first answer away;
// within two seconds it does nothing. After that it may be somebody who waited in vain.
document.querySelectorAll("form").forEach((form) => {
  let sent = -Infinity;
  form.addEventListener("submit", (event) => {
    if (event.timeStamp - sent < 2000) event.preventDefault();
    else sent = event.timeStamp;
  });
});
