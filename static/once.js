// Some people press every button twice. The second press would send the form again and discard the first answer, so it
// does nothing within two seconds. A later press works: the person may have waited in vain.
document.querySelectorAll("form").forEach((form) => {
  let sent = -Infinity;
  form.addEventListener("submit", (event) => {
    if (event.timeStamp - sent < 2000) event.preventDefault();
    else sent = event.timeStamp;
  });
});
