// OAuth 2.0 Form Post Response Mode: the button of the page is pressed for the person.
document.getElementById("form-post").submit();
