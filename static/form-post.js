// OAuth 2.0 Form Post Response Mode: submits the form, so that the person need not press the button.
document.getElementById("form-post").submit();
